//! What every measured system has in common: how it is asked to serve, and how load is driven.
//!
//! A program of measured systems hands its [`System`]s to [`run`], and is then run twice:
//!
//! ```text
//! program serve SYSTEM [flags]                    prints its address; ends with standard input
//! program call SYSTEM ADDRESS SERVER-PID [flags]  prints one line, a Sample as JSON
//! ```
//!
//! | flag | meaning | default |
//! |---|---|---|
//! | `--shape` | `unary`, `one-way`, `open`, `stream-down`, `stream-up`, `stream-both` or `publish` | `unary` |
//! | `--in-flight` | callers, or streams; with `open` the most calls at once, with `publish` events | 1 |
//! | `--body` | bytes of text in a message | 100 |
//! | `--connections` | connections, over which callers are spread in turn | 1 |
//! | `--subscribers` | subscribers, each with a connection of its own, for `publish` | 1 |
//! | `--seconds` | time that is measured, after a warm-up | 1 |
//! | `--rate` | calls per second, for `open` | |
//!
//! What a system cannot do ends with exit code 3 and one line on standard error, `unsupported: …`.

mod drive;
mod message;
mod open;
mod process;
mod sample;
mod schedule;
mod workload;

use std::future::Future;

pub use self::drive::{drive, measure};
pub use self::process::{Answer, Client, Scheduling, Server, announce, block_on, end_of_input};
pub use self::sample::{Sample, Unsupported};
pub use self::workload::{Shape, Workload};
use crate::echo::Echo;

/// One connection of a system under measurement.
pub trait Caller: Clone + 'static {
    /// Asks for an echo.
    ///
    /// # Panics
    /// When the call fails: a measurement with failed calls means nothing.
    fn call(&self, echo: Echo) -> impl Future<Output = Echo>;

    /// Sends without an answer; false when the system has no such message.
    fn tell(&self, echo: Echo) -> impl Future<Output = bool> {
        drop(echo);
        async { false }
    }

    /// Whether the system has streams, and so [`talk`](Self::talk) does what it says.
    const HAS_STREAMS: bool = false;

    /// Streams messages with this many bytes of text until the measurement is over.
    ///
    /// Each [lap](crate::meter::Laps) is a [batch](crate::talk::BATCH) of messages.
    ///
    /// # Panics
    /// When the stream ends before.
    fn talk(&self, shape: Shape, body: usize) -> impl Future<Output = ()> {
        let _ = (shape, body);
        async {}
    }

    /// Events of a [lap](crate::meter::Laps) of one publisher; 0: the system has no topics.
    const EVENTS_PER_LAP: u32 = 0;

    /// Publishes an event to all subscribers; after the last one of a lap, waits until each has
    /// told that it has it, and by that those before.
    ///
    /// # Panics
    /// When a subscriber missed one.
    fn publish(&self, event: Echo, is_last: bool) -> impl Future<Output = ()> {
        let _ = (event, is_last);
        async {}
    }
}

/// A system under measurement.
pub trait System {
    /// What it is called on the command line and in tables.
    fn name(&self) -> &'static str;

    /// [Announces](announce) an address and answers echoes until the [input ends](end_of_input).
    ///
    /// For [`Shape::Publish`] it has as many subscribers as the workload says.
    fn serve(&self, workload: &Workload);

    /// Connects, and [drives](drive) the workload.
    ///
    /// # Errors
    /// The system has no such workload.
    fn call(&self, call: &Call) -> Result<Sample, Unsupported>;
}

/// One run of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// As the server printed it.
    pub address: String,
    /// The server's process, whose usage counts too.
    pub server: u32,
    /// The load.
    pub workload: Workload,
}

/// Is the main function of a program of measured systems.
pub fn run(systems: &[&dyn System]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !answer(systems, &words) {
        let names: Vec<_> = systems.iter().map(|system| system.name()).collect();
        fail(&format!("first `serve` or `call`, then one of {}", names.join(", ")));
    }
}

/// Serves or calls, if that is what the words ask for; else returns false.
pub fn answer(systems: &[&dyn System], words: &[&str]) -> bool {
    match *words {
        ["serve", name, ref flags @ ..] => find(systems, name).serve(&workload(flags)),
        ["call", name, address, server, ref flags @ ..] => {
            let system = find(systems, name);
            let server = server.parse().unwrap_or_else(|_| fail("the server's process id"));
            let address = address.to_owned();
            match system.call(&Call { address, server, workload: workload(flags) }) {
                Ok(sample) => println!("{}", sample.to_line()),
                Err(unsupported) => {
                    eprintln!("{unsupported}");
                    std::process::exit(Unsupported::EXIT_CODE);
                }
            }
        }
        _ => return false,
    }
    true
}

fn workload(flags: &[&str]) -> Workload {
    Workload::parse(flags).unwrap_or_else(|error| fail(&error))
}

fn find<'a>(systems: &[&'a dyn System], name: &str) -> &'a dyn System {
    let found = systems.iter().find(|system| system.name() == name);
    *found.unwrap_or_else(|| fail(&format!("no system is called `{name}`")))
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    std::process::exit(2);
}
