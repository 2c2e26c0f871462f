//! Sampling with the program `perf`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::script::{FIELDS, Taken, parse};

/// Whose processor time is sampled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Processes(&'a [u32]),
    /// That of all, so that it can be told who had which processor.
    Everybody,
}

/// Samples being taken; ended when dropped.
#[derive(Debug)]
pub(super) struct Recording {
    process: Child,
    file: PathBuf,
    limit: Duration,
}

/// Why nothing can be sampled here, if so.
pub(super) fn why_not() -> Option<String> {
    Recording::start(Whose::Everybody, LOOK).and_then(Recording::end).err()
}

impl Recording {
    /// Begins to take samples, and goes on for that time.
    pub(super) fn start(whose: Whose<'_>, time: Duration) -> Result<Self, String> {
        let file = std::env::temp_dir().join(format!("callboard-{}.perf", std::process::id()));
        let mut command = Command::new(PERF);
        command.args(["record", "--quiet", "--event", "cpu-clock", "--freq", PER_SECOND]);
        command.args(["--call-graph", "fp", "--sample-cpu", "--output"]).arg(&file);
        match whose {
            Whose::Everybody => command.arg("--all-cpus"),
            Whose::Processes(processes) => {
                let ids: Vec<_> = processes.iter().map(u32::to_string).collect();
                command.args(["--pid", &ids.join(",")])
            }
        };
        command.args(["--", "sleep", &time.as_secs_f64().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let process = command.spawn().map_err(|error| format!("{PERF}: {error}"))?;
        Ok(Self { process, file, limit: time + PATIENCE })
    }

    /// Waits until all have been taken.
    pub(super) fn end(mut self) -> Result<Vec<Taken>, String> {
        let begun = Instant::now();
        let status = loop {
            match self.process.try_wait() {
                Ok(None) if begun.elapsed() < self.limit => std::thread::sleep(LOOK),
                Ok(None) => return Err(format!("{PERF} record does not end")),
                Ok(Some(status)) => break status,
                Err(error) => return Err(format!("{PERF} record: {error}")),
            }
        };
        // Whoever is sampled may end before; then all samples are there, and `sleep` is ended.
        if !status.success() && status.signal() != Some(TERMINATED) {
            let errors = self.process.stderr.take().and_then(|it| std::io::read_to_string(it).ok());
            let errors = errors.unwrap_or_default();
            let words = errors.lines().map(str::trim).find(|line| line.len() > "Error:".len());
            return Err(format!("{PERF} record: {}", words.unwrap_or(&status.to_string())));
        }
        let mut command = Command::new(PERF);
        command.args(["script", "--no-inline", "--max-stack", DEEPEST, "--fields", FIELDS]);
        let output = command.arg("--input").arg(&self.file).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{PERF} script: {error}"))?;
        Ok(parse(&String::from_utf8_lossy(&output.stdout)))
    }
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

/// Functions of a stack that are looked at; of the kernel's a packet over loopback has some 40.
const DEEPEST: &str = "64";

const LOOK: Duration = Duration::from_millis(10);

/// Time beyond what is sampled.
const PATIENCE: Duration = Duration::from_secs(15);
