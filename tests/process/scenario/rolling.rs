//! All servers are replaced, one after the other, while clients call.
//!
//! Nodes are chosen in turn: by latency, a new one that was slow once may get too few calls for the
//! test to end in time.

use std::time::Duration;

use crate::journal::Journal;
use crate::stage::{ClientProcess, ServerProcess, Stage};

/// Each new server has another address, which clients learn over mDNS.
pub(crate) fn over_mdns() {
    restart_all(&Stage::over_mdns("rolling").round_robin(), |_| Vec::new());
}

/// Each new server takes over the address of the old one, and no registry tells anybody.
pub(crate) fn at_addresses() {
    let stage = Stage::with_registry_file("rolling-fixed").round_robin();
    restart_all(&stage, |old| vec!["--server-address".to_owned(), old.address.clone()]);
}

fn restart_all(stage: &Stage, flags: fn(&ServerProcess) -> Vec<String>) {
    let mut servers: Vec<ServerProcess> =
        (1..=3).map(|number| stage.server(&format!("old-{number}"), &[])).collect();
    if stage.has_file() {
        stage.announce(&servers);
    }
    let mut clients: Vec<ClientProcess> = (0..2)
        .map(|_| {
            stage.client(&[(RATE, SECONDS)], |client| {
                client.work = Duration::from_millis(2);
                client.long_work = Duration::from_millis(400);
            })
        })
        .collect();
    for client in &mut clients {
        client.wait_for_calls(500, STEADY);
    }

    let mut old = Vec::new();
    for (index, server) in servers.iter_mut().enumerate() {
        // It leaves in the middle of its work, not before it has any.
        server.wait_for_calls(CALLED, STEADY);
        server.terminate();
        let flags = flags(server);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let new = stage.server(&format!("new-{}", index + 1), &flags);
        new.wait_for_calls(CALLED, STEADY);
        old.push(std::mem::replace(server, new));
    }
    assert!(clients.iter().all(ClientProcess::is_calling), "the restarts outlasted the load");
    clients.iter_mut().for_each(ClientProcess::finish);
    servers.iter_mut().for_each(ServerProcess::terminate);

    let journal = Journal::read(&clients, old.iter().chain(&servers));
    journal.assert_no_failure();
    for server in old.iter().chain(&servers) {
        assert!(journal.answered_by(&server.node) >= CALLED, "{} was hardly called", server.node);
    }
}

/// Calls that show that a server takes part; in turn, it is given them in a fraction of a second.
const CALLED: usize = 20;

/// Calls per second of each client.
const RATE: u32 = 260;
const SECONDS: u32 = 20;

const STEADY: Duration = Duration::from_secs(15);
