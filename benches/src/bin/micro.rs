//! Nanoseconds per operation within a process, beside actix's own.
//!
//! `cargo run --release -p callboard-benches --bin micro -- [--rounds 7] [--millis 200] [--json]
//! [local] [picks] [wire] [supervision]`: the named groups, or all. `micro alone WAY IN-FLIGHT
//! SECONDS` only asks across arbiters, for a profile.

use std::time::Duration;

use callboard_benches::alone::Alone;
use callboard_benches::figure;
use callboard_benches::micro::{self, Plan, local};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(alone) = Alone::parse(&words) {
        let figure = local::alone(&actix_rt::System::new(), &alone).unwrap_or_else(refuse);
        return figure::print(&[figure], true);
    }
    let mut plan = Plan { rounds: 7, time: Duration::from_millis(200) };
    let (mut as_json, mut wanted) = (false, Vec::new());
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let mut number =
            || words.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or_else(refuse);
        match word.as_str() {
            "--rounds" => plan.rounds = number().max(1) as usize,
            "--millis" => plan.time = Duration::from_millis(number().max(1).into()),
            "--json" => as_json = true,
            name if !name.starts_with('-') => wanted.push(word),
            _ => refuse(),
        }
    }
    let runner = actix_rt::System::new();
    // Whoever measures lives on an arbiter, as actors do.
    let figures = micro::run(&runner, plan, &wanted);
    if figures.is_empty() {
        refuse::<()>();
    }
    figure::print(&figures, as_json);
}

/// Says how to use it, and ends.
fn refuse<T>() -> T {
    eprintln!(
        "micro [--rounds NUMBER] [--millis NUMBER] [--json] [local] [picks] [wire] [supervision]"
    );
    std::process::exit(2);
}
