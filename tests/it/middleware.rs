//! Middleware on both sides of calls, on both ways that a call can take.

use callboard::middleware::{CallInfo, Middleware, Next, Outcome, Side};
use callboard::prelude::*;
use callboard::{CallError, Executed};

use crate::stage::{
    Diary, Echo, House, LONG, Panic, Show, Stage, all, echo, no_connection, on_both_ways, start,
    stop, within,
};

#[actix::test]
async fn middleware_runs_from_the_caller_inwards_in_the_order_it_was_added() {
    on_both_ways(
        |house| {
            let trace = |name| Trace(house.diary.clone(), name);
            let actor = house.actor("one");
            house
                .system("stage")
                .client_middleware(trace("client 1"))
                .client_middleware(trace("client 2"))
                .middleware(trace("server 1"))
                .middleware(trace("server 2"))
                .handler(actor, |h| {
                    h.request::<Echo>().middleware(trace("echo 1")).middleware(trace("echo 2"))
                })
        },
        async |play| {
            let trace = |name| Trace(play.house.diary.clone(), name);
            let client = play.house.system("client").client_middleware(trace("client 1"));
            let client = start(client.client_middleware(trace("client 2"))).await;
            let stage = if play.is_local { play.stage.clone() } else { client.service("stage") };
            within(LONG, stage.send(echo())).await.unwrap();
            let inwards = ["client 1", "client 2", "server 1", "server 2", "echo 1", "echo 2"];
            let lines = inwards.iter().map(|name| format!("{name} before"));
            let outwards = inwards.iter().rev().map(|name| format!("{name} after: true"));
            let lines = ["one starts".to_owned()].into_iter().chain(lines);
            let lines: Vec<_> = lines.chain(["echo hello".to_owned()]).chain(outwards).collect();
            assert_eq!(play.house.diary.lines(), lines);
            stop(&[&client]).await;
            keep_connected(play).await;
        },
    )
    .await;
}

#[actix::test]
async fn middleware_of_an_endpoint_leaves_the_others_alone() {
    on_both_ways(
        |house| {
            let (actor, refuse) = (house.actor("one"), Refuse(Echo::NAME));
            house
                .system("stage")
                .handler(actor, |h| h.request::<Echo>().middleware(refuse).request::<Show>())
        },
        async |play| {
            assert!(play.stage.send(echo()).await.is_err());
            assert!(play.stage.send(Show).await.is_ok());
        },
    )
    .await;
}

#[actix::test]
async fn middleware_that_refuses_on_the_server_answers_in_place_of_the_handler() {
    on_both_ways(
        |house| house.stage("one").middleware(Refuse(Echo::NAME)),
        async |play| {
            let error = play.stage.send(echo()).await.unwrap_err();
            assert_eq!(error.to_string(), "guard: send a token (401 Unauthorized)");
            assert!(!error.is_retryable());
            assert!(play.stage.send(Show).await.is_ok());
            assert_eq!(play.house.diary.count("echo hello"), 0);
        },
    )
    .await;
}

#[actix::test]
async fn middleware_that_refuses_on_the_client_keeps_the_call_from_being_made() {
    let house = House::default();
    let server = start(house.stage("one").client_middleware(Refuse(Echo::NAME))).await;
    let client = start(house.system("client").client_middleware(Refuse(Echo::NAME))).await;
    for caller in [&client, &server] {
        let error = within(LONG, caller.service("stage").send(echo())).await.unwrap_err();
        assert_eq!(error.to_string(), "guard: send a token (401 Unauthorized)");
    }
    no_connection(&server).await;
    assert_eq!(house.diary.lines(), ["one starts"]);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn metadata_that_middleware_changes_travel_on() {
    on_both_ways(
        |house| house.stage("one").client_middleware(Sign("client")).middleware(Sign("server")),
        async |play| {
            let client = start(play.house.system("client").client_middleware(Sign("client"))).await;
            let stage = if play.is_local { play.stage.clone() } else { client.service("stage") };
            let shown = within(LONG, stage.send(Show).metadata("own", "1")).await.unwrap();
            for name in ["own", "client", "server"] {
                assert!(shown.value(name).is_some(), "{name} is missing in {shown:?}");
            }
            stop(&[&client]).await;
            keep_connected(play).await;
        },
    )
    .await;
}

#[actix::test]
async fn a_panic_in_middleware_fails_its_call_and_nothing_else() {
    on_both_ways(
        |house| house.stage("one").middleware(Explode(Echo::NAME)),
        async |play| {
            for _ in 0..20 {
                let error = play.stage.send(echo()).await.unwrap_err();
                let CallError::Status(status) = &error else { panic!("{error:?}") };
                assert_eq!(status.code, 500);
                assert!(play.stage.send(Show).await.is_ok());
            }
            assert_eq!(play.house.diary.lines(), ["one starts"]);
        },
    )
    .await;
}

#[actix::test]
async fn errors_pass_through_middleware_as_they_are_without_it() {
    on_both_ways(
        |house| {
            let trace = Trace(house.diary.clone(), "trace");
            house.stage("one").middleware(trace)
        },
        async |play| {
            let error = play.stage.send(Panic).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "Stage.Panic: the handler panicked (500 Internal Server Error)"
            );
            let late = play.stage.send(crate::stage::Hold("late".into()));
            let error = late.timeout(crate::stage::SHORT).await.unwrap_err();
            assert!(
                matches!(error, CallError::Timeout { executed: Executed::Maybe, .. }),
                "{error:?}"
            );
            play.house.diary.has("late is dropped").await;
        },
    )
    .await;
}

#[actix::test]
async fn middleware_sees_what_is_called_and_by_whom() {
    on_both_ways(
        |house| {
            let diary = house.diary.clone();
            let describe: fn(_) -> _ = all;
            let actor = house.actor("one");
            house.system("stage").middleware(Describe(diary)).handler::<Stage>(actor, describe)
        },
        async |play| {
            play.stage.send(echo()).await.unwrap();
            let node = &play.caller.node().id;
            play.house.diary.has(&format!("Server Request stage Stage.Echo by {node} true")).await;
        },
    )
    .await;
}

#[actix::test]
async fn one_middleware_wraps_calls_streams_and_one_way_messages_on_both_sides() {
    let house = House::default();
    let trace = || Kinds(house.diary.clone());
    let builder = house.system("stage").middleware(trace()).handler(house.actor("one"), all);
    let server = start(builder.handler(|| Counter, |h| h.stream::<Numbers>())).await;
    let client = start(house.system("client").client_middleware(trace())).await;
    let stage = client.service("stage");
    within(LONG, stage.send(echo())).await.unwrap();
    stage.do_send(Echo("one way".into()));
    house.diary.has("echo one way").await;
    let mut numbers = within(LONG, stage.stream(Numbers)).await.unwrap();
    // On the client the opening is over; on the server the stream goes on.
    house.diary.has("Client Stream Stage.Numbers ends: true").await;
    assert_eq!(house.diary.count("Server Stream Stage.Numbers ends: true"), 0);
    numbers.close().await;
    assert_eq!(within(LONG, numbers.recv()).await.unwrap(), None);
    house.diary.has("Server Stream Stage.Numbers ends: true").await;
    for side in ["Client", "Server"] {
        house.diary.has(&format!("{side} Request Stage.Echo ends: true")).await;
        assert_eq!(house.diary.count(&format!("{side} Request Stage.Echo begins")), 2, "{side}");
        assert_eq!(house.diary.count(&format!("{side} Stream Stage.Numbers begins")), 1, "{side}");
    }
    stop(&[&client, &server]).await;
}

/// Waits for numbers until there are no more.
#[derive(Debug, Serialize, Deserialize, callboard::Endpoint)]
#[endpoint(stream, name = "Stage.Numbers", item = u64, reply = u64)]
struct Numbers;

struct Counter;

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Streaming<Numbers>> for Counter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Numbers>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while stream.recv().await?.is_some() {}
            Ok(())
        })
    }
}

/// Notes what begins and what ends.
struct Kinds(Diary);

impl Middleware for Kinds {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let name = format!("{:?} {:?} {}", call.side, call.kind, call.endpoint);
            self.0.note(format!("{name} begins"));
            let result = next.run(call).await;
            self.0.note(format!("{name} ends: {}", result.is_ok()));
            result
        })
    }
}

/// So that the check of the way that calls took holds for clients of a test's own.
async fn keep_connected(play: &crate::stage::Play) {
    if !play.is_local {
        within(LONG, play.stage.send(echo())).await.expect("it is answered");
    }
}

struct Trace(Diary, &'static str);

impl Middleware for Trace {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            self.0.note(format!("{} before", self.1));
            let result = next.run(call).await;
            self.0.note(format!("{} after: {}", self.1, result.is_ok()));
            result
        })
    }
}

/// Refuses this endpoint.
struct Refuse(&'static str);

impl Middleware for Refuse {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        if call.endpoint == self.0 {
            let status = Status::unauthorized("guard", "send a token");
            return Box::pin(async { Err(status.into()) });
        }
        next.run(call)
    }
}

/// Adds a pair of this name.
struct Sign(&'static str);

impl Middleware for Sign {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        call.metadata.insert(self.0, "signed");
        next.run(call)
    }
}

/// Panics at this endpoint, after a while.
struct Explode(&'static str);

impl Middleware for Explode {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(call.endpoint != self.0, "boom");
            next.run(call).await
        })
    }
}

struct Describe(Diary);

impl Middleware for Describe {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        let side = if call.side == Side::Server { "Server" } else { "Client" };
        let has_deadline = call.deadline.is_some();
        let CallInfo { service, endpoint, peer, kind, .. } = &*call;
        self.0.note(format!("{side} {kind:?} {service} {endpoint} by {peer} {has_deadline}"));
        next.run(call)
    }
}
