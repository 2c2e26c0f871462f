//! A process that a scenario has started, and that never outlives it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::program::{Program, VARIABLE};
use crate::stage::wait_until;

/// One started process; dropping it ends it.
pub(crate) struct Child {
    process: Process,
    name: String,
    log: PathBuf,
}

impl Child {
    /// Starts this binary as `program`, with settings as flags and in the environment.
    pub(crate) fn start(
        name: &str,
        log: PathBuf,
        program: &Program,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the test is a file"));
        for (variable, _) in std::env::vars_os() {
            let settings = ["CALLBOARD_", "MICRO_", "RUST_LOG"];
            if settings.iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
                command.env_remove(variable);
            }
        }
        let program = serde_json::to_string(program).expect("orders are plain data");
        let output = File::create(&log).expect("the scenario's directory exists");
        let process = command
            .args(flags)
            .envs(environment.iter().copied())
            .env(VARIABLE, program)
            .env(MMAP_THRESHOLD.0, MMAP_THRESHOLD.1)
            // Never written to: its end tells the process that nobody is left to end it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("this binary runs");
        Self { process, name: name.to_owned(), log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for a log line that contains `text`, and returns it.
    pub(crate) fn wait_for_line(&mut self, text: &str, limit: Duration) -> String {
        let mut found = None;
        let what = format!("{} to log {text:?}", self.name);
        wait_until(&what, limit, || {
            found = self.log().lines().find(|line| line.contains(text)).map(str::to_owned);
            if found.is_none() {
                self.assert_running();
            }
            found.is_some()
        });
        found.unwrap_or_default()
    }

    pub(crate) fn assert_running(&mut self) {
        let ended = self.process.try_wait().expect("it is a child of this process");
        assert_eq!(ended, None, "{} has ended; its log:\n{}", self.name, self.log());
    }

    /// Sends a signal by its name, e.g. `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill` is there everywhere; it waits for nothing.
        let order = format!("kill -{signal} {}", self.id());
        let status = Command::new("sh").args(["-c", &order]).status().expect("there is a shell");
        assert!(status.success(), "{} was not sent SIG{signal}", self.name);
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut ended = None;
        let what = format!("the end of {}", self.name);
        wait_until(&what, limit, || {
            ended = self.process.try_wait().expect("it is a child of this process");
            ended.is_some()
        });
        ended.expect("the wait above would have failed")
    }

    /// Waits for its end, which must be a success.
    pub(crate) fn wait_for_success(&mut self, limit: Duration) {
        let status = self.wait(limit);
        assert!(status.success(), "{} ended with {status}; its log:\n{}", self.name, self.log());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails when it has ended, and then there is nothing to do. A stopped process dies too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Memory that glibc's `malloc` takes from the system piece by piece, and gives back as soon as it
/// is free: from 64 KiB on, and always from there on. Otherwise the limit grows with what is given
/// back, what is below stays in the heap for as long as anything behind it is in use, and what a
/// process has of the system would not tell what it holds.
const MMAP_THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "65536");
