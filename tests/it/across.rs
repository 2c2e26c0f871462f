//! Callers on another arbiter than the actor that they call: they are woken in batches.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::pin::pin;

use actix_rt::Arbiter;
use callboard::prelude::*;
use callboard::{CallBuilder, CallError};
use futures_util::future::{Either, join, select};
use tokio::sync::oneshot;

use crate::stage::{Count, Hold, House, LONG, Panic, SHORT, echo, start, stop, within};

/// What `play` comes to on an arbiter of its own.
async fn elsewhere<F>(play: impl FnOnce() -> F + Send + 'static) -> F::Output
where
    F: Future<Output: Send> + 'static,
{
    let (done, outcome) = oneshot::channel();
    let arbiter = Arbiter::new();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            let _ = done.send(play().await);
        });
    });
    let outcome = within(LONG, outcome).await.expect("it does not panic");
    arbiter.stop();
    outcome
}

/// A call in a task of its own, whose deadline helps nobody who is not woken.
fn ask<T: Endpoint>(call: CallBuilder<T>) -> tokio::task::JoinHandle<Result<T::Reply, CallError>>
where
    T::Reply: Send,
{
    actix_rt::spawn(call.timeout(LONG * 9).into_future())
}

/// Has the arbiter seen calls of many tasks, so that nothing is the first of its kind.
async fn warm_up(stage: &ServiceRef) {
    for call in (0..64).map(|_| ask(stage.send(echo()))).collect::<Vec<_>>() {
        let answer = call.await.expect("it does not panic");
        assert_eq!(answer.expect("it is answered"), "hello");
    }
}

#[actix::test]
async fn every_caller_is_told_its_own_answer() {
    let server = start(House::default().stage("one")).await;
    let stage = server.service("stage");
    let answers = elsewhere(async move || {
        let callers = (0..100).map(|_| {
            let stage = stage.clone();
            actix_rt::spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..50 {
                    answers.push(stage.send(Count).timeout(LONG * 9).await.unwrap());
                }
                answers
            })
        });
        let mut answers = BTreeSet::new();
        for caller in callers.collect::<Vec<_>>() {
            answers.extend(caller.await.unwrap());
        }
        answers
    });
    assert_eq!(answers.await, (1..=5_000).collect());
    stop(&[&server]).await;
}

#[actix::test]
async fn a_handler_that_panics_harms_its_own_call_only() {
    let server = start(House::default().stage("one")).await;
    let stage = server.service("stage");
    let codes = elsewhere(async move || {
        warm_up(&stage).await;
        let calls = (0..30).map(|number| match number % 10 {
            0 => actix_rt::spawn(outcome(stage.send(Panic))),
            _ => actix_rt::spawn(outcome(stage.send(echo()))),
        });
        let mut codes = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            codes.push(call.await.unwrap());
        }
        codes
    });
    let expected: Vec<_> = (0..30).map(|number| if number % 10 == 0 { 500 } else { 0 }).collect();
    assert_eq!(codes.await, expected);
    stop(&[&server]).await;
}

/// The code of the status that a call ends with; 0 for a reply.
async fn outcome<T: Endpoint>(call: CallBuilder<T>) -> u16
where
    T::Reply: Send,
{
    match call.timeout(LONG * 9).await {
        Ok(_) => 0,
        Err(CallError::Status(status)) => status.code,
        Err(other) => panic!("{other}"),
    }
}

#[actix::test]
async fn a_deadline_is_kept_and_ends_the_work() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    let errors = elsewhere(async move || {
        warm_up(&stage).await;
        let late = ["late", "later"].map(|name| stage.send(Hold(name.into())).timeout(SHORT));
        let mut errors = Vec::new();
        for call in late.map(|call| actix_rt::spawn(call.into_future())) {
            errors.push(call.await.unwrap().unwrap_err().to_string());
        }
        errors
    });
    let text = "no answer from Stage.Hold within 300ms; it may have been executed";
    assert_eq!(errors.await, [text; 2]);
    house.diary.has("late is dropped").await;
    house.diary.has("later is dropped").await;
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_that_is_dropped_takes_its_work_with_it() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let (stage, diary) = (server.service("stage"), house.diary.clone());
    elsewhere(async move || {
        warm_up(&stage).await;
        let held = ask(stage.send(Hold("held".into())));
        diary.has("held starts").await;
        held.abort();
        diary.has("held is dropped").await;
        // Others are answered as before.
        warm_up(&stage).await;
    })
    .await;
    stop(&[&server]).await;
}

#[actix::test]
async fn calls_that_share_a_task_are_answered_one_by_one() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let (stage, gate) = (server.service("stage"), house.gate.clone());
    let answers = elsewhere(async move || {
        warm_up(&stage).await;
        let held = || stage.send(Hold("held".into())).timeout(LONG * 9).into_future();
        let quick = async {
            let mut answers = Vec::new();
            for _ in 0..10 {
                answers.push(stage.send(Count).timeout(LONG * 9).await.unwrap());
            }
            gate.open(2);
            answers
        };
        let (held, answers) = join(join(held(), held()), quick).await;
        assert_eq!((held.0.unwrap(), held.1.unwrap()), ("held".into(), "held".into()));
        answers
    });
    assert_eq!(answers.await, (1..=10).collect::<Vec<_>>());
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_that_moves_to_another_thread_is_answered_there() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let (stage, diary) = (server.service("stage"), house.diary.clone());
    let call = elsewhere(async move || {
        warm_up(&stage).await;
        let held = stage.send(Hold("held".into())).timeout(LONG * 9).into_future();
        let starts = diary.has("held starts");
        match select(held, pin!(starts)).await {
            Either::Right(((), held)) => Some(held),
            Either::Left(_) => None,
        }
    });
    let call = call.await.expect("it is held");
    // The arbiter that it was sent from is gone.
    let call = tokio::spawn(call);
    house.gate.open(1);
    assert_eq!(within(LONG, call).await.unwrap().unwrap(), "held");
    stop(&[&server]).await;
}
