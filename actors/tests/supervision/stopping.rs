//! Stopping terminates, whatever the children do.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::inbox::InboxOptions;
use callboard_actors::supervisor::{Child, Exit, Supervisor};
use tokio::time::Instant;

use crate::requests::Outcomes;
use crate::world::{Probe, Run, Say, set_up, settle, soon};

/// Starts a tree with `child` deep inside, lets `work` happen in it, and returns how long it took
/// to stop; everything else in it stops at once.
async fn time_to_stop(child: Child<Probe>, work: Run) -> Duration {
    let log = crate::world::Log::default();
    let mut inner = Supervisor::builder("inner");
    inner.child(Probe::child("older", &log));
    let probe = inner.child(child);
    inner.child(Probe::child("younger", &log));
    let mut top = Supervisor::builder("top");
    top.child(Probe::child("first", &log));
    top.supervisor(inner);
    let top = top.start();
    probe.do_send(work);
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.take();

    let begun = Instant::now();
    assert_eq!(soon(top.stop()).await, Exit::Shutdown);
    let took = begun.elapsed();
    let stopped: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("stopped")).collect();
    assert_eq!(stopped, ["younger stopped", "older stopped", "first stopped"]);
    settle().await;
    assert!(!probe.connected());
    took
}

/// As exact as timers are.
fn assert_took(took: Duration, expected: Duration) {
    assert!(took >= expected && took <= expected + Duration::from_millis(2), "took {took:?}");
}

#[actix::test]
async fn children_stop_last_started_first_and_at_once() {
    let log = set_up();
    let child = Probe::child("a", &log);
    let took = time_to_stop(child, Run::new(|_, _| ())).await;
    assert!(took < Duration::from_millis(2), "took {took:?}");
    assert_eq!(log.take(), ["a started", "a stopping", "a stopped", "a dropped"]);
}

#[actix::test]
async fn a_child_that_waits_for_ever_is_abandoned_at_its_deadline() {
    let log = set_up();
    let child = Probe::child("a", &log).shutdown(Duration::from_secs(3));
    let work = Run::new(|actor, ctx| ctx.wait(std::future::pending::<()>().into_actor(actor)));
    assert_took(time_to_stop(child, work).await, Duration::from_secs(3));
    assert_eq!(log.take(), ["a started", "a dropped"], "abandoned without a word");
}

#[actix::test]
async fn a_child_that_does_not_want_to_stop_is_abandoned_at_its_deadline() {
    let log = set_up();
    let its_log = log.clone();
    let child = Child::new("a", move || {
        Probe::new("a", &its_log).on_stopping(|ctx| {
            ctx.stop();
            ctx.run_later(Duration::from_millis(100), |_, ctx| ctx.stop());
            Running::Continue
        })
    });
    let took = time_to_stop(child, Run::new(|_, _| ())).await;
    assert_took(took, Child::<Probe>::DEFAULT_SHUTDOWN);
}

#[actix::test]
async fn a_child_that_stops_later_is_waited_for() {
    let log = set_up();
    let its_log = log.clone();
    let child = Child::new("a", move || {
        let mut asked = 0;
        Probe::new("a", &its_log).on_stopping(move |ctx| {
            asked += 1;
            ctx.run_later(Duration::from_secs(2), |_, ctx| ctx.stop());
            if asked == 1 { Running::Continue } else { Running::Stop }
        })
    });
    let took = time_to_stop(child, Run::new(|_, _| ())).await;
    assert_took(took, Duration::from_secs(2));
    assert_eq!(log.take().last().unwrap(), "a dropped");
}

#[actix::test]
async fn a_child_that_always_has_something_to_do_stops_all_the_same() {
    let log = set_up();
    let child = Probe::child("a", &log);
    // Wakes itself without end, and time does not pass while it does: stop it in the same breath.
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(child);
    let supervisor = builder.start();
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    probe.do_send(Run::new(|actor, ctx| {
        let restless = std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            std::task::Poll::<()>::Pending
        });
        ctx.spawn(restless.into_actor(actor));
    }));
    let begun = Instant::now();
    assert_eq!(supervisor.stop().await, Exit::Shutdown);
    assert!(begun.elapsed() < Duration::from_millis(2));
}

#[actix::test]
async fn an_answer_under_way_is_finished_before_a_child_stops() {
    let log = set_up();
    let (child, inbox) = Probe::child("a", &log).with_inbox(InboxOptions::default());
    let mut builder = Supervisor::builder("top");
    builder.child(child);
    let supervisor = builder.start();
    let outcomes = Outcomes::default();
    inbox.push_one(outcomes.job(1).takes(Duration::from_secs(2)).boxed(), Instant::now());
    settle().await;
    let begun = Instant::now();
    soon(supervisor.stop()).await;
    assert_took(begun.elapsed(), Duration::from_secs(2) - Duration::from_micros(1));
    assert_eq!(outcomes.take(), ["1 answered"]);
}

#[actix::test]
async fn stopping_twice_is_stopping_once() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    builder.child(Probe::child("a", &log));
    let supervisor = builder.start();
    let (first, second) = soon(async { tokio::join!(supervisor.stop(), supervisor.stop()) }).await;
    assert_eq!((first, second), (Exit::Shutdown, Exit::Shutdown));
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    assert_eq!(log.take(), ["a started", "a stopping", "a stopped", "a dropped"]);
}
