//! Counts the instructions of the key micro benches.
//!
//! `benches/instructions/check` builds and runs it; `instructions WORKLOAD` does one workload, as
//! it is done under callgrind, and can be profiled.

use std::path::Path;
use std::process::ExitCode;

use callboard_benches::instructions::check;
use callboard_benches::instructions::workloads::WORKLOADS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["check", path] => verdict(check(Path::new(path), false)),
        ["check", path, "--update"] => verdict(check(Path::new(path), true)),
        [name] if WORKLOADS.iter().any(|workload| workload.name == name) => {
            WORKLOADS.iter().filter(|workload| workload.name == name).for_each(|one| one.run());
            ExitCode::SUCCESS
        }
        _ => {
            let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            eprintln!("instructions check BASELINE [--update]\ninstructions {}", names.join("|"));
            ExitCode::from(2)
        }
    }
}

fn verdict(result: Result<bool, String>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: more than a tenth more instructions than the baseline");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
