//! Who is restarted with whom, and in which order.

use actix::prelude::*;
use callboard_actors::supervisor::{
    Child, ChildState, Exit, Intensity, Restart, RestartStrategy, Supervisor, SupervisorRef,
};

use crate::world::{Count, Crash, Log, Probe, Run, Say, set_up, settle, soon};

/// Three children `a`, `b`, `c`; only starts, stops and drops are of interest.
fn three(log: &Log, strategy: RestartStrategy) -> ([Addr<Probe>; 3], SupervisorRef) {
    let mut builder =
        Supervisor::builder("top").strategy(strategy).intensity(Intensity::unlimited());
    let probes = ["a", "b", "c"].map(|name| builder.child(Probe::child(name, log)));
    (probes, builder.start())
}

/// What happened, without the steps of an orderly stop in between.
fn brief(log: &Log) -> Vec<String> {
    log.take()
        .into_iter()
        .filter(|line| !line.ends_with("stopping") && !line.ends_with("stopped"))
        .collect()
}

#[actix::test]
async fn one_for_one_leaves_the_siblings_alone() {
    let log = set_up();
    let (probes, _supervisor) = three(&log, RestartStrategy::OneForOne);
    settle().await;
    assert_eq!(brief(&log), ["a started", "b started", "c started"]);
    probes[1].do_send(Crash);
    settle().await;
    assert_eq!(brief(&log), ["b dropped", "b started"]);
}

#[actix::test]
async fn one_for_all_stops_youngest_first_and_starts_oldest_first() {
    let log = set_up();
    let (probes, _supervisor) = three(&log, RestartStrategy::OneForAll);
    settle().await;
    log.take();
    probes[1].do_send(Crash);
    let waiting = [probes[2].send(Say(1)), probes[0].send(Say(2))];
    settle().await;
    let events = log.take();
    let order: Vec<_> = events.iter().filter(|line| !line.contains("says")).collect();
    let expected = [
        "b dropped",
        "c stopping",
        "c stopped",
        "c dropped",
        "a stopping",
        "a stopped",
        "a dropped",
        "a started",
        "b started",
        "c started",
    ];
    assert_eq!(order, expected);
    for answer in waiting {
        assert!(soon(answer).await.is_ok(), "a sibling's messages survive as well");
    }
}

#[actix::test]
async fn rest_for_one_restarts_what_was_started_later() {
    let log = set_up();
    let (probes, _supervisor) = three(&log, RestartStrategy::RestForOne);
    settle().await;
    log.take();
    probes[1].do_send(Crash);
    settle().await;
    assert_eq!(brief(&log), ["b dropped", "c dropped", "b started", "c started"]);
    probes[2].do_send(Crash);
    settle().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(brief(&log), ["c dropped", "c started"]);
}

#[actix::test]
async fn a_failure_during_a_restart_restarts_all_that_is_due() {
    let log = set_up();
    let (count, its_log) = (Count::default(), log.clone());
    let mut builder = Supervisor::builder("top")
        .strategy(RestartStrategy::OneForAll)
        .intensity(Intensity::new(5, std::time::Duration::from_secs(10)));
    let probe = builder.child(Probe::child("a", &log));
    builder.child(Child::new("b", move || {
        let is_second = count.add() == 2;
        Probe::new("b", &its_log).on_started(move |_| assert!(!is_second, "the second one fails"))
    }));
    builder.child(Probe::child("c", &log));
    builder.start();
    settle().await;
    log.take();
    probe.do_send(Crash);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let expected = [
        "a dropped",
        "c dropped",
        "b dropped",
        "a started",
        "b started",
        "b dropped",
        "a dropped",
        "a started",
        "b started",
        "c started",
    ];
    assert_eq!(brief(&log), expected);
}

#[actix::test]
async fn a_failure_of_another_child_while_siblings_stop_leads_to_one_restart_of_all() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = Supervisor::builder("top")
        .strategy(RestartStrategy::OneForAll)
        .intensity(Intensity::unlimited());
    let a = builder.child(Probe::child("a", &log));
    let b = builder.child(Probe::child("b", &log));
    builder.child(Child::new("c", move || {
        // Takes a second to stop.
        let mut asked = 0;
        Probe::new("c", &its_log).on_stopping(move |ctx| {
            asked += 1;
            if asked == 1 {
                ctx.run_later(std::time::Duration::from_secs(1), |_, ctx| ctx.stop());
                return Running::Continue;
            }
            Running::Stop
        })
    }));
    builder.start();
    settle().await;
    log.take();
    a.do_send(Crash);
    settle().await;
    b.do_send(Crash);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let expected = ["a dropped", "b dropped", "c dropped", "a started", "b started", "c started"];
    assert_eq!(brief(&log), expected);
}

#[actix::test]
async fn a_temporary_sibling_is_stopped_with_the_others_and_not_started_again() {
    let log = set_up();
    let mut builder = Supervisor::builder("top").strategy(RestartStrategy::OneForAll);
    let a = builder.child(Probe::child("a", &log));
    let b = builder.child(Probe::child("b", &log).restart(Restart::Temporary));
    let supervisor = builder.start();
    let c = soon(supervisor.start_child(Probe::child("c", &log).restart(Restart::Temporary)))
        .await
        .unwrap();
    log.take();
    a.do_send(Crash);
    settle().await;
    assert_eq!(brief(&log), ["a dropped", "c dropped", "b dropped", "a started"]);
    assert_eq!(soon(b.send(Say(1))).await, Err(MailboxError::Closed));
    assert!(!c.connected());
    assert_eq!(supervisor.children().await.len(), 2, "the one added later is gone");
}

#[actix::test]
async fn who_is_restarted_depends_on_how_it_ended() {
    let log = set_up();
    let cases = [
        (Restart::Permanent, false, true),
        (Restart::Permanent, true, true),
        (Restart::Transient, false, false),
        (Restart::Transient, true, true),
        (Restart::Temporary, false, false),
        (Restart::Temporary, true, false),
    ];
    for (restart, fails, is_restarted) in cases {
        let mut builder = Supervisor::builder("top");
        let probe = builder.child(Probe::child("a", &log).restart(restart));
        let supervisor = builder.start();
        if fails {
            probe.do_send(Crash);
        } else {
            probe.do_send(Run::new(|_, ctx| ctx.stop()));
        }
        let answer = soon(probe.send(Say(1))).await;
        assert_eq!(answer.is_ok(), is_restarted, "{restart:?}, fails: {fails}");
        let state = supervisor.children().await[0].state;
        let expected = if is_restarted { ChildState::Running } else { ChildState::Stopped };
        assert_eq!(state, expected);
        assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    }
}
