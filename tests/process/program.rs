//! The programs that scenarios start, and what they say to each other.

pub(crate) mod client;
pub(crate) mod listener;
pub(crate) mod publisher;
pub(crate) mod server;
pub(crate) mod talker;

use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use callboard::prelude::*;

use self::client::Client;
use self::listener::Listener;
use self::publisher::Publisher;
use self::server::Server;
use self::talker::Talker;

/// The environment variable that holds a [`Program`] as JSON.
pub(crate) const VARIABLE: &str = "PROCESS_PROGRAM";

/// What a process is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Program {
    Server(Server),
    Client(Client),
    Talker(Talker),
    Listener(Listener),
    Publisher(Publisher),
}

/// A call that must not be executed twice.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Ledger.Once", reply = String)]
pub(crate) struct Once {
    pub(crate) id: u64,
    pub(crate) work: Duration,
}

/// A call that may be repeated.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Ledger.Again", reply = String, idempotent)]
pub(crate) struct Again {
    pub(crate) id: u64,
    pub(crate) work: Duration,
}

/// What this process was started as.
pub(crate) fn requested() -> Option<Program> {
    let text = std::env::var(VARIABLE).ok()?;
    Some(serde_json::from_str(&text).expect("the test wrote the variable"))
}

pub(crate) fn run(program: Program) -> ExitCode {
    // The clock's zero is the same for all calls of a process.
    now();
    thread::spawn(end_with_parent);
    let result = match program {
        Program::Server(server) => server.run(),
        Program::Client(client) => client.run(),
        Program::Talker(talker) => talker.run(),
        Program::Listener(listener) => listener.run(),
        Program::Publisher(publisher) => publisher.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// The scenarios may be killed before they can end what they started.
fn end_with_parent() {
    // Nothing is ever written, so this returns when the other end is closed, whatever the reason.
    let _ = io::stdin().read(&mut [0]);
    std::process::exit(ORPHANED);
}

/// The time since the epoch: comparable between processes, and monotonic within one.
pub(crate) fn now() -> Duration {
    ZERO.0 + ZERO.1.elapsed()
}

/// Exit code of a process that outlived its scenario.
const ORPHANED: i32 = 3;

static ZERO: LazyLock<(Duration, Instant)> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    (since.expect("the clock is set"), Instant::now())
});
