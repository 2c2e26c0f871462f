//! The two processes of a measurement: what they do themselves, and how another one runs them.

use std::fmt;
use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::{Sample, Unsupported, Workload};

/// Runs a future on a runtime of one thread, with local tasks.
///
/// # Panics
/// When no runtime can be made.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime can be made"), future)
}

/// Says where the server is, to whoever started it.
///
/// # Panics
/// When nobody reads it.
pub fn announce(address: impl fmt::Display) {
    println!("{address}");
    std::io::stdout().flush().expect("whoever started this reads it");
}

/// Waits until standard input ends, which is when whoever started this process ends.
pub async fn end_of_input() {
    let (ended, end) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        // Nothing is ever written to it, and a broken one has ended too.
        let _ = std::io::stdin().read(&mut [0]);
        drop(ended);
    });
    // Dropping the sender is the signal.
    let _ = end.await;
}

/// A server in a process of its own; ended when dropped.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    system: String,
    scheduling: Scheduling,
    process: Child,
    address: String,
}

/// A client of a [`Server`] in a process of its own; killed when dropped before its end.
#[derive(Debug)]
pub struct Client {
    process: Option<Child>,
    limit: Duration,
}

/// How the kernel treats server and client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Server on processor 0, client on 1; needs the program `taskset`.
    pub is_pinned: bool,
    /// Nothing that has no such priority takes the processor from them; needs the program `chrt` and
    /// the right to use it. After 0.95 s within a second the kernel does take it.
    pub is_real_time: bool,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was measured.
    Measured(Sample),
    /// The system has no such workload.
    Unsupported(String),
    /// The client failed; its last words.
    Failed(String),
}

impl Server {
    /// Starts the server of a system for a workload, and waits for its address.
    ///
    /// # Errors
    /// The program cannot be run or announces nothing.
    pub fn start(
        program: &Path,
        system: &str,
        scheduling: Scheduling,
        workload: &Workload,
    ) -> Result<Self, String> {
        let mut command = scheduling.command(program, SERVER_PROCESSOR);
        command.args(["serve", system]).args(workload.to_flags());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let text = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut process = command.spawn().map_err(text)?;
        let mut address = String::new();
        if let Some(output) = &mut process.stdout {
            BufReader::new(output).read_line(&mut address).map_err(text)?;
        }
        let (program, system) = (program.to_owned(), system.to_owned());
        let address = address.trim().to_owned();
        let this = Self { program, system, scheduling, process, address };
        if this.address.is_empty() {
            return Err(format!("the server of {} announces no address", this.system));
        }
        Ok(this)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Runs a client against it.
    pub fn measure(&self, workload: &Workload) -> Answer {
        match self.client(workload) {
            Ok(client) => client.answer(),
            Err(error) => Answer::Failed(error),
        }
    }

    /// Starts a client against it.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn client(&self, workload: &Workload) -> Result<Client, String> {
        let mut command = self.scheduling.command(&self.program, CLIENT_PROCESSOR);
        command.args(["call", &self.system, &self.address, &self.id().to_string()]);
        let limit = Duration::from_secs_f64(workload.seconds) + CLIENT_PATIENCE;
        Client::start(command.args(workload.to_flags()), limit)
    }
}

impl Client {
    fn start(command: &mut Command, limit: Duration) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn().map_err(|error| error.to_string())?;
        Ok(Self { process: Some(process), limit })
    }

    /// Its process.
    ///
    /// # Panics
    /// Never: only [`answer`](Self::answer) takes the process away, and the client with it.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("only its end takes the process away").id()
    }

    /// Waits for its end, and says what came of it.
    pub fn answer(self) -> Answer {
        let output = match self.output() {
            Ok(output) => output,
            Err(error) => return Answer::Failed(error),
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors = errors.trim();
        if output.status.code() == Some(Unsupported::EXIT_CODE) {
            let why = errors.lines().find_map(|line| line.strip_prefix("unsupported: "));
            return Answer::Unsupported(why.unwrap_or(errors).to_owned());
        }
        let line = String::from_utf8_lossy(&output.stdout);
        match Sample::from_line(line.trim()) {
            Some(sample) if output.status.success() => Answer::Measured(sample),
            _ => Answer::Failed(last_words(errors, &output.status.to_string())),
        }
    }

    /// Waits for its end, as long as it may take.
    fn output(mut self) -> Result<Output, String> {
        let (limit, process) = (self.limit, self.process.take());
        let mut process = process.ok_or("it has ended before")?;
        // What it prints fits the pipes; were it more, it would be ended at the limit.
        let is_over = end(&mut process, limit);
        let output = process.wait_with_output().map_err(|error| error.to_string())?;
        if is_over { Ok(output) } else { Err(format!("no end in {} s", limit.as_secs())) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may end in this moment by itself; then there is nothing to kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Scheduling {
    /// Whether the kernel gives real-time priority to what this process starts.
    pub fn has_real_time() -> bool {
        let real_time = Self { is_pinned: false, is_real_time: true };
        let mut command = real_time.command(Path::new("true"), CLIENT_PROCESSOR);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// A command that runs a program so; the process is the program's own.
    fn command(self, program: &Path, processor: &str) -> Command {
        let priority = self.is_real_time.then_some(["chrt", "--fifo", PRIORITY]);
        let place = self.is_pinned.then_some(["taskset", "-c", processor]);
        let mut words = priority.into_iter().chain(place).flatten();
        let Some(first) = words.next() else { return Command::new(program) };
        let mut command = Command::new(first);
        command.args(words).arg(program);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // With its input closed it ends in order, and takes with it what it has started.
        drop(self.process.stdin.take());
        end(&mut self.process, SERVER_PATIENCE);
    }
}

/// Waits until a process ends, and kills it when it does not; false then.
fn end(process: &mut Child, limit: Duration) -> bool {
    let begun = Instant::now();
    while matches!(process.try_wait(), Ok(None)) {
        if begun.elapsed() > limit {
            // It may end in this moment by itself; then there is nothing to kill.
            let _ = process.kill();
            let _ = process.wait();
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// The line that says most about why a client failed: its panic, or else its last one.
fn last_words(errors: &str, status: &str) -> String {
    let mut lines = errors.lines();
    let panic = lines.by_ref().find(|line| line.contains("panicked at")).and(lines.next());
    let line = panic.or_else(|| errors.lines().last());
    line.map_or_else(|| status.to_owned(), |line| line.trim().to_owned())
}

const SERVER_PROCESSOR: &str = "0";
const CLIENT_PROCESSOR: &str = "1";

/// Of 1 to 99; above all that is not in real time, below what the kernel itself needs.
const PRIORITY: &str = "50";

/// Time between looks at whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Time for a server to end when its input has.
const SERVER_PATIENCE: Duration = Duration::from_secs(3);

/// Time for a client beyond what is measured: for its start, its warm-up and its end.
const CLIENT_PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let output = |command: &mut Command, limit| Client::start(command, limit)?.output();
        let error = output(Command::new("sleep").arg("60"), LOOK).unwrap_err();
        assert_eq!(error, "no end in 0 s");
        assert!(output(&mut Command::new("true"), SERVER_PATIENCE).unwrap().status.success());
    }

    #[test]
    fn priority_comes_before_place_and_the_program_last() {
        let words = |is_pinned, is_real_time| {
            let scheduling = Scheduling { is_pinned, is_real_time };
            let command = scheduling.command(Path::new("it"), SERVER_PROCESSOR);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(false, false), "it");
        assert_eq!(words(true, false), "taskset -c 0 it");
        assert_eq!(words(true, true), "chrt --fifo 50 taskset -c 0 it");
    }

    #[test]
    fn the_last_words_are_those_of_the_panic() {
        let errors = "note\nthread 'main' panicked at a.rs:1:2:\nno answer\nnote: run with …";
        assert_eq!(last_words(errors, "exit status: 101"), "no answer");
        assert_eq!(last_words("one\ntwo", "exit status: 1"), "two");
        assert_eq!(last_words("", "exit status: 1"), "exit status: 1");
    }
}
