//! The context keeps actix's promises.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::prelude::*;
use callboard_actors::Context;
use callboard_actors::supervisor::{Child, Supervisor};
use futures_util::stream;
use tokio::time::{Instant, sleep};

use crate::world::{Count, Log, Probe, Run, Say, patient, set_up, settle, soon};

const SECOND: Duration = Duration::from_secs(1);

/// An actor under a supervisor that outlives the test.
fn start(log: &Log) -> Addr<Probe> {
    let mut builder = patient("top");
    let probe = builder.child(Probe::child("a", log));
    builder.start();
    probe
}

/// A future that is written down when it is polled.
fn noted(log: &Log, what: &str) -> impl Future<Output = ()> + use<> {
    let (log, what) = (log.clone(), what.to_string());
    async move { log.add(what) }
}

#[actix::test]
async fn spawned_futures_are_polled_in_order() {
    let log = set_up();
    let probe = start(&log);
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        for number in 0..1000 {
            ctx.spawn(noted(&its_log, &number.to_string()).into_actor(actor));
        }
    }));
    settle().await;
    let expected: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(log.take()[1..], expected);
}

#[actix::test]
async fn a_future_does_not_overtake_in_the_place_of_a_cancelled_one() {
    let log = set_up();
    let probe = start(&log);
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        let first = ctx.spawn(noted(&its_log, "first").into_actor(actor));
        ctx.spawn(noted(&its_log, "second").into_actor(actor));
        ctx.cancel_future(first);
    }));
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        ctx.spawn(noted(&its_log, "third").into_actor(actor));
    }));
    settle().await;
    assert_eq!(log.take(), ["a started", "second", "third"]);
}

#[actix::test]
async fn what_an_actor_notifies_itself_of_arrives_in_order() {
    let log = set_up();
    let probe = start(&log);
    let answer = probe.send(Run::new(|_, ctx| (1..=3).for_each(|number| ctx.notify(Say(number)))));
    probe.do_send(Say(0));
    soon(answer).await.unwrap();
    settle().await;
    let expected = ["a started", "a says 0", "a says 1", "a says 2", "a says 3"];
    assert_eq!(log.take(), expected, "after what was in the mailbox already, as in actix");
}

#[actix::test]
async fn a_cancelled_future_does_not_go_on() {
    let log = set_up();
    let probe = start(&log);
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        let (log, later) = (its_log.clone(), noted(&its_log, "cancelled too late"));
        let running = async move {
            log.add("begun");
            sleep(SECOND).await;
            later.await;
        };
        let handle = ctx.spawn(running.into_actor(actor));
        ctx.run_later(SECOND / 2, move |_, ctx| assert!(ctx.cancel_future(handle)));
        let timer = ctx.notify_later(Say(1), SECOND);
        ctx.notify_later(Say(2), SECOND);
        ctx.cancel_future(timer);
    }));
    sleep(SECOND * 2).await;
    assert_eq!(log.take(), ["a started", "begun", "a says 2"]);
}

#[actix::test]
async fn nothing_else_runs_while_the_actor_waits() {
    let log = set_up();
    let probe = start(&log);
    let its_log = log.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        assert!(!ctx.waiting());
        ctx.spawn(noted(&its_log, "spawned").into_actor(actor));
        ctx.wait(sleep(SECOND).into_actor(actor));
        assert!(ctx.waiting());
    }));
    probe.do_send(Say(1));
    sleep(SECOND / 2).await;
    assert_eq!(log.take(), ["a started"]);
    sleep(SECOND).await;
    assert_eq!(log.take(), ["a says 1", "spawned"]);
}

#[actix::test]
async fn the_newest_wait_ends_first_even_when_another_wait_asked_for_it() {
    let log = set_up();
    let probe = start(&log);
    probe.do_send(Run::new(|_, ctx| ctx.wait(Asking { has_asked: false })));
    probe.do_send(Say(1));
    sleep(SECOND * 2).await;
    assert_eq!(log.take(), ["a started", "newer", "older", "a says 1"]);
}

/// Asks for another wait when it is polled first, and ends when it is polled again.
struct Asking {
    has_asked: bool,
}

impl ActorFuture<Probe> for Asking {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut Probe,
        ctx: &mut Context<Probe>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if self.has_asked {
            actor.log.add("older");
            return Poll::Ready(());
        }
        self.has_asked = true;
        let newer = sleep(SECOND).into_actor(actor);
        ctx.wait(newer.map(|(), actor, _| actor.log.add("newer")));
        // Nobody but the newer one wakes the actor.
        Poll::Pending
    }
}

#[actix::test]
async fn an_actor_that_stops_does_not_wait_any_more() {
    let log = set_up();
    let probe = start(&log);
    probe.do_send(Run::new(move |actor, ctx| {
        ctx.wait(std::future::pending::<()>().into_actor(actor));
        ctx.stop();
    }));
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    let expected = ["a started", "a stopping", "a stopped", "a dropped", "a started", "a says 1"];
    assert_eq!(log.take(), expected);
}

#[actix::test]
async fn an_actor_that_is_terminated_is_not_asked() {
    let log = set_up();
    let probe = start(&log);
    probe.do_send(Run::new(|_, ctx| ctx.terminate()));
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(log.take(), ["a started", "a stopped", "a dropped", "a started", "a says 1"]);
}

/// Asks for the double after a second, in each way there is.
macro_rules! doubling {
    ($message:ident, $result:ty, $wrap:expr) => {
        #[derive(Message)]
        #[rtype(result = "u64")]
        struct $message(u64);

        impl Handler<$message> for Probe {
            type Result = $result;

            fn handle(&mut self, message: $message, _: &mut Self::Context) -> Self::Result {
                let log = self.log.clone();
                let double = async move {
                    log.add(format!("{} begun", message.0));
                    sleep(SECOND).await;
                    log.add(format!("{} ended", message.0));
                    message.0 * 2
                };
                $wrap(self, double)
            }
        }
    };
}

doubling!(Free, ResponseFuture<u64>, |_: &Probe, double| Box::pin(double));
doubling!(WithActor, ResponseActFuture<Self, u64>, |_: &Probe, double| {
    Box::pin(actix::fut::wrap_future(double).map(|answer, _: &mut Probe, _| answer))
        as ResponseActFuture<Probe, u64>
});
doubling!(Atomic, AtomicResponse<Self, u64>, |_: &Probe, double| {
    AtomicResponse::new(Box::pin(actix::fut::wrap_future(double)))
});

#[actix::test]
async fn answers_that_take_time_overlap_unless_they_are_atomic() {
    let log = set_up();
    let probe = start(&log);
    let begun = Instant::now();
    let (first, second) =
        soon(async { tokio::join!(probe.send(Free(1)), probe.send(WithActor(2))) }).await;
    assert_eq!((first, second), (Ok(2), Ok(4)));
    assert!(begun.elapsed() < SECOND * 3 / 2);
    log.take();

    let (first, second) =
        soon(async { tokio::join!(probe.send(Atomic(3)), probe.send(Atomic(4))) }).await;
    assert_eq!((first, second), (Ok(6), Ok(8)));
    assert_eq!(log.take(), ["3 begun", "3 ended", "4 begun", "4 ended"]);
}

#[actix::test]
async fn an_interval_ticks_until_the_actor_ends() {
    let log = set_up();
    let mut builder = Supervisor::builder("top");
    let probe = builder.child(Probe::child("a", &log));
    let supervisor = builder.start();
    let count = Count::default();
    let its_count = count.clone();
    probe.do_send(Run::new(move |_, ctx| {
        ctx.run_interval(SECOND, move |_, _| {
            its_count.add();
        });
    }));
    sleep(SECOND * 10 + SECOND / 2).await;
    assert_eq!(count.get(), 10);
    supervisor.stop().await;
    sleep(SECOND * 10).await;
    assert_eq!(count.get(), 10);
}

/// An item of a stream.
struct Item(u64);

impl StreamHandler<Item> for Probe {
    fn handle(&mut self, Item(number): Item, ctx: &mut Self::Context) {
        self.log.add(format!("item {number}"));
        match number {
            // Actix's stream stops early here, without having been promised a wake-up.
            3 => ctx.wait(sleep(SECOND).into_actor(self)),
            5 => ctx.stop(),
            _ => {}
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {
        self.log.add("finished");
    }
}

#[actix::test]
async fn a_stream_goes_on_after_the_actor_has_waited() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = patient("top");
    let probe = builder.child(Child::new("a", move || {
        Probe::new("a", &its_log).on_stopping(|_| Running::Continue)
    }));
    builder.start();
    probe.do_send(Run::new(|_, ctx| {
        ctx.add_stream(stream::iter((1..=4).map(Item)));
    }));
    sleep(SECOND / 2).await;
    assert_eq!(log.take(), ["a started", "item 1", "item 2", "item 3"]);
    sleep(SECOND).await;
    assert_eq!(log.take(), ["item 4", "finished"]);
}

#[actix::test]
async fn a_stream_goes_on_when_the_actor_did_not_stop_after_all() {
    let log = set_up();
    let its_log = log.clone();
    let mut builder = patient("top");
    let probe = builder.child(Child::new("a", move || {
        Probe::new("a", &its_log).on_stopping(|_| Running::Continue)
    }));
    builder.start();
    probe.do_send(Run::new(|_, ctx| {
        ctx.add_stream(stream::iter((4..=40).map(Item)));
    }));
    settle().await;
    let mut expected: Vec<_> = (4..=40).map(|number| format!("item {number}")).collect();
    expected.insert(0, "a started".into());
    expected.insert(3, "a stopping".into());
    expected.push("finished".into());
    assert_eq!(log.take(), expected);
}

/// Sends itself the next one.
#[derive(Message)]
#[rtype(result = "()")]
struct Feed(u64, Count);

impl Handler<Feed> for Probe {
    type Result = ();

    fn handle(&mut self, Feed(left, count): Feed, ctx: &mut Self::Context) {
        count.add();
        if left > 0 {
            ctx.address().do_send(Feed(left - 1, count));
        }
    }
}

#[actix::test]
async fn a_busy_mailbox_starves_neither_other_actors_nor_its_own_futures() {
    let log = set_up();
    let (busy, other) = (start(&log), start(&log));
    let count = Count::default();
    settle().await;
    log.take();
    let its_count = count.clone();
    let its_log = log.clone();
    busy.do_send(Feed(100_000, count.clone()));
    busy.do_send(Run::new(move |actor, ctx| {
        let future = async move { its_log.add(format!("{}", its_count.get())) };
        ctx.spawn(future.into_actor(actor));
    }));
    let (saw, seen) = tokio::sync::oneshot::channel();
    other.do_send(Run::new(move |_, _| saw.send(count.get()).unwrap()));
    let seen = soon(seen).await.unwrap();
    assert!((1..1_000).contains(&seen), "the other one had to wait for {seen} messages");
    let own = log.take();
    let own: u64 = own.iter().find_map(|line| line.parse().ok()).unwrap();
    assert!(own < 1_000, "its own future had to wait for {own} messages");
}
