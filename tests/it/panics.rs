//! A panic fails one call, and nothing else.

use callboard::CallError;
use callboard::prelude::*;

use crate::stage::{
    Count, Hold, House, LONG, Panic, call, echo, on_both_ways, start, stop, within,
};

#[actix::test]
async fn a_panic_is_a_status_for_its_caller_and_a_fresh_actor_for_the_others() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            assert_eq!(play.stage.send(Count).await.unwrap(), 1);
            let error = play.stage.send(Panic).await.unwrap_err();
            let CallError::Status(status) = &error else { panic!("{error:?}") };
            assert_eq!(status.code, 500);
            assert_eq!(
                error.to_string(),
                "Stage.Panic: the handler panicked (500 Internal Server Error)"
            );
            assert_eq!(error.executed(), callboard::Executed::Yes);
            assert_eq!(play.stage.send(Count).await.unwrap(), 1, "the state is fresh");
            assert_eq!(play.house.diary.count("one starts"), 2);
        },
    )
    .await;
}

#[actix::test]
async fn requests_queued_behind_a_panic_are_answered() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let mut calls = Vec::new();
            let mut poison = Vec::new();
            for _ in 0..20 {
                calls.push(call(play.stage.send(echo())));
                poison.push(call(play.stage.send(Panic)));
            }
            for each in calls {
                assert_eq!(within(LONG, each).await.unwrap().unwrap(), "hello");
            }
            for each in poison {
                let error = within(LONG, each).await.unwrap().unwrap_err();
                assert!(matches!(error, CallError::Status(_)), "{error:?}");
            }
        },
    )
    .await;
}

#[actix::test]
async fn a_panic_leaves_the_other_handlers_of_the_node_alone() {
    on_both_ways(
        |house| house.stage("one").handler(Critic::default, |h| h.request::<Review>()),
        async |play| {
            let held = call(play.stage.send(Hold("held".into())));
            play.house.diary.has("held starts").await;
            let error = play.stage.send(Review { is_late: true }).await.unwrap_err();
            assert!(matches!(error, CallError::Status(_)), "{error:?}");
            play.house.gate.open(1);
            assert_eq!(within(LONG, held).await.unwrap().unwrap(), "held");
            assert_eq!(play.house.diary.count("one starts"), 1);
        },
    )
    .await;
}

#[actix::test]
async fn a_panic_in_the_future_of_an_answer_is_a_status_too() {
    on_both_ways(
        |house| house.system("stage").handler(Critic::default, |h| h.request::<Review>()),
        async |play| {
            for is_late in [false, true, false, true] {
                let error = play.stage.send(Review { is_late }).await.unwrap_err();
                let CallError::Status(status) = &error else { panic!("{error:?}") };
                assert_eq!(status.code, 500);
            }
        },
    )
    .await;
}

#[actix::test]
async fn a_thousand_poisoned_requests_do_not_take_the_node_down() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            for round in 0..20 {
                let poison: Vec<_> = (0..50).map(|_| call(play.stage.send(Panic))).collect();
                for each in poison {
                    let error = within(LONG, each).await.unwrap().unwrap_err();
                    assert!(matches!(error, CallError::Status(_)), "round {round}: {error:?}");
                }
            }
            assert_eq!(play.stage.send(echo()).await.unwrap(), "hello");
            assert_eq!(play.house.diary.count("one starts"), 1001);
        },
    )
    .await;
}

#[actix::test]
async fn a_request_whose_decoding_panics_is_refused_and_harms_nobody() {
    let house = House::default();
    let server = house.stage("one").handler(Critic::default, |h| h.request::<Mine>());
    let server = start(server).await;
    let client = house.client().await;
    let stage = client.service("stage");
    let held = call(stage.send(Hold("held".into())));
    house.diary.has("held starts").await;
    let error = within(LONG, stage.send(Mine)).await.unwrap_err();
    assert!(matches!(error, CallError::Codec { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "codec: the body is not what the endpoint takes: decoding it panicked"
    );
    house.gate.open(1);
    assert_eq!(within(LONG, held).await.unwrap().unwrap(), "held");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_reply_whose_encoding_panics_is_a_status_and_harms_nobody() {
    let house = House::default();
    let server = house.stage("one").handler(Critic::default, |h| h.request::<Verse>());
    let server = start(server).await;
    let client = house.client().await;
    let stage = client.service("stage");
    for _ in 0..3 {
        let error = within(LONG, stage.send(Verse)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Critic.Verse: the handler panicked (500 Internal Server Error)"
        );
        within(LONG, stage.send(Count)).await.unwrap();
    }
    stop(&[&client, &server]).await;
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Critic.Review", reply = ())]
struct Review {
    is_late: bool,
}

/// Panics when it is decoded.
#[derive(Debug, Serialize, Endpoint)]
#[endpoint(name = "Critic.Mine", reply = ())]
struct Mine;

impl<'de> Deserialize<'de> for Mine {
    fn deserialize<D: callboard::serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("stepped on");
    }
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Critic.Verse", reply = Rhyme)]
struct Verse;

/// Panics when half of it has been encoded.
#[derive(Debug, Deserialize)]
struct Rhyme;

impl Serialize for Rhyme {
    fn serialize<S: callboard::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use callboard::serde::ser::SerializeTuple;
        serializer.serialize_tuple(2)?.serialize_element(&true)?;
        panic!("no word rhymes");
    }
}

#[derive(Default)]
struct Critic;

impl Actor for Critic {
    type Context = Context<Self>;
}

impl Handler<Request<Review>> for Critic {
    type Result = ResponseActFuture<Self, Reply<Review>>;

    fn handle(&mut self, request: Request<Review>, _: &mut Context<Self>) -> Self::Result {
        assert!(request.is_late, "at once");
        let pause = tokio::task::yield_now().into_actor(self);
        Box::pin(pause.map(|(), _, _| panic!("after a while")))
    }
}

impl Handler<Request<Mine>> for Critic {
    type Result = Reply<Mine>;

    fn handle(&mut self, _: Request<Mine>, _: &mut Context<Self>) -> Reply<Mine> {
        Ok(())
    }
}

impl Handler<Request<Verse>> for Critic {
    type Result = Reply<Verse>;

    fn handle(&mut self, _: Request<Verse>, _: &mut Context<Self>) -> Reply<Verse> {
        Ok(Rhyme)
    }
}
