//! Instruction counts: fixed workloads, counted by callgrind, compared with a committed baseline.
//!
//! Unlike time, the number of instructions hardly depends on what else the machine does: a change
//! of one in a hundred is seen. What the kernel does is not counted.

pub mod baseline;
pub mod callgrind;
pub mod workloads;

use std::path::Path;

use self::baseline::{Baseline, Counts};
use self::workloads::WORKLOADS;

/// Counts all workloads, and compares them with the baseline in `path`; true when none is worse.
///
/// With `is_update` the counts become the baseline.
///
/// # Errors
/// Valgrind, or the baseline, is missing or does not do its part.
pub fn check(path: &Path, is_update: bool) -> Result<bool, String> {
    let mut counts = Counts::new();
    for workload in WORKLOADS {
        eprintln!("counting {}", workload.name);
        let total = callgrind::count(workload.name)?;
        // A tenth of an instruction is below what is repeated from run to run.
        let each = (total as f64 / workload.iterations as f64 * 10.0).round() / 10.0;
        counts.insert(workload.name.to_owned(), each);
    }
    let now = Baseline { compiler: compiler()?, machine: std::env::consts::ARCH.into(), counts };
    if is_update {
        now.write(path)?;
    }
    let before = Baseline::read(path)?;
    let rows = baseline::compare(&before.counts, &now.counts);
    println!("| instructions per operation | baseline | now | change | |\n|---|---|---|---|---|");
    for row in &rows {
        println!("{row}");
    }
    if !now.is_comparable(&before) {
        println!(
            "\nThe baseline is of {} on {}, this is {} on {}: nothing follows from the comparison.",
            before.compiler, before.machine, now.compiler, now.machine
        );
        return Ok(true);
    }
    Ok(rows.iter().all(baseline::Row::is_fine))
}

/// E.g. `rustc 1.95.0`.
fn compiler() -> Result<String, String> {
    let name = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(name).arg("--version").output();
    let text = output.map_err(|error| format!("rustc does not tell its version: {error}"))?.stdout;
    let text = String::from_utf8_lossy(&text);
    Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}
