//! Events from and to Go Micro's HTTP broker, of 2016 and of today: what its publishers sent,
//! recorded byte for byte, reaches an actor; what we publish is what they send.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use callboard::actors::broker::BROADCAST;
use callboard::actors::registry::{NodeInfo, Registry, Service};
use callboard::codec::Codec;
use callboard::config::BrokerKind;
use callboard::event::ProtobufEvent;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard::{Published, ServiceSystem};
use serde::de::Deserializer;
use serde_json::Value;

use crate::go_micro_client::peer::Peer;
use crate::raw::{Raw, Response, capture};
use crate::stage::{Diary, House, LONG, eventually, start, stop, within};

/// The event of the recordings.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
#[serde(default)]
struct Noted {
    #[prost(string, tag = "1")]
    id: String,
    /// Go Micro of 2016 writes a number, today's writes a string.
    #[prost(int64, tag = "2")]
    #[serde(deserialize_with = "number_or_text")]
    timestamp: i64,
    #[prost(string, tag = "3")]
    message: String,
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("no number"))
}

fn by_prost<T: prost::Message + Default>() -> ProtobufEvent<T> {
    ProtobufEvent {
        encode: |event, buffer: &mut BytesMut| event.encode(buffer).expect("a buffer grows"),
        decode: |bytes| T::decode(bytes).map_err(|error| error.to_string()),
    }
}

impl Topic for Noted {
    const NAME: &'static str = "gm.topic";

    fn protobuf() -> Option<ProtobufEvent<Self>> {
        Some(by_prost())
    }
}

struct Listener(Diary);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event<Noted>> for Listener {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Noted>, _: &mut Context<Self>) -> Self::Result {
        let Noted { id, timestamp, message } = &*event;
        let user = event.metadata().value("userId").unwrap_or("nobody");
        self.0.note(format!("{id} {timestamp} {message} by {user}"));
        if message == "fail" { Err(Status::bad_request("listener", "as asked")) } else { Ok(()) }
    }
}

/// A node with one subscription, and the ids under which both generations know it.
async fn listener(house: &House, group: Option<&str>) -> (ServiceSystem, [String; 2]) {
    let diary = house.diary.clone();
    let describe = |h: HandlerBuilder<Listener>| match group {
        Some(group) => h.event::<Noted>().group(group),
        None => h.event::<Noted>(),
    };
    let system = house.system("listener").configure(|config| config.broker = BrokerKind::Http);
    let system = start(system.handler(move || Listener(diary.clone()), describe)).await;
    let mut ids = [String::new(), String::new()];
    for (id, service) in ids.iter_mut().zip(["topic:gm.topic", "micro.http.broker"]) {
        let found = house.registry.get(service.to_owned()).await.expect("it is there");
        let own = found.iter().flat_map(|version| &version.nodes);
        let mut own = own.filter(|node| node.address == system.node().address);
        id.clone_from(&own.next().expect("it is announced").id);
    }
    (system, ids)
}

/// What was recorded, for another subscription.
fn recorded(name: &str, id: &str) -> Vec<u8> {
    let text = String::from_utf8(capture(name)).expect("it is text");
    let begin = text.find("?id=").expect("it names a subscription") + 4;
    let end = begin + text[begin..].find(' ').expect("a version follows");
    let named = &text[begin..end];
    if named == "nobody" { text.into_bytes() } else { text.replace(named, id).into_bytes() }
}

async fn replay(server: &ServiceSystem, name: &str, id: &str) -> (Response, Response) {
    let mut raw = Raw::connect(server).await;
    let response = raw.ask(recorded(&format!("{name}.req.bin"), id)).await;
    let expected = capture(&format!("{name}.rsp.bin"));
    (response, Response::parse(&expected).expect("it is an answer").0)
}

#[actix::test]
async fn events_of_both_generations_reach_an_actor() {
    for (generation, index) in [("2016", 0), ("current", 1)] {
        let house = House::default();
        let (server, ids) = listener(&house, None).await;
        for name in
            ["61-broker-publish-default", "62-broker-publish-json-md", "63-broker-publish-protobuf"]
        {
            let name = format!("{generation}/{name}");
            let (response, expected) = replay(&server, &name, &ids[index]).await;
            assert_eq!((response.code, &response.body), (expected.code, &expected.body), "{name}");
            let outcome = response.header("callboard-event");
            assert_eq!(outcome, Some("acknowledged=1, failed=0, refused=0"), "{name}");
        }
        let lines = house.diary.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("1 1795") && line.contains(" event 1 by "))
        );
        assert!(lines[1].ends_with("by john"), "{lines:?}");
        stop(&[&server]).await;
    }
}

#[actix::test]
async fn what_is_wrong_is_answered_as_by_its_own_inbox() {
    for (generation, index) in [("2016", 0), ("current", 1)] {
        let house = House::default();
        let (server, ids) = listener(&house, None).await;
        let replay = async |name: &str| {
            let name = format!("{generation}/{name}");
            let (response, expected) = replay(&server, &name, &ids[index]).await;
            assert_eq!(response.code, expected.code, "{name}");
            (response, expected)
        };
        for name in ["66b-broker-raw-get", "66d-broker-raw-notopic"] {
            let (response, expected) = replay(name).await;
            assert_eq!(response.text(), expected.text(), "{name}");
            assert_eq!(response.header("content-type"), expected.header("content-type"), "{name}");
        }
        // Serde says it in other words.
        let (response, expected) = replay("66c-broker-raw-badjson").await;
        let beginning =
            r#"{"id":"go.micro.broker","code":500,"detail":"Error parsing request body: "#;
        for each in [response, expected] {
            assert!(each.text().starts_with(beginning), "{}", each.text());
        }
        // Nobody is told, over there; a header tells here.
        for (name, outcome) in [
            ("66e-broker-raw-wrongid", "acknowledged=0, failed=0, refused=1"),
            ("66f-broker-raw-badct", "acknowledged=0, failed=0, refused=1"),
        ] {
            let (response, expected) = replay(name).await;
            assert_eq!(response.body, expected.body, "{name}");
            assert_eq!(response.header("callboard-event"), Some(outcome), "{name}");
        }
        assert_eq!(house.diary.lines(), Vec::<String>::new(), "nobody was disturbed");
        replay("66a-broker-raw-ok").await;
        house.diary.has("raw1 0 from a script by nobody").await;
        stop(&[&server]).await;
    }
    // Another path is no inbox; today's takes any path for one, which is a quirk.
    let house = House::default();
    let (server, _) = listener(&house, None).await;
    let mut raw = Raw::connect(&server).await;
    assert_eq!(raw.ask(capture("2016/66g-broker-raw-badpath.req.bin")).await.code, 404);
    stop(&[&server]).await;
}

/// What a publisher finds of the subscribers that were recorded.
async fn announce(house: &House, generation: &str, peer: &Peer) {
    let id = match generation {
        "2016" => {
            "broker-cacf9147-e667-11f1-b292-77445d5cd61c.cad0f286-e667-11f1-b292-77445d5cd61c"
        }
        _ => "gm.topic-c4c0b829-921f-46ca-ae7d-cd25ec8a2069",
    };
    // As the registry of Consul reads what Go Micro writes.
    let (scheme, service) = match generation {
        "2016" => ("mucp-2016", "topic:gm.topic"),
        _ => ("mucp", "micro.http.broker"),
    };
    let mut node = NodeInfo::new(id, peer.address(scheme, service)).label("secure", "false");
    if generation == "current" {
        node = node.label("broker", "http").label("topic", "gm.topic");
    }
    let record = Service::new(service, BROADCAST).node(node);
    house.registry.register(record, Duration::from_secs(60)).await.expect("it is free");
}

fn json(body: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(body).expect("it is JSON");
    // New for each event.
    if let Some(id) = value["Header"].get_mut("Micro-ID") {
        *id = Value::Null;
    }
    value
}

#[actix::test]
async fn subscribers_of_both_generations_are_sent_what_their_own_publishers_send() {
    for generation in ["2016", "current"] {
        let house = House::default();
        let name = format!("{generation}/63-broker-publish-protobuf");
        let peer = Peer::replay([&name, &name]).await;
        announce(&house, generation, &peer).await;
        let client = house.system("client").configure(|config| config.broker = BrokerKind::Http);
        let client = start(client).await;
        let sent = capture(&format!("{name}.req.bin"));
        let (head, body) = split(&sent);
        let event = decoded(&json(body)["Body"]);
        let publishing = client.publish(&event).codec(Codec::Protobuf);
        let told = within(LONG, publishing).await.unwrap();
        assert_eq!(told, Published { acknowledged: 1, ..Published::default() });
        let received = peer.received(0).await;
        assert_eq!(received.head.lines().next(), head.lines().next());
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(json(&received.body), json(body));
        // On the same connection.
        within(LONG, client.publish(&event).codec(Codec::Protobuf)).await.unwrap();
        assert_eq!(peer.connections(), 1);
        stop(&[&client]).await;
    }
}

/// The event of the recordings, of somebody who does not think of Go Micro.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
struct Plain {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    #[prost(string, tag = "3")]
    message: String,
}

impl Topic for Plain {
    const NAME: &'static str = "gm.topic";

    fn protobuf() -> Option<ProtobufEvent<Self>> {
        Some(by_prost())
    }
}

/// The same, which nobody can write in protobuf.
#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "gm.topic")]
struct Bare {
    id: String,
    message: String,
}

#[actix::test]
async fn subscribers_get_what_their_own_publishers_send_by_default() {
    let acknowledged = Published { acknowledged: 1, ..Published::default() };
    for generation in ["2016", "current"] {
        let house = House::default();
        let name = format!("{generation}/61-broker-publish-default");
        let peer = Peer::replay([&name, &name]).await;
        announce(&house, generation, &peer).await;
        let client = house.system("client").configure(|config| config.broker = BrokerKind::Http);
        let client = start(client).await;
        let sent = capture(&format!("{name}.req.bin"));
        let expected = json(split(&sent).1);
        let timestamp = if generation == "2016" { decoded(&expected["Body"]).timestamp } else { 7 };
        let event = Plain { id: "1".into(), timestamp, message: "event 1".into() };
        assert_eq!(within(LONG, client.publish(&event)).await.unwrap(), acknowledged);
        let received = json(&peer.received(0).await.body);
        assert_eq!(received["Header"], expected["Header"], "{generation}");
        if generation == "2016" {
            assert_eq!(received["Body"], expected["Body"]);
        } else {
            // Where Go Micro writes a text for the number.
            let body: Value = serde_json::from_slice(&body(&received)).unwrap();
            assert_eq!(body, serde_json::json!({"id": "1", "timestamp": 7, "message": "event 1"}));
        }
        let event = Bare { id: "1".into(), message: "event 1".into() };
        assert_eq!(within(LONG, client.publish(&event)).await.unwrap(), acknowledged);
        let received = json(&peer.received(1).await.body);
        assert_eq!(received["Header"]["Content-Type"], "application/json", "{generation}");
        let body: Value = serde_json::from_slice(&body(&received)).unwrap();
        assert_eq!(body, serde_json::json!({"id": "1", "message": "event 1"}));
        stop(&[&client]).await;
    }
}

fn split(request: &[u8]) -> (String, &[u8]) {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&request[..end]).into_owned(), &request[end..])
}

fn decoded(body: &Value) -> Noted {
    prost::Message::decode(&bytes(body)[..]).expect("it is an event")
}

fn body(envelope: &Value) -> Vec<u8> {
    bytes(&envelope["Body"])
}

fn bytes(text: &Value) -> Vec<u8> {
    use base64::Engine;
    let text = text.as_str().expect("it is text");
    base64::engine::general_purpose::STANDARD.decode(text).expect("it is base64")
}

#[actix::test]
async fn nodes_with_different_brokers_share_a_topic() {
    let house = House::default();
    let (over_http, _) = listener(&house, Some("workers")).await;
    let diary = house.diary.clone();
    let direct = house
        .system("listener")
        .handler(move || Listener(diary.clone()), |h| h.event::<Noted>().group("workers"));
    let direct = start(direct).await;
    let client = house.system("client").configure(|config| config.broker = BrokerKind::Http);
    // The type reads numbers as text too, which only codecs that tell them apart can.
    let client = start(client.client_codec(Codec::Json)).await;
    let topic = Arc::new(client.topic::<Noted>());
    let one = Published { acknowledged: 1, ..Published::default() };
    eventually(async || {
        let event = Noted { id: "first".into(), ..Noted::default() };
        topic.publish(&event).await.is_ok_and(|told| told == one)
    })
    .await;
    let before = house.diary.lines().len();
    for number in 0..40 {
        let event = Noted { id: number.to_string(), ..Noted::default() };
        assert_eq!(within(LONG, topic.publish(&event)).await.unwrap(), one);
    }
    assert_eq!(house.diary.lines().len(), before + 40, "each once");
    stop(&[&over_http]).await;
    let event = Noted { id: "last".into(), ..Noted::default() };
    assert_eq!(within(LONG, topic.publish(&event)).await.unwrap(), one, "the other one takes it");
    stop(&[&direct, &client]).await;
}
