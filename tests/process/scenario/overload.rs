//! A server is offered ten times what it can do.

use std::fs;
use std::time::Duration;

use crate::journal::{Journal, Record, percentile};
use crate::stage::{ClientProcess, ServerProcess, Stage};

pub(crate) fn run() {
    let stage = Stage::over_mdns("overload");
    // Two endpoints, two at a time, 20 ms each: 200 calls per second at the very most.
    let mut server = stage.limited_server("node-1", &[], 2, QUEUE);
    let mut client = stage.client(PHASES, |client| {
        client.timeout = Duration::from_secs(2);
        // The pause before a retry is the client's own; how fast the server refuses is measured.
        client.retries = 0;
        (client.work, client.long_work) = (WORK, WORK);
    });
    client.wait_for_calls(100, STEADY);
    let before = resident(&server);
    let mut most = before;
    crate::stage::wait_until("the end of the load", LOAD, || {
        most = most.max(resident(&server));
        !client.is_calling()
    });
    client.finish();
    server.terminate();
    assert!(most - before <= GROWTH_MOST, "memory grew from {before} to {most} KiB");

    let (first_id, clients) = (client.orders.first_id, [client]);
    let journal = Journal::read(&clients, [&server]);
    check_phases(&journal, first_id, &clients[0]);
}

fn check_phases(journal: &Journal, first_id: u64, client: &ClientProcess) {
    let phase_end = |phase: usize| {
        let phases = &client.orders.phases[..=phase];
        first_id + phases.iter().map(|(rate, seconds)| u64::from(rate * seconds)).sum::<u64>() + 1
    };
    let (calm, overloaded): (Vec<&Record>, Vec<&Record>) = journal
        .records
        .iter()
        .partition(|record| record.id < phase_end(0) || record.id >= phase_end(1));
    let (answered, refused): (Vec<&Record>, Vec<&Record>) =
        overloaded.iter().partition(|record| record.is_answered());
    println!(
        "overload: {} answered, 99 % of them within {:?}; {} refused, 99 % of them within {:?}",
        answered.len(),
        percentile(&answered, 99),
        refused.len(),
        percentile(&refused, 99),
    );
    assert!(refused.len() > overloaded.len() / 2, "it was no overload");
    // Compared with the queue that it is spared, since on a busy machine everything is slow.
    let (refusal, queued) = (percentile(&refused, 99), percentile(&answered, 50));
    assert!(refusal < queued / 4, "refusals take {refusal:?} where answers take {queued:?}");
    assert!(answered.len() as u64 > GOODPUT_LEAST, "it served no more than {}", answered.len());

    let over = overloaded.iter().map(|record| record.begun).max().unwrap_or_default();
    let (before, after): (Vec<&Record>, Vec<&Record>) = calm
        .into_iter()
        .filter(|it| it.begun <= over || it.begun >= over + RECOVERY)
        .partition(|it| it.begun <= over);
    assert!(after.len() >= 400, "only {} calls were made after the recovery", after.len());
    assert!(after.iter().all(|record| record.is_answered()), "calls still fail after the overload");
    let (normal, recovered) = (percentile(&before, 90), percentile(&after, 90));
    assert!(recovered < normal * 2 + SLACK, "it took {normal:?} before, and takes {recovered:?}");
}

/// The memory that a server has, in KiB.
pub(crate) fn resident(server: &ServerProcess) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id()));
    let status = status.expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("the kernel says so")
}

const QUEUE: usize = 64;
const WORK: Duration = Duration::from_millis(20);

/// A quarter of what it can do, ten times as much as it can, and a quarter again.
const PHASES: &[(u32, u32)] = &[(50, 3), (2000, 8), (50, 15)];

const STEADY: Duration = Duration::from_secs(15);
const LOAD: Duration = Duration::from_secs(60);

/// 64 MiB.
const GROWTH_MOST: u64 = 64 * 1024;

/// A quarter of what it can do in the time of the overload; the rest is for slow machines.
const GOODPUT_LEAST: u64 = 200 * 8 / 4;

const RECOVERY: Duration = Duration::from_secs(5);

/// What a busy machine may add to the usual latency.
const SLACK: Duration = Duration::from_millis(30);
