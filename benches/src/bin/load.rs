//! Requests per second and latency over loopback, beside the floor.
//!
//! `cargo run --release -p callboard-benches --bin load -- --in-flight 1,64,256 --seconds 3
//! --rounds 3 --pin`: the program runs itself as server and as client of each system in turn.

#[path = "../load/board.rs"]
mod board;
#[path = "../load/by_hand.rs"]
mod by_hand;
#[path = "../load/events.rs"]
mod events;
#[path = "../load/floor.rs"]
mod floor;
#[path = "../load/options.rs"]
mod options;
#[path = "../load/plain.rs"]
mod plain;
#[path = "../load/report.rs"]
mod report;
#[path = "../load/talk.rs"]
mod talk;

use callboard_benches::worker::{self, Answer, Scheduling, Server, Shape, System, Workload};

use self::options::Options;
use self::report::Table;

fn main() {
    let systems: [&dyn System; 7] = [
        &floor::Floor,
        &floor::Alone,
        &by_hand::ByHand,
        &plain::Plain,
        &board::Callboard,
        &events::InMemory,
        &events::Group,
    ];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if worker::answer(&systems, &words) {
        return;
    }
    if let Err(text) = Options::parse(&words).and_then(|options| compare(&options)) {
        eprintln!("{text}");
        std::process::exit(2);
    }
}

/// Runs all systems in turn, round after round, so that a busy machine is unfair to none.
fn compare(options: &Options) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let scheduling = Scheduling { is_pinned: options.pin, ..Scheduling::default() };
    let start = |system: &String| Server::start(&program, system, scheduling, &options.workload);
    let servers = options.systems.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut table = Table::new(&options.systems);
    for &in_flight in &options.in_flight {
        for round in 0..options.rounds {
            for (index, (system, server)) in options.systems.iter().zip(&servers).enumerate() {
                let workload = Workload { in_flight, ..options.workload };
                if is_senseless(system, &workload) {
                    continue;
                }
                let answer = server.measure(&workload);
                if options.verbose {
                    eprintln!("round {round} {system} {in_flight}: {answer:?}");
                }
                match answer {
                    Answer::Measured(sample) => table.add(index, in_flight, sample),
                    Answer::Unsupported(why) | Answer::Failed(why) => {
                        eprintln!("{system} {in_flight}: {why}");
                    }
                }
            }
        }
    }
    table.print();
    Ok(())
}

/// Ping-pong is what one caller alone can do; with more it would be another workload.
fn is_senseless(system: &str, workload: &Workload) -> bool {
    system == "ping-pong" && workload.shape == Shape::Unary && workload.in_flight > 1
}
