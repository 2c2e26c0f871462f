//! Waking one future costs the same however many there are.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use actix::prelude::*;
use parking_lot::Mutex;

use crate::world::{Count, Probe, Run, patient, set_up, settle};

/// Counts its polls and leaves its waker behind.
struct Sleeper {
    polls: Count,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.polls.add();
        *self.waker.lock() = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[actix::test]
async fn waking_one_of_many_futures_polls_that_one() {
    let log = set_up();
    for count in [100, 100_000] {
        let child = Probe::child("a", &log);
        let vitals = child.vitals();
        let mut builder = patient("top");
        let probe = builder.child(child);
        let supervisor = builder.start();
        let (polls, waker) = (Count::default(), Arc::<Mutex<Option<Waker>>>::default());
        let its_polls = polls.clone();
        let its_waker = Arc::clone(&waker);
        probe.do_send(Run::new(move |actor, ctx| {
            for _ in 0..count {
                let sleeper = Sleeper { polls: its_polls.clone(), waker: Arc::clone(&its_waker) };
                ctx.spawn(sleeper.into_actor(actor));
            }
        }));
        settle().await;
        assert_eq!(polls.get(), count);
        let before = vitals.snapshot().polls;
        for wake in 1..=1_000 {
            // Twice: what is queued already is not queued again.
            let waker = waker.lock().clone().unwrap();
            waker.wake_by_ref();
            waker.wake();
            settle().await;
            assert_eq!(polls.get(), count + wake);
        }
        assert_eq!(vitals.snapshot().polls - before, 1_000);
        supervisor.stop().await;
    }
}

#[actix::test]
async fn a_waker_that_outlives_its_future_wakes_nobody_else() {
    let log = set_up();
    let mut builder = patient("top");
    let probe = builder.child(Probe::child("a", &log));
    builder.start();
    let (polls, waker) = (Count::default(), Arc::<Mutex<Option<Waker>>>::default());
    let (its_polls, its_waker) = (polls.clone(), Arc::clone(&waker));
    probe.do_send(Run::new(move |actor, ctx| {
        let sleeper = Sleeper { polls: its_polls, waker: its_waker };
        let handle = ctx.spawn(sleeper.into_actor(actor));
        ctx.run_later(std::time::Duration::from_millis(1), move |_, ctx| {
            ctx.cancel_future(handle);
        });
    }));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let stale = waker.lock().take().unwrap();
    // Takes the place that the first one had.
    let (its_polls, its_waker) = (Count::default(), Arc::<Mutex<Option<Waker>>>::default());
    let second = its_polls.clone();
    probe.do_send(Run::new(move |actor, ctx| {
        ctx.spawn(Sleeper { polls: its_polls, waker: its_waker }.into_actor(actor));
    }));
    settle().await;
    stale.wake();
    settle().await;
    assert_eq!((polls.get(), second.get()), (1, 1));
}
