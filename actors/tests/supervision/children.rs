//! Children that come and go while their supervisor runs.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::supervisor::{
    Child, ChildState, Exit, Intensity, Restart, StartError, Supervisor, SupervisorOptions,
};

use crate::world::{Crash, Probe, Run, Say, patient, set_up, settle, soon};

#[actix::test]
async fn a_child_that_is_added_works_once_its_start_is_reported() {
    let log = set_up();
    let supervisor = Supervisor::builder("top").start();
    let probe = soon(supervisor.start_child(Probe::child("a", &log))).await.unwrap();
    assert_eq!(log.take(), ["a started"]);
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    let children = supervisor.children().await;
    assert_eq!((children[0].name.as_str(), children[0].state), ("a", ChildState::Running));
}

#[actix::test]
async fn children_are_added_in_order_and_after_those_that_are_still_to_start() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    builder.child(Probe::child("a", &log));
    builder.child(Probe::child("b", &log));
    let supervisor = builder.start();
    supervisor.add_child(Probe::child("c", &log));
    supervisor.add_child(Probe::child("d", &log));
    settle().await;
    assert_eq!(log.take(), ["a started", "b started", "c started", "d started"]);
    soon(supervisor.stop()).await;
    let stopped: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("stopped")).collect();
    assert_eq!(stopped, ["d stopped", "c stopped", "b stopped", "a stopped"]);
}

#[actix::test]
async fn a_child_whose_first_start_fails_is_refused_and_its_siblings_stay() {
    let log = set_up();
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        let mut builder = Supervisor::builder("top").intensity(Intensity::new(0, Duration::MAX));
        let sibling = builder.child(Probe::child("sibling", &log));
        let supervisor = builder.start();
        let its_log = log.clone();
        let child = Child::new("a", move || {
            Probe::new("a", &its_log).on_started(|_| panic!("cannot start"))
        });
        let address = child.address();
        let outcome = soon(supervisor.start_child(child.restart(restart))).await;
        let Err(StartError::Failed(Exit::StartFailed(panic))) = outcome else {
            panic!("it failed")
        };
        assert_eq!(panic.message, "cannot start");
        settle().await;
        assert!(!address.connected());
        assert_eq!(supervisor.children().await.len(), 1);
        assert_eq!(soon(sibling.send(Say(1))).await, Ok(1));
        soon(supervisor.stop()).await;
    }
}

#[actix::test]
async fn a_child_that_was_added_is_taken_off_when_it_ends_for_good() {
    let log = set_up();
    let supervisor = Supervisor::builder("top").start();
    let child = Probe::child("a", &log).restart(Restart::Transient);
    let probe = soon(supervisor.start_child(child)).await.unwrap();
    probe.do_send(Crash);
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(supervisor.children().await.len(), 1);
    probe.do_send(Run::new(|_, ctx| ctx.stop()));
    assert_eq!(soon(probe.send(Say(2))).await, Err(MailboxError::Closed));
    assert!(supervisor.children().await.is_empty());
    assert!(!probe.connected());
}

#[actix::test]
async fn a_supervisor_accepts_as_many_children_as_it_may_have() {
    let log = set_up();
    let options = SupervisorOptions { capacity: 2, ..SupervisorOptions::default() };
    let mut builder = Supervisor::builder("top").options(options);
    builder.child(Probe::child("a", &log));
    let supervisor = builder.start();
    let child = Probe::child("b", &log).restart(Restart::Temporary);
    let probe = soon(supervisor.start_child(child)).await.unwrap();
    let refused = soon(supervisor.start_child(Probe::child("c", &log))).await;
    assert_eq!(refused.err(), Some(StartError::Full(2)));
    let silent = supervisor.add_child(Probe::child("d", &log));
    assert_eq!(soon(silent.send(Say(1))).await, Err(MailboxError::Closed));

    probe.do_send(Run::new(|_, ctx| ctx.stop()));
    settle().await;
    assert!(soon(supervisor.start_child(Probe::child("e", &log))).await.is_ok());
}

#[actix::test]
async fn a_supervisor_that_has_ended_takes_no_children() {
    let log = set_up();
    let supervisor = Supervisor::builder("top").start();
    soon(supervisor.stop()).await;
    let refused = soon(supervisor.start_child(Probe::child("a", &log))).await;
    assert_eq!(refused.err(), Some(StartError::SupervisorEnded));
}

#[actix::test]
async fn who_waits_for_a_start_is_told_when_the_supervisor_stops_first() {
    let log = set_up();
    let mut inner = patient("inner");
    let its_log = log.clone();
    // Always fails to start, so those after it wait.
    inner.child(Child::new("a", move || {
        Probe::new("a", &its_log).on_started(|_| panic!("cannot start"))
    }));
    let mut top = Supervisor::builder("top");
    let inner = top.supervisor(inner);
    top.start();
    let start = inner.start_child(Probe::child("b", &log));
    let stop = async {
        settle().await;
        inner.stop().await
    };
    let (started, exit) = soon(async { tokio::join!(start, stop) }).await;
    assert_eq!(started.err(), Some(StartError::SupervisorEnded));
    assert_eq!(exit, Exit::Shutdown);
    assert!(!log.take().contains(&"b started".to_string()));
}

#[actix::test]
async fn addresses_of_grandchildren_outlive_the_restart_of_their_supervisor() {
    let log = set_up();
    let mut inner =
        Supervisor::builder("inner").intensity(Intensity::new(0, Duration::from_secs(1)));
    let fixed = inner.child(Probe::child("fixed", &log));
    let fragile = inner.child(Probe::child("fragile", &log));
    let mut top = Supervisor::builder("top");
    let inner = top.supervisor(inner);
    let top = top.start();
    let added = soon(inner.start_child(Probe::child("added", &log))).await.unwrap();
    log.take();

    fragile.do_send(Crash);
    let waiting = [fixed.send(Say(1)), fragile.send(Say(2)), added.send(Say(3))];
    for (answer, expected) in waiting.into_iter().zip(1..) {
        assert_eq!(soon(answer).await, Ok(expected), "not even a queued message is lost");
    }
    let started: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("started")).collect();
    assert_eq!(started, ["fixed started", "fragile started", "added started"]);
    assert_eq!(inner.children().await.len(), 3, "the handle is valid, too");
    assert_eq!(soon(top.stop()).await, Exit::Shutdown);
}

#[actix::test]
async fn nothing_is_left_of_a_supervisor_that_has_ended() {
    let log = set_up();
    let alive = std::sync::Arc::new(());
    let mut inner = Supervisor::builder("inner");
    let its_alive = std::sync::Arc::clone(&alive);
    let its_log = log.clone();
    let deep = inner.child(Child::new("deep", move || {
        let alive = std::sync::Arc::clone(&its_alive);
        Probe::new("deep", &its_log).on_dropped(move || drop(std::sync::Arc::clone(&alive)))
    }));
    let mut top = Supervisor::builder("top");
    top.supervisor(inner);
    let top = top.start();
    assert_eq!(soon(deep.send(Say(1))).await, Ok(1));
    assert_eq!(std::sync::Arc::strong_count(&alive), 3);
    soon(top.stop()).await;
    settle().await;
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "actor, factory and runner are gone");
    assert!(!deep.connected());
}
