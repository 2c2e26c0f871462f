//! A panic in a drop is contained, and never meets another.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::supervisor::{Child, Exit, Supervisor};
use futures_util::FutureExt;

use crate::world::{Bomb, Crash, Log, Probe, Run, Say, patient, set_up, settle, soon};

#[actix::test]
async fn an_actor_that_panics_and_panics_again_when_dropped_is_replaced() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = patient("top");
    let probe = builder
        .child(Child::new("a", move || Probe::new("a", &its_log).on_dropped(|| panic!("dropped"))));
    let supervisor = builder.start();
    probe.do_send(Crash);
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
}

#[actix::test]
async fn futures_that_panic_when_dropped_are_dropped_one_by_one() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = patient("top");
    let probe = builder
        .child(Child::new("a", move || Probe::new("a", &its_log).on_dropped(|| panic!("dropped"))));
    builder.start();
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        for number in 0..3 {
            let (bomb, note) = (Bomb, Note(its_log.clone(), number));
            let pending = async move {
                let _both = (bomb, note);
                std::future::pending::<()>().await;
            };
            ctx.spawn(pending.into_actor(actor));
        }
    }));
    settle().await;
    log.take();
    probe.do_send(Run::new(|actor, ctx| {
        // One that was never polled, and one that the actor waits for.
        let bombs = (Bomb, Bomb);
        ctx.spawn(async move { drop(bombs.0) }.into_actor(actor));
        ctx.wait(std::future::pending::<()>().map(move |()| drop(bombs.1)).into_actor(actor));
        panic!("crash");
    }));
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    let expected = [
        "future 0 dropped",
        "future 1 dropped",
        "future 2 dropped",
        "a dropped",
        "a started",
        "a says 1",
    ];
    assert_eq!(log.take(), expected);
}

/// Is written down when it is dropped.
struct Note(Log, u64);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.add(format!("future {} dropped", self.1));
    }
}

#[actix::test]
async fn a_cancelled_future_that_panics_when_dropped_harms_nobody() {
    let log = set_up();
    let child = Probe::child("a", &log);
    let vitals = child.vitals();
    let mut builder = patient("top");
    let probe = builder.child(child);
    builder.start();
    probe.do_send(Run::new(|actor, ctx| {
        let bomb = Bomb;
        let pending = async move {
            let _bomb = bomb;
            std::future::pending::<()>().await;
        };
        let handle = ctx.spawn(pending.into_actor(actor));
        ctx.run_later(Duration::from_secs(1), move |_, ctx| {
            ctx.cancel_future(handle);
        });
    }));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(vitals.snapshot().restarts, 0);
}

/// Panics when it is dropped, be it handled or not.
#[derive(Message)]
#[rtype(result = "()")]
struct Explosive(#[allow(dead_code, reason = "its drop is what matters")] Bomb);

impl Handler<Explosive> for Probe {
    type Result = ();

    fn handle(&mut self, message: Explosive, _: &mut Self::Context) {
        std::mem::forget(message);
    }
}

#[actix::test]
async fn queued_messages_that_panic_when_dropped_do_not_abort_the_process() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(Probe::child("a", &log));
    let supervisor = builder.start();
    for _ in 0..4 {
        probe.do_send(Run::new(|_, ctx| ctx.exit(Exit::Failed("for a while".into()))));
    }
    for _ in 0..3 {
        probe.do_send(Explosive(Bomb));
    }
    // Restarts after the first are delayed, so these messages are there when the mailbox closes.
    settle().await;
    let said = probe.send(Say(1));
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    drop(supervisor);
    assert_eq!(soon(said).await, Err(MailboxError::Closed));
}

#[actix::test]
async fn a_message_nobody_waits_for_that_panics_when_dropped_harms_nobody() {
    let log = set_up();
    let child = Probe::child("a", &log);
    let vitals = child.vitals();
    let mut builder = patient("top");
    let probe = builder.child(child);
    builder.start();
    drop(probe.send(Explosive(Bomb)));
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(vitals.snapshot().restarts, 0);
}

#[actix::test]
async fn a_child_that_was_never_started_and_panics_when_dropped_harms_nobody() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    builder.child(Probe::child("a", &log));
    let supervisor = builder.start();
    soon(supervisor.stop()).await;
    let bomb = Bomb;
    let its_log = log.clone();
    let child = Child::new("late", move || {
        let _ = &bomb;
        Probe::new("late", &its_log)
    });
    child.address().do_send(Explosive(Bomb));
    child.address().do_send(Explosive(Bomb));
    assert!(soon(supervisor.start_child(child)).await.is_err());
}
