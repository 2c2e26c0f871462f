//! One of three servers dies without a word.

use std::time::Duration;

use crate::journal::{Journal, Outcome, Record};
use crate::program::now;
use crate::stage::{ClientProcess, ServerProcess, Stage};

pub(crate) fn run() {
    let stage = Stage::over_mdns("killed").round_robin();
    let mut servers: Vec<ServerProcess> =
        (1..=3).map(|number| stage.server(&format!("node-{number}"), &[])).collect();
    let mut clients: Vec<ClientProcess> =
        (0..2).map(|_| stage.client(&[(RATE, SECONDS)], |client| client.work = WORK)).collect();
    for client in &mut clients {
        client.wait_for_calls(1000, STEADY);
    }
    servers[0].wait_for_calls(100, STEADY);

    let before = now();
    servers[0].child.signal("KILL");
    let killed = now();
    clients.iter_mut().for_each(ClientProcess::finish);
    servers[1..].iter_mut().for_each(ServerProcess::terminate);

    let journal = Journal::read(&clients, &servers);
    let failed = journal.failed();
    for record in &failed {
        assert!(!Record::is_idempotent(record.id), "an idempotent call failed: {record:?}");
        let was_in_flight = record.begun <= killed + NOTICED && record.ended() >= before;
        assert!(was_in_flight, "it was not in flight at the kill: {record:?}");
        let is_marked =
            matches!(&record.outcome, Outcome::Failed { executed, .. } if executed == "Maybe");
        assert!(is_marked, "not marked as maybe executed: {record:?}");
    }
    // Some 18 calls are in flight to the node, half of them not idempotent.
    assert!(!failed.is_empty(), "the kill hit no call in flight, so nothing was tested");
    assert!(failed.len() <= 100, "more calls failed than were in flight: {}", failed.len());
    check_later_calls(&journal, killed);
    for client in &clients {
        check_attempts(client, &servers[0].address);
    }
}

/// A call that went to the dead node first would have failed, or have taken a second attempt.
fn check_later_calls(journal: &Journal, killed: Duration) {
    let later = journal.records.iter().filter(|record| record.begun >= killed + SETTLED);
    let later: Vec<&Record> = later.collect();
    assert!(later.len() > 1000, "only {} calls were made after the kill", later.len());
    for record in later {
        assert!(record.is_answered() && record.took < SLOWEST, "{record:?}");
    }
}

/// Nobody dials a dead node for a call; the connection itself tries again, ever more rarely.
fn check_attempts(client: &ClientProcess, address: &str) {
    let log = client.child.log();
    let failed = log
        .lines()
        .filter(|line| line.contains("connection failed") && line.contains(address))
        .count();
    assert!((1..=ATTEMPTS_MOST).contains(&failed), "{failed} connections to {address} failed");
}

const RATE: u32 = 260;
const SECONDS: u32 = 15;
const WORK: Duration = Duration::from_millis(100);

const STEADY: Duration = Duration::from_secs(15);

/// From the end of a process to the end of its connections as its clients see it.
const NOTICED: Duration = Duration::from_millis(300);

/// From here on the dead node must not be chosen.
const SETTLED: Duration = Duration::from_secs(1);

/// The work, and whatever a busy machine adds.
const SLOWEST: Duration = Duration::from_secs(1);

/// Delays double from 100 ms to 5 s, each with full jitter: some 15 attempts in as many seconds.
const ATTEMPTS_MOST: usize = 40;
