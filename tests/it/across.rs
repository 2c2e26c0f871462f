//! Callers on another arbiter than the actor that they call: they are woken in batches.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::Arbiter;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard::{CallBuilder, CallError};
use futures_util::future::{Either, join, poll_immediate, select};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::stage::{Count, Diary, Hold, House, LONG, Panic, SHORT, echo, start, stop, within};

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

/// How long a desk works.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Work {
    Not,
    /// A moment in which a request is not handled quickly.
    Shortly,
    /// Until the caller has heard, which it notes.
    UntilHeard,
}

/// Is worked on while it is handled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Desk.Handled", reply = ())]
struct Handled(Work);

/// Is worked on by the future that answers it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Desk.Later", reply = ())]
struct Later(Work);

/// Blocks its thread while it works.
#[derive(Clone)]
struct Desk {
    heard: Heard,
    diary: Diary,
}

/// Whether the caller has heard of an end.
#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<bool>, Condvar)>);

impl Heard {
    fn tell(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn wait(&self, limit: Duration) -> bool {
        let mut heard = self.0.0.lock();
        self.0.1.wait_while_for(&mut heard, |heard| !*heard, limit);
        *heard
    }
}

impl Desk {
    fn work(&self, work: Work) {
        match work {
            Work::Not => {}
            Work::Shortly => drop(self.heard.wait(Duration::from_millis(1))),
            Work::UntilHeard => {
                let heard = self.heard.wait(LONG / 2);
                self.diary.note(if heard { "heard" } else { "never heard" });
            }
        }
    }
}

impl Actor for Desk {
    type Context = Context<Self>;
}

impl Handler<Request<Handled>> for Desk {
    type Result = Reply<Handled>;

    fn handle(&mut self, request: Request<Handled>, _: &mut Context<Self>) -> Reply<Handled> {
        self.work(request.into_inner().0);
        Ok(())
    }
}

impl Handler<Request<Later>> for Desk {
    type Result = ResponseFuture<Reply<Later>>;

    fn handle(&mut self, request: Request<Later>, _: &mut Context<Self>) -> Self::Result {
        let (desk, work) = (self.clone(), request.into_inner().0);
        Box::pin(async move {
            desk.work(work);
            Ok(())
        })
    }
}

/// A system with a desk on this arbiter.
async fn desk(house: &House, heard: &Heard) -> ServiceSystem {
    let desk = Desk { heard: heard.clone(), diary: house.diary.clone() };
    let desk = move || desk.clone();
    let all = |handler: HandlerBuilder<Desk>| handler.request::<Handled>().request::<Later>();
    start(house.system("desk").handler(desk, all)).await
}

/// Has the caller's arbiter seen calls to a desk, so that its tasks have a room.
async fn warm_up_at(desk: &ServiceRef) {
    for call in (0..64).map(|_| ask(desk.send(Handled(Work::Not)))).collect::<Vec<_>>() {
        call.await.expect("it does not panic").expect("it is answered");
    }
}

/// In one turn of the desk the caller is answered, and then comes much without a deadline.
async fn is_told_before_what_follows<T: Endpoint<Reply = ()>>(request: fn(Work) -> T) {
    let (house, heard) = (House::default(), Heard::default());
    let server = desk(&house, &heard).await;
    let desk = server.service("desk");
    let (warm, is_warm) = oneshot::channel();
    let (asked, has_asked) = std::sync::mpsc::channel();
    let (go, may_go) = oneshot::channel();
    let call = elsewhere({
        let (desk, heard) = (desk.clone(), heard.clone());
        async move || {
            warm_up_at(&desk).await;
            let _ = warm.send(());
            may_go.await.expect("it goes on");
            let told = actix_rt::spawn(async move {
                let mut call = desk.send(request(Work::Not)).timeout(LONG * 9).into_future();
                assert!(poll_immediate(&mut call).await.is_none(), "it has to wait");
                let _ = asked.send(());
                call.await.expect("it is answered");
                heard.tell();
            });
            told.await.expect("it does not panic");
        }
    });
    let caller = actix_rt::spawn(call);
    within(LONG, is_warm).await.expect("it is warm");
    let _ = go.send(());
    // The desk has no turn before all of it has come.
    has_asked.recv_timeout(LONG).expect("it asks");
    let follows = [Work::Shortly; 30].into_iter().chain([Work::UntilHeard]);
    follows.for_each(|work| desk.do_send(request(work)));
    within(LONG, caller).await.expect("it does not panic");
    house.diary.has("heard").await;
    stop(&[&server]).await;
}

#[actix::test]
async fn a_caller_is_told_before_long_requests_that_have_no_deadline() {
    is_told_before_what_follows(Handled).await;
}

#[actix::test]
async fn a_caller_is_told_before_futures_that_take_long() {
    is_told_before_what_follows(Later).await;
}

#[actix::test]
async fn a_caller_does_not_wait_longer_for_a_handler_that_blocks() {
    let (house, heard) = (House::default(), Heard::default());
    let server = desk(&house, &heard).await;
    let desk = server.service("desk");
    let error = elsewhere(async move || {
        warm_up_at(&desk).await;
        let call = desk.send(Handled(Work::UntilHeard)).timeout(SHORT).into_future();
        let error = actix_rt::spawn(call).await.unwrap().unwrap_err().to_string();
        heard.tell();
        error
    });
    let text = "no answer from Desk.Handled within 300ms; it may have been executed";
    assert_eq!(error.await, text);
    house.diary.has("heard").await;
    stop(&[&server]).await;
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
