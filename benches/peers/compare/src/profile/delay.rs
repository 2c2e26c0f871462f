//! What the kernel knows about time in which a process was runnable and not running.

use std::fs;
use std::time::Duration;

/// All threads of a process together, since they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delay {
    /// Nanoseconds in which another program had the processor, or it was being woken.
    pub(super) waited: u64,
    /// How often it was taken off a processor.
    pub(super) taken: u64,
}

impl Delay {
    /// Reads it; nothing of a process that there is not, nor where the kernel does not count.
    pub(super) fn of(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        threads.fold(Self::default(), |sum, thread| {
            let path = thread.path();
            Self {
                waited: sum.waited + waited(&read(path.join("schedstat"))),
                taken: sum.taken + taken(&read(path.join("status"))),
            }
        })
    }

    /// What came since an earlier reading.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            waited: self.waited.saturating_sub(earlier.waited),
            taken: self.taken.saturating_sub(earlier.taken),
        }
    }
}

/// Time, of all processors together, in which they had something to do and whatever this system runs
/// on did not run them; to 10 ms. `None` where the kernel does not tell.
pub(super) fn stolen() -> Option<Duration> {
    Some(TICK * stolen_ticks(&fs::read_to_string("/proc/stat").ok()?)?)
}

/// The eighth number of the first line, which is of all processors.
fn stolen_ticks(stat: &str) -> Option<u32> {
    let numbers = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    numbers.split_whitespace().nth(7)?.parse().ok()
}

/// The kernel tells such time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The second of three numbers: time on a processor, time runnable but not running, turns.
fn waited(schedstat: &str) -> u64 {
    schedstat.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn taken(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_files_are_read() {
        assert_eq!(waited("112 3204750 1\n"), 3_204_750);
        assert_eq!(waited(""), 0);
        let status = "Name:\tload\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t12\n";
        assert_eq!(taken(status), 12);
        assert_eq!(taken("Name:\tload\n"), 0);
        let stat = "cpu  9 8 7 6 5 4 3 5902 1 0\ncpu0 9 8 7 6 5 4 3 3028 1 0\nintr 1\n";
        assert_eq!(stolen_ticks(stat), Some(5902));
        assert_eq!(stolen_ticks("cpu  9 8 7\n"), None);
    }

    #[test]
    fn only_what_is_new_counts() {
        let [before, after] = [(5, 1), (12, 4)].map(|(waited, taken)| Delay { waited, taken });
        assert_eq!(after.since(before), Delay { waited: 7, taken: 3 });
        assert_eq!(before.since(after), Delay::default());
    }
}
