//! One of three servers falls silent: its connections stay open, and nothing is answered.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use crate::journal::{Journal, Outcome, Record, executed_in};
use crate::program::now;
use crate::stage::{ClientProcess, ServerProcess, Stage};

pub(crate) fn run() {
    let stage = Stage::over_mdns("silent").round_robin();
    let mut servers: Vec<ServerProcess> =
        (1..=3).map(|number| stage.server(&format!("node-{number}"), &[])).collect();
    let mut clients: Vec<ClientProcess> = (0..2)
        .map(|_| {
            stage.client(&[(RATE, SECONDS)], |client| {
                client.timeout = TIMEOUT;
                client.work = Duration::from_millis(2);
            })
        })
        .collect();
    for client in &mut clients {
        client.wait_for_calls(500, STEADY);
    }
    servers[0].wait_for_calls(100, STEADY);

    servers[0].child.signal("STOP");
    let stopped = now();
    // The length of the silence is what is tested.
    thread::sleep(SILENCE);
    let before_return = now();
    servers[0].child.signal("CONT");
    for client in &mut clients {
        client.child.wait_for_line("node readmitted", RETURN);
    }
    clients.iter_mut().for_each(ClientProcess::finish);
    servers.iter_mut().for_each(ServerProcess::terminate);

    let journal = Journal::read(&clients, &servers);
    let detected = stopped + DETECTION;
    for record in journal.failed() {
        let is_marked =
            matches!(&record.outcome, Outcome::Failed { executed, .. } if executed == "Maybe");
        assert!(is_marked, "not marked as maybe executed: {record:?}");
        let in_time = record.begun <= detected && record.ended() >= stopped;
        assert!(in_time, "failed, though it was stopped at {stopped:?}: {record:?}");
    }
    assert!(!journal.failed().is_empty(), "nobody called the silent node, so nothing was tested");
    check_deadlines(&journal);
    check_silent_node(&journal, &servers[0], detected, before_return);
}

/// A timer of the same thread tells how late timers were at the time; the rest is the call's own.
fn check_deadlines(journal: &Journal) {
    for record in &journal.records {
        let allowed = record.timeout + OVERTIME + record.noise;
        assert!(record.took <= allowed, "outlived its deadline: {record:?}");
    }
}

/// What it was sent while silent it finds when it returns, and some of that it executes.
fn check_silent_node(
    journal: &Journal,
    node: &ServerProcess,
    detected: Duration,
    before_return: Duration,
) {
    let executed: HashSet<u64> = executed_in(&node.executed).into_iter().collect();
    let mut during = 0;
    for record in &journal.records {
        if record.begun > detected && record.begun < before_return {
            during += 1;
            assert!(!executed.contains(&record.id), "sent to the silent node: {record:?}");
        }
    }
    assert!(during > 1000, "only {during} calls were made during the silence");
    let has_returned =
        |record: &Record| record.begun >= before_return && record.is_answered_by(&node.node);
    assert!(journal.records.iter().any(has_returned), "it was never called again");
}

const RATE: u32 = 150;
const SECONDS: u32 = 36;
const TIMEOUT: Duration = Duration::from_secs(1);
const STEADY: Duration = Duration::from_secs(15);

/// How long the node is silent.
const SILENCE: Duration = Duration::from_secs(9);

/// By then nobody calls a silent node.
const DETECTION: Duration = Duration::from_secs(3);

/// How much longer than its deadline a call may last.
const OVERTIME: Duration = Duration::from_millis(50);

/// Ejections double from a second on; the fourth probe comes 15 s after the detection.
const RETURN: Duration = Duration::from_secs(20);
