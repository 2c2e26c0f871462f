//! A caller that goes away takes its work with it.

use std::time::Duration;

use callboard::middleware::{CallInfo, Middleware, Next, Outcome};

use crate::stage::{Diary, Echo, Gate, Hold, LONG, call, echo, eventually, on_both_ways, within};

#[actix::test]
async fn dropping_a_call_drops_its_handler() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let held = call(play.stage.send(Hold("held".into())));
            play.house.diary.has("held starts").await;
            held.abort();
            play.house.diary.has("held is dropped").await;
        },
    )
    .await;
}

#[actix::test]
async fn a_call_that_times_out_drops_its_handler() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let late = play.stage.send(Hold("late".into())).timeout(crate::stage::SHORT);
            let error = within(LONG, late).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "no answer from Stage.Hold within 300ms; it may have been executed"
            );
            assert!(!error.is_retryable());
            play.house.diary.has("late is dropped").await;
        },
    )
    .await;
}

#[actix::test]
async fn work_cancelled_in_the_queue_is_never_started() {
    on_both_ways(
        |house| {
            let actor = house.actor("one");
            house
                .system("stage")
                .handler(actor, |h| h.request::<Hold>().concurrency(1).request::<Echo>())
        },
        async |play| {
            let held = call(play.stage.send(Hold("held".into())));
            play.house.diary.has("held starts").await;
            let cancelled = call(play.stage.send(Hold("cancelled".into())));
            // Comes after it on the same way, so that it is in the queue by now.
            within(LONG, play.stage.send(echo())).await.unwrap();
            cancelled.abort();
            let next = call(play.stage.send(Hold("next".into())));
            within(LONG, play.stage.send(echo())).await.unwrap();
            play.house.gate.open(2);
            within(LONG, held).await.unwrap().unwrap();
            within(LONG, next).await.unwrap().unwrap();
            assert_eq!(play.house.diary.count("cancelled starts"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn work_cancelled_inside_middleware_is_never_started() {
    on_both_ways(
        |house| {
            let (diary, gate) = (house.diary.clone(), Gate::default());
            house.stage("one").middleware(Lobby { diary, gate })
        },
        async |play| {
            let cancelled = call(play.stage.send(Echo("cancelled".into())));
            play.house.diary.has("in the lobby").await;
            cancelled.abort();
            play.house.diary.has("out of the lobby").await;
            assert_eq!(play.house.diary.count("echo cancelled"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn a_call_that_was_never_awaited_is_never_made() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            drop(play.stage.send(Echo("never".into())));
            drop(play.stage.send(Echo("never".into())).into_future());
            within(LONG, play.stage.send(echo())).await.unwrap();
            assert_eq!(play.house.diary.count("echo never"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn cancelling_many_calls_leaves_nothing_behind() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            for round in 0..20 {
                let calls: Vec<_> = (0..50)
                    .map(|number| call(play.stage.send(Hold(format!("{round}-{number}")))))
                    .collect();
                // Some are cancelled before they are sent, some in the queue, some in the handler.
                tokio::time::sleep(Duration::from_millis(round % 3)).await;
                calls.iter().for_each(tokio::task::JoinHandle::abort);
            }
            assert_eq!(play.stage.send(echo()).await.unwrap(), "hello");
            eventually(async || {
                let lines = play.house.diary.lines();
                let ends = |what: &str| lines.iter().filter(|line| line.ends_with(what)).count();
                // The actor's own start has no end yet.
                ends(" starts") - 1 == ends(" is dropped")
            })
            .await;
        },
    )
    .await;
}

/// Keeps requests waiting until the gate opens, which here nobody does.
struct Lobby {
    diary: Diary,
    gate: Gate,
}

impl Middleware for Lobby {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        let (diary, gate) = (&self.diary, &self.gate);
        Box::pin(async move {
            let _out = Out(diary);
            diary.note("in the lobby");
            let patience = tokio::time::timeout(Duration::from_millis(500), gate.pass());
            // Once it is over the request goes on.
            let _ = patience.await;
            next.run(call).await
        })
    }
}

struct Out<'a>(&'a Diary);

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.0.note("out of the lobby");
    }
}
