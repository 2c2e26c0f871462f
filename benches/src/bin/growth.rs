//! How costs grow: from one connection, call, node, service, actor, endpoint to many.
//!
//! `cargo run --release -p callboard-benches --bin growth -- [subject …] [--most SIZE] [--json]`:
//! the named subjects, or all. The program runs itself, once for each size. `growth alone SUBJECT
//! SIZE SECONDS` only repeats what grows with the subject, for a profile.

use callboard_benches::alone::Alone;
use callboard_benches::figure;
use callboard_benches::growth::processes::{POINT, SERVE};
use callboard_benches::growth::{self, SUBJECTS, Subject, connections};

fn main() {
    // Each connection takes a descriptor; where there are too few, the largest size says so.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(alone) = Alone::parse(&words) {
        let figure = growth::alone(&alone).unwrap_or_else(refuse);
        return figure::print(&[figure], true);
    }
    match words[..] {
        [SERVE] => connections::serve(),
        [POINT, name, size] => {
            let size = size.parse().expect("the size is a number");
            figure::print(&(subject(name).measure)(size), true);
        }
        _ => grow(&words),
    }
}

fn grow(words: &[&str]) {
    let (mut as_json, mut most, mut wanted) = (false, u64::MAX, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => as_json = true,
            "--most" => {
                most = words.next().and_then(|text| text.parse().ok()).unwrap_or_else(refuse);
            }
            name => wanted.push(*subject(name)),
        }
    }
    if wanted.is_empty() {
        wanted = SUBJECTS.to_vec();
    }
    // One after the other, so that there is something to read from the beginning.
    for subject in wanted {
        figure::print(&growth::grow(&subject, most), as_json);
    }
}

fn subject(name: &str) -> &'static Subject {
    growth::subject(name).unwrap_or_else(refuse)
}

/// Says how to use it, and ends.
fn refuse<T>() -> T {
    let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
    eprintln!("growth [--most SIZE] [--json] [SUBJECT …]\nsubjects: {}", names.join(", "));
    std::process::exit(2);
}
