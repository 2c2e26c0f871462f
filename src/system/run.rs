//! Running a system as a whole process.

use std::io::{ErrorKind, Write};

use actix_rt::System;
use callboard_actors::contain::quiet_contained_panics;
use callboard_actors::node::NodeError;
use callboard_actors::supervisor::Exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::builder::{Resolved, SystemBuilder};
use super::{ServiceSystem, home};
use crate::error::Error;

pub(super) fn run(builder: SystemBuilder) -> Result<(), Error> {
    let arguments = std::env::args_os().skip(1).map(|argument| {
        // What is not Unicode is no setting; it is reported as the unknown flag that it is.
        argument.to_string_lossy().into_owned()
    });
    let builder = match builder.resolved(arguments) {
        Ok(Resolved::Run(builder)) => *builder,
        Ok(Resolved::Print(text)) => {
            return print(&text, std::io::stdout());
        }
        Err(error) if error.exit_code() == 1 => return Err(error),
        Err(error) => {
            // `main` could only exit with 1.
            eprintln!("error: {}", error.report());
            std::process::exit(error.exit_code().into());
        }
    };
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(Error::Threads("run() blocks; inside a runtime use start()".into()));
    }
    log(&builder.config.log);
    quiet_contained_panics();
    System::new().block_on(async move {
        let mut signals = Signals::new()?;
        let system = tokio::select! {
            system = home::start(builder) => system?,
            // Nothing has been promised to anybody yet.
            () = signals.next() => return Ok(()),
        };
        tokio::select! {
            exit = system.ended() => return gave_up(exit),
            () = signals.next() => {}
        }
        gave_up(stop(&system, &mut signals).await)
    })
}

/// Writes a text that was asked for; whoever stops reading it has read enough.
fn print(text: &str, mut output: impl Write) -> Result<(), Error> {
    match writeln!(output, "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::Output(error.to_string())),
    }
}

async fn stop(system: &ServiceSystem, signals: &mut Signals) -> Exit {
    let stopping = system.stop();
    tokio::pin!(stopping);
    tokio::select! {
        exit = &mut stopping => exit,
        () = signals.next() => {
            system.hurry();
            stopping.await
        }
    }
}

fn gave_up(exit: Exit) -> Result<(), Error> {
    if exit.is_normal() { Ok(()) } else { Err(NodeError::GaveUp(exit).into()) }
}

/// Writes log lines to standard error, unless the program has a subscriber of its own.
fn log(filter: &str) {
    let targets = filter.parse::<Targets>().unwrap_or_else(|error| {
        eprintln!("log filter {filter:?} is not understood ({error}); logging at info");
        Targets::new().with_default(tracing::Level::INFO)
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // Fails when there is a subscriber, and that one is to be used.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}

/// The signals that ask a process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::Threads(format!("no signal handler: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;

    use super::*;

    #[test]
    fn a_text_that_nobody_reads_to_its_end_is_no_error() {
        let (reader, writer) = pipe().expect("there are pipes");
        drop(reader);
        assert!(print("the whole help", writer).is_ok());
        let mut full = [0; 4];
        let error = print("the whole help", &mut full[..]).expect_err("it does not fit");
        assert!(error.report().starts_with("cannot write to standard output: "), "{error:?}");
        assert_eq!(error.exit_code(), 1);
    }
}
