//! Running a system as a whole process.

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
            println!("{text}");
            return Ok(());
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
