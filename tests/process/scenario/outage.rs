//! The registry's back-end is gone for a minute.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::journal::{Journal, Record};
use crate::program::now;
use crate::stage::{ClientProcess, ServerProcess, Stage};

pub(crate) fn run() {
    // By latency a new node that was slow once may be left alone for longer than this lasts.
    let stage = Stage::with_registry_file("outage").round_robin();
    let mut servers: Vec<ServerProcess> =
        (1..=2).map(|number| stage.server(&format!("node-{number}"), &[])).collect();
    stage.announce(&servers);
    let mut clients: Vec<ClientProcess> =
        (0..2).map(|_| stage.client(&[(RATE, SECONDS)], |_| ())).collect();
    for client in &mut clients {
        client.wait_for_calls(100, STEADY);
    }

    fs::remove_file(stage.registry_file()).expect("it was written above");
    let gone = now();
    for client in &mut clients {
        client.child.wait_for_line("static registry cannot be read", STEADY);
    }
    // The length of the outage is what is tested.
    thread::sleep(OUTAGE);
    for server in &mut servers {
        server.child.assert_running();
    }
    let back = now();

    // A node that is announced only now shows that the file is followed again.
    servers.push(stage.server("node-3", &[]));
    stage.announce(&servers);
    servers[2].wait_for_calls(20, STEADY);
    clients.iter_mut().for_each(ClientProcess::finish);
    servers.iter_mut().for_each(ServerProcess::terminate);

    let journal = Journal::read(&clients, &servers);
    journal.assert_no_failure();
    let during = |record: &&Record| record.begun > gone && record.begun < back;
    for node in ["node-1", "node-2"] {
        let served = journal.records.iter().filter(during).filter(|it| it.is_answered_by(node));
        assert!(served.count() > 1000, "{node} was not called during the outage");
    }
}

/// Calls per second of each client.
const RATE: u32 = 50;
const SECONDS: u32 = 75;
const OUTAGE: Duration = Duration::from_secs(60);
const STEADY: Duration = Duration::from_secs(15);
