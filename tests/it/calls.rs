//! What a call may say about itself; the same on both ways that it can take.

use std::time::Duration;

use callboard::client::CallFuture;
use callboard::prelude::*;
use callboard::{CallError, Executed};

use crate::stage::{
    Echo, Hold, House, LONG, SHORT, Show, Shown, echo, on_both_ways, start, stop, within,
};

#[test]
fn a_call_that_waits_is_hardly_larger_than_its_message() {
    // With a thousand in flight that decides whether they fit into the processor's cache.
    let size = size_of::<CallFuture<Echo>>();
    assert!(size <= size_of::<Echo>() + 80, "{size} bytes");
}

#[actix::test]
async fn metadata_and_the_name_of_the_caller_arrive() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let call = play.stage.send(Show).metadata("trace", "1").metadata("sprache", "schön");
            let shown = call.metadata("trace", "2").await.unwrap();
            assert_eq!(shown.value("trace"), Some("2"));
            assert_eq!(shown.value("sprache"), Some("schön"));
            assert_eq!(shown.peer, play.caller.name());
        },
    )
    .await;
}

#[actix::test]
async fn metadata_above_the_limits_are_refused_before_anything_is_executed() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let mut many = play.stage.send(Echo("many".into()));
            for number in 0..=Metadata::MAX_ENTRIES {
                many = many.metadata(number.to_string(), "");
            }
            let long = play.stage.send(Echo("long".into()));
            let long = long.metadata("long", "x".repeat(Metadata::MAX_BYTES));
            for result in [many.await, long.await] {
                let error = result.unwrap_err();
                assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
                assert_eq!(error.executed(), Executed::No);
                assert!(error.to_string().contains("metadata"), "{error}");
            }
            assert_eq!(play.house.diary.lines(), ["one starts"]);
        },
    )
    .await;
}

#[actix::test]
async fn the_handler_knows_how_much_time_is_left() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            let shown = play.stage.send(Show).timeout(Duration::from_secs(3)).await.unwrap();
            let left = shown.time_left.unwrap();
            assert!(left <= Duration::from_secs(3) && left > Duration::from_secs(1), "{left:?}");
            let usual = play.stage.send(Show).await.unwrap().time_left.unwrap();
            assert!(usual <= Duration::from_secs(5) && usual > Duration::from_secs(3), "{usual:?}");
        },
    )
    .await;
}

#[actix::test]
async fn the_systems_own_timeout_is_what_calls_begin_with() {
    on_both_ways(
        |house| house.stage("one").timeout(SHORT),
        async |play| {
            // The caller of the remote way is a system with the usual timeout.
            let client = start(play.house.system("client").timeout(SHORT)).await;
            let stage = if play.is_local { play.stage.clone() } else { client.service("stage") };
            let error = within(LONG, stage.send(Hold("late".into()))).await.unwrap_err();
            let CallError::Timeout { timeout, executed, .. } = error else { panic!("{error:?}") };
            assert_eq!((timeout, executed), (SHORT, Executed::Maybe));
            within(LONG, stage.send(echo())).await.unwrap();
            if !play.is_local {
                within(LONG, play.stage.send(echo())).await.unwrap();
            }
            stop(&[&client]).await;
        },
    )
    .await;
}

#[actix::test]
async fn a_call_ends_by_its_timeout_in_the_same_way_every_time() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            // The handler's own deadline is the same moment, and its answer must not win.
            for round in 0_u64..100 {
                let timeout = Duration::from_micros(3000 + 37 * round);
                let late = play.stage.send(Hold("late".into())).timeout(timeout);
                let error = within(LONG, late).await.unwrap_err();
                assert!(matches!(error, CallError::Timeout { .. }), "round {round}: {error:?}");
            }
        },
    )
    .await;
}

#[actix::test]
async fn messages_sent_without_waiting_arrive() {
    on_both_ways(
        |house| house.stage("one"),
        async |play| {
            for number in 0..100 {
                play.stage.do_send(Echo(number.to_string()));
            }
            for number in 0..100 {
                play.house.diary.has(&format!("echo {number}")).await;
            }
        },
    )
    .await;
}

#[actix::test]
async fn a_call_made_within_a_request_inherits_its_deadline_and_trace() {
    on_both_ways(
        |house| house.stage("one").handler(Agent::default, |h| h.request::<Relay>()),
        async |play| {
            let agent = Agent { stage: Some(play.stage.clone()) };
            let house = House { registry: play.house.registry.clone(), ..House::default() };
            let agency =
                start(house.system("agency").handler(
                    move || Agent { stage: agent.stage.clone() },
                    |h| h.request::<Relay>(),
                ))
                .await;
            let relay = |timeout_after| {
                let call = play.caller.service("agency").send(Relay { timeout_after });
                let call =
                    call.timeout(Duration::from_secs(2)).metadata("traceparent", "00-1-2-01");
                call.metadata("token", "secret")
            };
            for timeout_after in [None, Some(Duration::from_secs(60))] {
                let shown = within(LONG, relay(timeout_after)).await.unwrap();
                assert_eq!(shown.value("traceparent"), Some("00-1-2-01"));
                assert_eq!(shown.value("token"), None, "only the trace is passed on");
                let left = shown.time_left.unwrap();
                assert!(left <= Duration::from_secs(2), "{timeout_after:?}: {left:?}");
            }
            let sooner = relay(Some(Duration::from_secs(1)));
            let shown = within(LONG, sooner).await.unwrap();
            assert!(shown.time_left.unwrap() <= Duration::from_secs(1));
            stop(&[&agency]).await;
            // Keeps the connection count of the local way at zero, that of the other above it.
            play.stage.send(echo()).await.unwrap();
        },
    )
    .await;
}

#[actix::test]
async fn a_call_to_an_address_reaches_that_node_only() {
    let house = House::default();
    let (one, two) = (start(house.stage("one")).await, start(house.stage("two")).await);
    let client = house.client().await;
    let stage = client.service("stage");
    for _ in 0..10 {
        for (node, name) in [(&one, "one"), (&two, "two")] {
            let who = stage.send(crate::stage::Who).node(node.node().address.clone());
            assert_eq!(within(LONG, who).await.unwrap(), name);
        }
    }
    stop(&[&client, &one, &two]).await;
}

/// Asks the stage on behalf of whoever asks it.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Agent.Relay", reply = Shown)]
struct Relay {
    timeout_after: Option<Duration>,
}

#[derive(Default)]
struct Agent {
    stage: Option<ServiceRef>,
}

impl Actor for Agent {
    type Context = Context<Self>;
}

impl Handler<Request<Relay>> for Agent {
    type Result = ResponseFuture<Reply<Relay>>;

    fn handle(&mut self, request: Request<Relay>, _: &mut Context<Self>) -> Self::Result {
        let stage = self.stage.clone().expect("it is given one");
        let mut call = stage.send(Show).within(&request);
        if let Some(timeout) = request.timeout_after {
            call = call.timeout(timeout);
        }
        Box::pin(async move { Ok(call.await?) })
    }
}
