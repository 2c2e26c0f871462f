//! Runs scenarios side by side and reports like libtest.

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// A scenario's name, and what panics when it fails.
pub(crate) type Scenario = (&'static str, fn());

/// Runs the scenarios that the arguments ask for.
pub(crate) fn run(lanes: &'static [&'static [Scenario]]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        lanes.iter().copied().flatten().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let total = lanes.iter().copied().flatten().count();
    let lanes: Vec<Vec<Scenario>> = lanes
        .iter()
        .map(|lane| lane.iter().copied().filter(|(name, _)| wanted(name, &arguments)).collect())
        .collect();
    let count: usize = lanes.iter().map(Vec::len).sum();
    println!("\nrunning {count} tests");
    let begun = Instant::now();
    let failed = run_lanes(lanes);
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        count - failed.len(),
        failed.len(),
        total - count,
        begun.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { 101.into() }
}

/// Returns the names of those that failed.
fn run_lanes(lanes: Vec<Vec<Scenario>>) -> Vec<&'static str> {
    let (done, results) = mpsc::channel();
    for lane in lanes {
        let done = done.clone();
        thread::spawn(move || {
            for (name, scenario) in lane {
                let thread = thread::Builder::new().name(name.into());
                let passed = thread.spawn(scenario).is_ok_and(|thread| thread.join().is_ok());
                // The receiver waits until the last lane has ended.
                let _ = done.send((name, passed));
            }
        });
    }
    drop(done);
    let mut failed = Vec::new();
    for (name, passed) in results {
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    failed
}

/// Flags of libtest mean nothing here and are ignored, so that a common command line works.
fn wanted(name: &str, arguments: &[String]) -> bool {
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
}
