//! Wherever an actor panics, it is replaced and its mailbox lives on.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::supervisor::{Child, Exit, Supervisor};

use crate::world::{Count, Crash, Log, Probe, Run, Say, patient, set_up, soon};

/// Runs `work` in an actor, expects it to be replaced within a second, and returns how the first
/// incarnation ended.
async fn outlives(log: &Log, work: Run) -> Exit {
    let child = Probe::child("a", log);
    let vitals = child.vitals();
    let mut builder = patient("top");
    let probe = builder.child(child);
    let supervisor = builder.start();
    probe.do_send(work);
    tokio::time::sleep(Duration::from_secs(1)).await;

    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    let signs = vitals.snapshot();
    assert_eq!((signs.panics, signs.restarts), (1, 1));
    let exit = supervisor.children().await[0].last_exit.clone();
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    exit.unwrap()
}

fn is_panic(exit: &Exit, text: &str) -> bool {
    matches!(exit, Exit::Panicked(panic) if panic.message == text)
}

#[actix::test]
async fn a_panic_in_a_handler_fails_that_message_and_no_other() {
    let log = set_up();
    let child = Probe::child("a", &log);
    let vitals = child.vitals();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(child);
    let supervisor = builder.start();

    let (first, crash, second, third) =
        (probe.send(Say(1)), probe.send(Crash), probe.send(Say(2)), probe.send(Say(3)));
    assert_eq!(soon(third).await, Ok(3));
    assert_eq!(soon(first).await, Ok(1));
    assert_eq!(soon(crash).await, Err(MailboxError::Closed));
    assert_eq!(soon(second).await, Ok(2));
    let expected = ["a started", "a says 1", "a dropped", "a started", "a says 2", "a says 3"];
    assert_eq!(log.take(), expected);
    let signs = vitals.snapshot();
    assert_eq!((signs.panics, signs.restarts, signs.messages), (1, 1, 4));
    assert!(is_panic(supervisor.children().await[0].last_exit.as_ref().unwrap(), "crash"));
}

#[actix::test]
async fn queued_messages_survive_in_the_order_of_each_sender() {
    let log = set_up();
    let mut builder = patient("top");
    let probe = builder.child(Probe::child("a", &log));
    let senders: Vec<_> = (0..4).map(|_| probe.clone()).collect();
    for number in 0..50 {
        for (index, sender) in (0..).zip(&senders) {
            sender.do_send(Say(index * 1000 + number));
            sender.do_send(Crash);
        }
    }
    builder.start();

    tokio::time::sleep(Duration::from_secs(3600)).await;
    let said: Vec<u64> = log
        .take()
        .iter()
        .filter_map(|line| line.strip_prefix("a says ").map(|number| number.parse().unwrap()))
        .collect();
    for index in 0..4 {
        let of_sender: Vec<_> = said.iter().filter(|said| **said / 1000 == index).collect();
        assert!(of_sender.is_sorted());
    }
    assert_eq!(said.len(), 200);
}

#[actix::test]
async fn a_panic_in_a_spawned_future_is_contained() {
    let log = set_up();
    let work = Run::new(|actor, ctx| {
        ctx.spawn(async { panic!("future") }.into_actor(actor));
    });
    assert!(is_panic(&outlives(&log, work).await, "future"));
}

#[actix::test]
async fn a_panic_in_a_timer_is_contained() {
    let log = set_up();
    let work = Run::new(|_, ctx| {
        ctx.run_later(Duration::from_millis(10), |_, _| panic!("timer"));
    });
    assert!(is_panic(&outlives(&log, work).await, "timer"));
}

#[actix::test]
async fn a_panic_in_a_future_that_the_actor_waits_for_is_contained() {
    let log = set_up();
    let work = Run::new(|actor, ctx| ctx.wait(async { panic!("wait") }.into_actor(actor)));
    assert!(is_panic(&outlives(&log, work).await, "wait"));
}

#[actix::test]
async fn a_panic_after_the_actor_stopped_itself_counts_as_a_failure() {
    let log = set_up();
    for hook in ["stopping", "stopped"] {
        let count = Count::default();
        let (its_count, its_log) = (count.clone(), log.clone());
        let child = Child::new("a", move || {
            let is_first = its_count.add() == 1;
            let fail = move |name| assert!(!(is_first && name == hook), "in {name}");
            Probe::new("a", &its_log)
                .on_stopping(move |_| {
                    fail("stopping");
                    Running::Stop
                })
                .on_stopped(move |_| fail("stopped"))
        });
        let mut builder = Supervisor::builder("top");
        let probe = builder.child(child);
        let supervisor = builder.start();
        probe.do_send(Run::new(|_, ctx| ctx.stop()));

        assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
        let exit = supervisor.children().await[0].last_exit.clone().unwrap();
        assert!(is_panic(&exit, &format!("in {hook}")), "{exit}");
        assert_eq!(count.get(), 2);
        soon(supervisor.stop()).await;
    }
}

#[actix::test]
async fn a_panic_in_stopping_does_not_keep_the_supervisor_from_stopping() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    let its_log = log.clone();
    builder.child(Child::new("a", move || {
        Probe::new("a", &its_log).on_stopping(|_| panic!("stopping"))
    }));
    builder.child(Probe::child("b", &log));
    let supervisor = builder.start();
    let begun = tokio::time::Instant::now();
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    assert!(begun.elapsed() < Duration::from_millis(10), "nobody waited for a deadline");
}

#[actix::test]
async fn a_panic_in_started_is_tried_again_and_queued_messages_wait() {
    let log = set_up();
    let (count, its_log) = (Count::default(), log.clone());
    let its_count = count.clone();
    let child = Child::new("a", move || {
        let is_good = its_count.add() == 3;
        Probe::new("a", &its_log).on_started(move |_| assert!(is_good, "not yet"))
    });
    let vitals = child.vitals();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(child);
    let supervisor = builder.start();

    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(count.get(), 3);
    assert_eq!(vitals.snapshot().restarts, 2);
    let exit = supervisor.children().await[0].last_exit.clone().unwrap();
    assert!(matches!(exit, Exit::StartFailed(panic) if panic.message == "not yet"));
}

#[actix::test]
async fn a_panic_in_the_factory_is_tried_again_at_the_first_start_and_at_a_restart() {
    let log = set_up();
    let (count, its_log) = (Count::default(), log.clone());
    let its_count = count.clone();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(Child::new("a", move || {
        assert!(its_count.add() % 2 == 0, "factory");
        Probe::new("a", &its_log)
    }));
    builder.start();

    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(count.get(), 2);
    probe.do_send(Crash);
    assert_eq!(soon(probe.send(Say(2))).await, Ok(2));
    assert_eq!(count.get(), 4);
}

/// Answers with a future that has the actor to itself, or not.
#[derive(Message)]
#[rtype(result = "u64")]
struct PanicLater;

impl Handler<PanicLater> for Probe {
    type Result = AtomicResponse<Self, u64>;

    fn handle(&mut self, _: PanicLater, _: &mut Self::Context) -> Self::Result {
        let later = tokio::time::sleep(Duration::from_secs(1)).into_actor(self);
        AtomicResponse::new(Box::pin(later.map(|(), _, _| panic!("later"))))
    }
}

#[actix::test]
async fn the_sender_is_told_when_the_future_that_answers_panics() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(Probe::child("a", &log));
    builder.start();
    let (failing, after) = (probe.send(PanicLater), probe.send(Say(1)));
    assert_eq!(soon(failing).await, Err(MailboxError::Closed));
    assert_eq!(soon(after).await, Ok(1));
}
