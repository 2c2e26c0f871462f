//! Code around each attempt of a call, at the node that it goes to.

use callboard::middleware::{AttemptInfo, AttemptMiddleware};
use callboard::prelude::*;
use callboard::{CallError, Executed};

use crate::parrot::{Parrot, Talk};
use crate::stage::{Diary, Echo, Fail, Hold, House, LONG, Show, call, echo, start, stop, within};

/// Notes what begins and what ends.
struct Trace(Diary, &'static str);

impl AttemptMiddleware for Trace {
    fn before(&self, attempt: &mut AttemptInfo) -> Result<(), CallError> {
        let node = attempt.node().map_or("no record", |node| &node.metadata["name"]);
        let AttemptInfo { service, endpoint, number, .. } = &*attempt;
        self.0.note(format!("{} {number}: {service} {endpoint} at {node}", self.1));
        Ok(())
    }

    fn after(&self, attempt: &AttemptInfo, result: Result<(), &CallError>) {
        let result = result.map_or_else(|error| error.to_string(), |()| "answered".to_owned());
        self.0.note(format!("{} {}: {result}", self.1, attempt.number));
    }
}

/// Refuses this endpoint.
struct Refuse(&'static str);

impl AttemptMiddleware for Refuse {
    fn before(&self, attempt: &mut AttemptInfo) -> Result<(), CallError> {
        if attempt.endpoint == self.0 {
            return Err(Status::forbidden("guard", "not there").into());
        }
        Ok(())
    }
}

/// Signs each attempt with its number.
struct Sign;

impl AttemptMiddleware for Sign {
    fn before(&self, attempt: &mut AttemptInfo) -> Result<(), CallError> {
        attempt.metadata.insert(format!("attempt-{}", attempt.number), &*attempt.address);
        Ok(())
    }
}

/// Panics at this endpoint, before it or after it.
struct Explode(&'static str, bool);

impl AttemptMiddleware for Explode {
    fn before(&self, attempt: &mut AttemptInfo) -> Result<(), CallError> {
        assert!(!self.1 || attempt.endpoint != self.0, "boom");
        Ok(())
    }

    fn after(&self, attempt: &AttemptInfo, _: Result<(), &CallError>) {
        assert!(self.1 || attempt.endpoint != self.0, "boom");
    }
}

#[actix::test]
async fn each_attempt_is_seen_with_its_node_and_how_it_ended() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.system("client").attempt_middleware(Trace(house.diary.clone(), "attempt"));
    let client = start(client).await;
    let stage = client.service("stage");
    let failing = stage.send(Fail).retries(2).retry(|_, _| true);
    within(LONG, failing).await.unwrap_err();
    within(LONG, stage.send(echo())).await.unwrap();
    let mut lines = vec!["one starts".to_owned()];
    for number in 1..=3 {
        lines.extend([
            format!("attempt {number}: stage Stage.Fail at one"),
            "fail".to_owned(),
            format!("attempt {number}: stage: as it was asked to (409 Conflict)"),
        ]);
    }
    lines.push("attempt 1: stage Stage.Echo at one".to_owned());
    lines.extend(["echo hello", "attempt 1: answered"].map(str::to_owned));
    assert_eq!(house.diary.lines(), lines);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn the_first_one_added_is_outermost() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let trace = |name| Trace(house.diary.clone(), name);
    let client = house.system("client").attempt_middleware(trace("outer"));
    let client = start(client.attempt_middleware(trace("inner"))).await;
    within(LONG, client.service("stage").send(echo())).await.unwrap();
    let lines = [
        "one starts",
        "outer 1: stage Stage.Echo at one",
        "inner 1: stage Stage.Echo at one",
        "echo hello",
        "inner 1: answered",
        "outer 1: answered",
    ];
    assert_eq!(house.diary.lines(), lines);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn one_that_refuses_ends_the_call_and_nothing_is_sent() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.system("client").attempt_middleware(Trace(house.diary.clone(), "outer"));
    let client = client.attempt_middleware(Refuse(Echo::NAME));
    let client = start(client.attempt_middleware(Trace(house.diary.clone(), "inner"))).await;
    let stage = client.service("stage");
    let error = within(LONG, stage.send(echo()).retries(3)).await.unwrap_err();
    assert_eq!(error.to_string(), "guard: not there (403 Forbidden)");
    assert!(within(LONG, stage.send(Show)).await.is_ok());
    let lines = [
        "one starts",
        "outer 1: stage Stage.Echo at one",
        "outer 1: guard: not there (403 Forbidden)",
        "outer 1: stage Stage.Show at one",
        "inner 1: stage Stage.Show at one",
        "inner 1: answered",
        "outer 1: answered",
    ];
    assert_eq!(house.diary.lines(), lines);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn what_it_adds_beside_the_body_is_sent_with_that_attempt_only() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = start(house.system("client").attempt_middleware(Sign)).await;
    let stage = client.service("stage");
    for service in [stage.send(Show), stage.send(Show).node(&*server.node().address)] {
        let shown = within(LONG, service.metadata("own", "1")).await.unwrap();
        assert_eq!(shown.value("own"), Some("1"));
        assert_eq!(shown.value("attempt-1"), Some(&*server.node().address));
        assert_eq!(shown.metadata.len(), 2, "{shown:?}");
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_panic_in_it_ends_its_call_and_nothing_else() {
    for is_before in [true, false] {
        let house = House::default();
        let server = start(house.stage("one")).await;
        let client = house.system("client").attempt_middleware(Explode(Echo::NAME, is_before));
        let client = start(client).await;
        let stage = client.service("stage");
        for _ in 0..3 {
            let failed = within(LONG, call(stage.send(echo()))).await;
            assert!(failed.is_err_and(|error| error.is_panic()));
            within(LONG, stage.send(Show)).await.unwrap();
        }
        // Nobody waits for this one; the system that sends it goes on all the same.
        stage.do_send(echo());
        within(LONG, stage.send(Show)).await.unwrap();
        assert_eq!(server.connections(), 1);
        stop(&[&client, &server]).await;
    }
}

#[actix::test]
async fn a_call_that_is_dropped_is_told_as_cancelled() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.system("client").attempt_middleware(Trace(house.diary.clone(), "attempt"));
    let client = start(client).await;
    let held = call(client.service("stage").send(Hold("held".into())));
    house.diary.has("held starts").await;
    held.abort();
    house.diary.has("held is dropped").await;
    house.diary.has("attempt 1: the call of Stage.Hold was cancelled").await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn messages_that_nobody_waits_for_are_seen_and_calls_within_the_process_are_none() {
    let house = House::default();
    let trace = || Trace(house.diary.clone(), "attempt");
    let server = start(house.stage("one").attempt_middleware(trace())).await;
    let client = start(house.system("client").attempt_middleware(trace())).await;
    within(LONG, server.service("stage").send(echo())).await.unwrap();
    assert_eq!(house.diary.lines(), ["one starts", "echo hello"]);
    client.service("stage").do_send(Echo("one way".into()));
    house.diary.has("echo one way").await;
    house.diary.has("attempt 1: stage Stage.Echo at one").await;
    house.diary.has("attempt 1: answered").await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn the_opening_of_a_stream_is_an_attempt() {
    let house = House::default();
    let builder = house.system("parrot").metadata("name", "one");
    let server = start(builder.handler(|| Parrot, |h| h.stream::<Talk>())).await;
    let client = house.system("client").attempt_middleware(Trace(house.diary.clone(), "attempt"));
    let client = start(client.attempt_middleware(Refuse("Parrot.Shut"))).await;
    let parrot = client.service("parrot");
    let mut stream = within(LONG, parrot.stream(Talk)).await.unwrap();
    let lines = ["attempt 1: parrot Parrot.Talk at one", "attempt 1: answered"];
    assert_eq!(house.diary.lines(), lines);
    stream.close().await;
    assert_eq!(within(LONG, stream.recv()).await.unwrap(), None);
    // A node by its address answers anything; this is refused before it is asked.
    let error = within(LONG, parrot.stream(Shut).node(&*server.node().address)).await.unwrap_err();
    assert_eq!(error.to_string(), "guard: not there (403 Forbidden)");
    assert_eq!(house.diary.count("attempt 1: guard: not there (403 Forbidden)"), 1);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_node_that_cannot_be_connected_to_is_not_attempted() {
    let house = House::default();
    let client = house.system("client").attempt_middleware(Trace(house.diary.clone(), "attempt"));
    let client = start(client).await;
    let nobody = client.service("stage").send(echo()).node("127.0.0.1:1");
    let error = within(LONG, nobody).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(house.diary.lines(), [""; 0]);
    stop(&[&client]).await;
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Parrot.Shut", item = u64, reply = u64)]
struct Shut;
