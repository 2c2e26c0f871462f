//! What the kernel knows about a process: time on a processor, memory.

use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Time on a processor, all threads, in the program and in the kernel; to 10 ms.
    pub cpu: Duration,
    /// Resident memory in KiB.
    pub memory: u64,
}

/// Reads the usage of a process.
///
/// # Panics
/// When there is no such process, or this is not Linux.
pub fn usage(process: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    // The name, in parentheses, may hold anything; the fields that follow are numbers.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Usage { cpu: TICK * u32::try_from(ticks).unwrap_or(u32::MAX), memory: memory.unwrap_or(0) }
}

/// Reads the usage of a process and of those that it has started.
///
/// # Panics
/// When there is no such process, or this is not Linux.
pub fn usage_with_children(process: u32) -> Usage {
    let mut sum = usage(process);
    for child in children(process) {
        let own = usage_with_children(child);
        sum.cpu += own.cpu;
        sum.memory += own.memory;
    }
    sum
}

fn children(process: u32) -> Vec<u32> {
    // Each thread has a list of its own. Not every kernel has them; then no process that is
    // measured may have children.
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let text = lists.map(Result::unwrap_or_default).collect::<Vec<_>>().join(" ");
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The kernel counts processor time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
