//! Runs a workload of this program under callgrind.

use std::process::{Command, Stdio};

/// Instructions that a workload took, those of its preparation excluded.
///
/// # Errors
/// Valgrind is missing, or fails.
pub fn count(workload: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = std::env::temp_dir().join(format!("callgrind.{}.{workload}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--toggle-collect={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg(workload)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind does not run: {error}"))?;
    let text = std::fs::read_to_string(&file);
    // Whoever has no temporary files left has other worries.
    let _ = std::fs::remove_file(&file);
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{workload} failed under valgrind: {text}"));
    }
    let text = text.map_err(|error| format!("callgrind wrote nothing: {error}"))?;
    total(&text).filter(|total| *total > 0).ok_or(format!("nothing of {workload} was counted"))
}

/// The sum that callgrind writes at the end of its file.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Matches the name of [`counted`](super::workloads::counted), however the compiler decorates it.
const COUNTED: &str = "*instructions*workloads*counted*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_at_the_end() {
        let text = "# callgrind format\nevents: Ir\nfn=(0)\n0 12\n\ntotals: 1234\n";
        assert_eq!(total(text), Some(1234));
        assert_eq!(total("events: Ir\n"), None);
    }
}
