//! Processes of this same program, and what they take.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::figure::Figure;
use crate::usage::usage;

/// Measures one size in a fresh process.
///
/// # Panics
/// When that process fails; what it has to say is on standard error.
pub fn measure(subject: &str, size: u64) -> Vec<Figure> {
    let mut command = itself();
    command.args([POINT, subject, &size.to_string()]).stderr(Stdio::inherit());
    let output = command.output().expect("this program can be run again");
    assert!(output.status.success(), "{subject} {size} failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(Figure::from_line).collect()
}

/// A server in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    process: Child,
    /// Where it listens.
    pub address: String,
}

impl ServerProcess {
    /// Starts this program as a server, and waits for its address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let mut command = itself();
        command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this program can be run again");
        let mut address = String::new();
        let output = process.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("the server lives");
        Self { process, address: address.trim_end().to_owned() }
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> f64 {
        resident(self.process.id())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Resident memory of the present process, in bytes.
pub fn memory() -> f64 {
    resident(std::process::id())
}

/// Tells the process that started this one where it listens.
///
/// # Panics
/// When nobody reads it.
pub fn announce(address: &str) {
    println!("{address}");
    std::io::stdout().flush().expect("somebody reads this");
}

fn resident(process: u32) -> f64 {
    usage(process).memory as f64 * 1024.0
}

fn itself() -> Command {
    Command::new(std::env::current_exe().expect("the system knows this program's path"))
}

/// Asks the program to measure one size.
pub const POINT: &str = "point";

/// Asks the program to serve.
pub const SERVE: &str = "serve";
