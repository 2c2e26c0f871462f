//! Recording with the program `perf`.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{script, switches};

/// What is recorded, of all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Who has a processor and in which functions, some thousand times a second.
    ///
    /// Not of a few processes, as their timers would be stopped and set anew whenever they give way:
    /// much of what is sampled would then be the sampling.
    Samples,
    /// Whom the scheduler wakes, and whom it gives a processor.
    Switches,
}

/// A recording that is being made; ended when dropped.
#[derive(Debug)]
pub(super) struct Recording {
    what: What,
    process: Child,
    file: PathBuf,
    limit: Duration,
}

/// Why nothing can be sampled here, if so.
pub(super) fn why_not() -> Option<String> {
    Recording::start(What::Samples, LOOK).and_then(Recording::end).err()
}

impl Recording {
    /// Begins to record, and goes on for that time, which has begun when this returns.
    ///
    /// `perf` starts a program only when it records, and ends with it.
    pub(super) fn start(what: What, time: Duration) -> Result<Self, String> {
        let file = std::env::temp_dir().join(format!("callboard-{}.perf", std::process::id()));
        let mut command = Command::new(PERF);
        command.args(["record", "--quiet", "--all-cpus"]).args(what.to_record());
        command.arg("--output").arg(&file);
        command.args(["--", "sh", "-c", &format!("echo; exec sleep {}", time.as_secs_f64())]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{PERF}: {error}"))?;
        let begun = first_byte(process.stdout.take());
        let mut this = Self { what, process, file, limit: time + PATIENCE };
        match begun.recv_timeout(PATIENCE) {
            Ok(()) => Ok(this),
            // It has ended: why, it says itself.
            Err(RecvTimeoutError::Disconnected) => {
                this.recorded().and(Err(format!("{PERF} record did not begin")))
            }
            Err(RecvTimeoutError::Timeout) => Err(format!("{PERF} record does not begin")),
        }
    }

    /// Whether it still goes on.
    pub(super) fn is_going_on(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits until all is recorded, and prints it.
    pub(super) fn end(mut self) -> Result<String, String> {
        self.recorded()?;
        let mut command = Command::new(PERF);
        command.arg("script").args(self.what.to_print());
        let output = command.arg("--input").arg(&self.file).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{PERF} script: {error}"))?;
        read(self.what, &output)
    }

    /// Waits until all is recorded.
    fn recorded(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let status = loop {
            match self.process.try_wait() {
                Ok(None) if begun.elapsed() < self.limit => thread::sleep(LOOK),
                Ok(None) => return Err(format!("{PERF} record does not end")),
                Ok(Some(status)) => break status,
                Err(error) => return Err(format!("{PERF} record: {error}")),
            }
        };
        // Whoever is sampled may end before; then all samples are there, and `sleep` is ended.
        if !status.success() && status.signal() != Some(TERMINATED) {
            let errors = self.process.stderr.take().and_then(|it| std::io::read_to_string(it).ok());
            return Err(failure("record", status, &errors.unwrap_or_default()));
        }
        Ok(())
    }
}

/// Is told when something comes; disconnected when nothing did until the end.
fn first_byte(from: Option<impl Read + Send + 'static>) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let byte = from.map(|mut from| from.read_exact(&mut [0]));
        if let Some(Ok(())) = byte {
            // Nobody waits any more when it came too late.
            let _ = sender.send(());
        }
    });
    receiver
}

impl What {
    fn to_record(self) -> &'static [&'static str] {
        match self {
            Self::Samples => &["--event", "cpu-clock", "--freq", PER_SECOND, "--call-graph", "fp"],
            Self::Switches => &["--event", EVENTS, "--mmap-pages", PAGES],
        }
    }

    fn to_print(self) -> &'static [&'static str] {
        match self {
            Self::Samples => &["--no-inline", "--max-stack", DEEPEST, "--fields", script::FIELDS],
            Self::Switches => &["--ns", "--fields", switches::FIELDS],
        }
    }
}

/// What was printed; of a program that broke it is not all. Samples are as good when some are lost,
/// but not a wait of which the beginning or the end is.
fn read(what: What, output: &Output) -> Result<String, String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(failure("script", output.status, &errors));
    }
    if what == What::Switches && errors.contains(" lost ") {
        return Err(failure("script", output.status, &errors));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `perf` says about its end, or else how it ended.
fn failure(task: &str, status: ExitStatus, errors: &str) -> String {
    let words = errors.lines().map(str::trim).find(|line| line.len() > "Error:".len());
    format!("{PERF} {task}: {}", words.unwrap_or(&status.to_string()))
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It has ended by itself, or nobody wants what it does.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// The signal by which `perf` ends what it has started, and then itself.
const TERMINATED: i32 = 15;

const PERF: &str = "perf";

/// Samples; a prime, so that nothing that recurs is always met or always missed.
const PER_SECOND: &str = "3989";

/// Of the scheduler: whom it wakes, and who follows whom on a processor.
const EVENTS: &str = "sched:sched_waking,sched:sched_switch";

/// Of a buffer per processor, together 8 MiB: so `perf` itself seldom needs a processor.
const PAGES: &str = "2048";

/// Functions of a stack that are looked at; of the kernel's a packet over loopback has some 40.
const DEEPEST: &str = "64";

const LOOK: Duration = Duration::from_millis(10);

/// Time beyond what is sampled.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::super::script::RECORDED;
    use super::*;

    #[test]
    fn what_is_printed_before_a_failure_is_not_all() {
        let ended = |code: i32, errors: &str| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: RECORDED.into(),
            stderr: errors.into(),
        };
        let read = |output| read(What::Samples, &output);
        assert_eq!(read(ended(0, "")).as_deref(), Ok(RECORDED));
        let broken = read(ended(1, "Error:\n  no such field\n"));
        assert_eq!(broken, Err("perf script: no such field".to_owned()));
        assert_eq!(read(ended(1, "")), Err("perf script: exit status: 1".to_owned()));
    }

    #[test]
    fn of_switches_none_may_be_lost() {
        let errors = "Processed 4711 events and lost 3 chunks!\n\nCheck IO/CPU overload!\n";
        let output = Output {
            status: ExitStatus::default(),
            stdout: RECORDED.into(),
            stderr: errors.into(),
        };
        let lost = "perf script: Processed 4711 events and lost 3 chunks!";
        assert_eq!(read(What::Switches, &output), Err(lost.to_owned()));
        assert!(read(What::Samples, &output).is_ok());
    }

    #[test]
    fn who_says_nothing_until_its_end_has_not_begun() {
        assert_eq!(first_byte(Some(&b"\n"[..])).recv_timeout(PATIENCE), Ok(()));
        let nothing = Err(RecvTimeoutError::Disconnected);
        assert_eq!(first_byte(Some(&b""[..])).recv_timeout(PATIENCE), nothing);
    }
}
