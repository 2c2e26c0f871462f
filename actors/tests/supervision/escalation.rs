//! A supervisor that cannot help gives up, and the one above it hears why.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::supervisor::{Child, Exit, Intensity, Supervisor};

use crate::world::{Crash, Probe, Run, Say, set_up, settle, soon};

const WITHIN: Duration = Duration::from_secs(10);

/// Checks that this is how `child`'s supervisor gave up, and returns how the child ended last.
fn gave_up_on(exit: &Exit, name: &str, allowed: u32) -> Exit {
    let Exit::GaveUp { child, restarts, within, last } = exit else { panic!("{exit}") };
    assert_eq!((child.as_str(), *restarts, *within), (name, allowed, WITHIN));
    Exit::clone(last)
}

#[actix::test]
async fn exceeding_the_intensity_escalates_level_by_level() {
    let log = set_up();
    let mut inner = Supervisor::builder("inner").intensity(Intensity::new(1, WITHIN));
    inner.child(Probe::child("older", &log));
    let worker = inner.child(Probe::child("worker", &log));
    inner.child(Probe::child("younger", &log));
    let mut middle = Supervisor::builder("middle").intensity(Intensity::new(1, WITHIN));
    let inner = middle.supervisor(inner);
    let mut top = Supervisor::builder("top").intensity(Intensity::new(0, WITHIN));
    top.child(Probe::child("first", &log));
    let middle = top.supervisor(middle);
    top.child(Probe::child("last", &log));
    let top = top.start();
    settle().await;
    log.take();

    worker.do_send(Crash);
    assert_eq!(soon(worker.send(Say(1))).await, Ok(1));
    assert_eq!(log.take(), ["worker dropped", "worker started", "worker says 1"]);

    worker.do_send(Crash);
    assert_eq!(soon(worker.send(Say(2))).await, Ok(2), "the middle one restarts the inner one");
    let stops =
        |name: &str| ["stopping", "stopped", "dropped"].map(|what| format!("{name} {what}"));
    let mut expected = vec!["worker dropped".to_string()];
    expected.extend(stops("younger").into_iter().chain(stops("older")));
    expected.extend(["older started", "worker started"].map(String::from));
    let events = log.take();
    assert_eq!(events[..expected.len()], expected);

    worker.do_send(Crash);
    worker.do_send(Crash);
    let exit = soon(top.ended()).await;
    let inner_exit = gave_up_on(&gave_up_on(&exit, "middle", 0), "inner", 1);
    let last = gave_up_on(&inner_exit, "worker", 1);
    assert!(matches!(&last, Exit::Panicked(panic) if panic.message == "crash"));
    assert_eq!(soon(inner.ended()).await, inner_exit);
    assert!(matches!(soon(middle.ended()).await, Exit::GaveUp { .. }));
    let events = log.take();
    let stopped: Vec<_> = events.iter().filter(|line| line.ends_with("stopped")).collect();
    assert_eq!(stopped, ["younger stopped", "older stopped", "last stopped", "first stopped"]);
    settle().await;
    assert!(!worker.connected(), "nobody is left to start it");
}

#[actix::test]
async fn old_restarts_are_forgotten() {
    let log = set_up();
    let mut builder = Supervisor::builder("top").intensity(Intensity::new(2, WITHIN));
    let worker = builder.child(Probe::child("worker", &log));
    let supervisor = builder.start();
    for _ in 0..10 {
        worker.do_send(Crash);
        worker.do_send(Crash);
        tokio::time::sleep(WITHIN + Duration::from_secs(1)).await;
    }
    assert_eq!(soon(worker.send(Say(1))).await, Ok(1));
    for _ in 0..3 {
        worker.do_send(Crash);
    }
    gave_up_on(&soon(supervisor.ended()).await, "worker", 2);
}

#[actix::test]
async fn a_child_can_fail_for_a_reason() {
    let log = set_up();
    let mut builder = Supervisor::builder("top").intensity(Intensity::new(0, WITHIN));
    let worker = builder.child(Probe::child("worker", &log));
    let supervisor = builder.start();
    worker.do_send(Run::new(|_, ctx| ctx.exit(Exit::Failed("out of tea".into()))));
    let exit = soon(supervisor.ended()).await;
    assert_eq!(gave_up_on(&exit, "worker", 0), Exit::Failed("out of tea".into()));
    let text = exit.to_string();
    assert_eq!(
        text,
        "gave up on worker, which failed: out of tea: 0 restarts within 10s were allowed"
    );
}

#[actix::test]
async fn a_reason_is_forgotten_when_the_actor_changes_its_mind() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = Supervisor::builder("top").intensity(Intensity::new(1, WITHIN));
    let worker = builder.child(Child::new("worker", move || {
        let mut asked = 0;
        Probe::new("worker", &its_log).on_stopping(move |_| {
            asked += 1;
            if asked == 1 { Running::Continue } else { Running::Stop }
        })
    }));
    let supervisor = builder.start();
    worker.do_send(Run::new(|_, ctx| ctx.exit(Exit::Failed("out of tea".into()))));
    assert_eq!(soon(worker.send(Say(1))).await, Ok(1));
    worker.do_send(Run::new(|_, ctx| ctx.stop()));
    assert_eq!(soon(worker.send(Say(2))).await, Ok(2));
    assert_eq!(supervisor.children().await[0].last_exit, Some(Exit::Normal));
}

#[actix::test]
async fn a_nested_supervisor_that_was_told_to_stop_stays_stopped() {
    let log = set_up();
    let mut inner = Supervisor::builder("inner");
    let worker = inner.child(Probe::child("worker", &log));
    let mut top = Supervisor::builder("top");
    let inner = top.supervisor(inner);
    let top = top.start();
    assert_eq!(soon(worker.send(Say(1))).await, Ok(1));
    log.take();

    assert_eq!(soon(inner.stop()).await, Exit::Shutdown);
    settle().await;
    assert_eq!(log.take(), ["worker stopping", "worker stopped", "worker dropped"]);
    assert_eq!(soon(worker.send(Say(2))).await, Err(MailboxError::Closed), "nobody will start it");
    assert!(soon(inner.children()).await.is_empty());
    assert_eq!(soon(top.stop()).await, Exit::Shutdown);
}
