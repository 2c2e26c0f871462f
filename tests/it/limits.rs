//! How much a handler does at once, how much may wait, and for how long.

use std::time::Duration;

use callboard::handler::HandlerBuilder;
use callboard::{CallError, Executed};

use crate::stage::{
    Echo, Hold, House, LONG, SHORT, Stage, call, echo, eventually, on_both_ways, start, stop,
    within,
};

#[actix::test]
async fn no_more_requests_are_handled_at_once_than_allowed() {
    on_both_ways(
        |house| {
            let actor = house.actor("one");
            house.system("stage").handler(actor, |h| h.request::<Hold>().concurrency(3))
        },
        async |play| {
            let diary = &play.house.diary;
            let calls: Vec<_> =
                (0..12).map(|number| call(play.stage.send(Hold(format!("{number}"))))).collect();
            for allowed in 3..=12 {
                eventually(async || starts(&diary.lines()) >= allowed).await;
                let lines = diary.lines();
                let ended = lines.iter().filter(|line| line.ends_with(" ends")).count();
                assert!(starts(&lines) - ended <= 3, "{lines:?}");
                play.house.gate.open(1);
            }
            play.house.gate.open(2);
            for each in calls {
                within(LONG, each).await.unwrap().unwrap();
            }
        },
    )
    .await;
}

#[actix::test]
async fn a_limit_counts_for_its_endpoint_only() {
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
            let _queued = call(play.stage.send(Hold("queued".into())));
            assert_eq!(play.stage.send(echo()).await.unwrap(), "hello");
            play.house.gate.open(1);
            within(LONG, held).await.unwrap().unwrap();
        },
    )
    .await;
}

#[actix::test]
async fn what_the_queue_does_not_hold_is_refused_as_overloaded() {
    on_both_ways(
        |house| {
            let actor = house.actor("one");
            house.system("stage").handler(actor, |h| h.request::<Hold>().concurrency(1).queue(2))
        },
        async |play| {
            let hold = |name: &str| play.stage.send(Hold(name.into())).retries(0);
            let held = call(hold("held"));
            play.house.diary.has("held starts").await;
            let queued: Vec<_> = (0..2).map(|number| call(hold(&format!("{number}")))).collect();
            tokio::task::yield_now().await;
            let mut refused = Vec::new();
            for _ in 0..5 {
                refused.push(within(LONG, hold("refused")).await.unwrap_err());
            }
            for error in refused {
                let CallError::Overloaded { retry_after, .. } = &error else { panic!("{error:?}") };
                assert!(*retry_after > Duration::ZERO);
                assert!(error.is_retryable());
                assert_eq!(error.executed(), Executed::No);
                let text = error.to_string();
                assert!(text.ends_with("queue is full; try again later or elsewhere"), "{text}");
            }
            play.house.gate.open(3);
            for each in queued.into_iter().chain([held]) {
                within(LONG, each).await.unwrap().unwrap();
            }
            assert_eq!(play.house.diary.count("refused starts"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn a_call_refused_for_overload_is_repeated_later() {
    let house = House::default();
    let actor = house.actor("one");
    let narrow = |h: HandlerBuilder<Stage>| h.request::<Hold>().concurrency(1).queue(1);
    let server = start(house.system("stage").handler(actor, narrow)).await;
    let client = house.client().await;
    for (caller, name) in [(&client, "remote"), (&server, "local")] {
        let stage = caller.service("stage");
        let hold = |name: &str| stage.send(Hold(name.into()));
        let held = call(hold(name));
        house.diary.has(&format!("{name} starts")).await;
        let queued = call(hold("queued").retries(0));
        tokio::task::yield_now().await;
        let late = call(hold("late").retries(1000).timeout(LONG));
        // The queue is full until `late` has been refused at least once.
        tokio::time::sleep(Duration::from_millis(30)).await;
        house.gate.open(3);
        for each in [held, queued, late] {
            within(LONG, each).await.unwrap().unwrap();
        }
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn work_that_expires_in_the_queue_is_never_started() {
    on_both_ways(
        |house| {
            let actor = house.actor("one");
            let endpoints =
                |h: HandlerBuilder<Stage>| h.request::<Hold>().concurrency(1).request::<Echo>();
            house.system("stage").handler(actor, endpoints)
        },
        async |play| {
            let held = call(play.stage.send(Hold("held".into())));
            play.house.diary.has("held starts").await;
            let late = play.stage.send(Hold("late".into())).timeout(SHORT);
            let error = within(LONG, late).await.unwrap_err();
            assert!(matches!(error, CallError::Timeout { timeout: SHORT, .. }), "{error:?}");
            // Its time began later there than here; what comes after the word that nobody waits
            // for it any more is answered after that word was heard.
            within(LONG, play.stage.send(echo())).await.unwrap();
            play.house.gate.open(2);
            within(LONG, held).await.unwrap().unwrap();
            let last = play.stage.send(Hold("last".into()));
            assert_eq!(within(LONG, last).await.unwrap(), "last");
            assert_eq!(play.house.diary.count("late starts"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn work_whose_time_is_up_already_is_never_started() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            within(LONG, play.stage.send(echo())).await.unwrap();
            let late = play.stage.send(Echo("late".into())).timeout(Duration::ZERO);
            let error = within(LONG, late).await.unwrap_err();
            assert!(
                matches!(error, CallError::Timeout { executed: Executed::No, .. }),
                "{error:?}"
            );
            assert_eq!(
                error.to_string(),
                "no answer from Stage.Echo within 0ns; it has not been executed"
            );
            assert!(error.is_retryable());
            assert_eq!(play.house.diary.count("echo late"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn a_blocked_actor_delays_and_the_rest_of_the_queue_survives_it() {
    on_both_ways(
        |house| {
            let actor = house.actor("one");
            house.system("stage").handler(actor, |h| h.request::<Hold>().concurrency(1))
        },
        async |play| {
            // Of a row of waiting requests some expire; those after them must still get their turn.
            let held = call(play.stage.send(Hold("held".into())));
            play.house.diary.has("held starts").await;
            let mut row = Vec::new();
            for number in 0..6 {
                let timeout = if number % 2 == 0 { SHORT } else { LONG };
                let name = Hold(format!("{number}"));
                row.push(call(play.stage.send(name).timeout(timeout)));
            }
            tokio::time::sleep(SHORT).await;
            play.house.gate.open(10);
            within(LONG, held).await.unwrap().unwrap();
            for (number, each) in row.into_iter().enumerate() {
                let result = within(LONG, each).await.unwrap();
                assert!(number % 2 == 0 || result.is_ok(), "{number}: {result:?}");
            }
        },
    )
    .await;
}

fn starts(lines: &[String]) -> usize {
    // The actor's own start is among them.
    lines.iter().filter(|line| line.ends_with(" starts")).count() - 1
}
