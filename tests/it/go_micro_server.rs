//! Go Micro's clients, of 2016 and of today, against a node: what they sent, recorded byte for
//! byte, is answered as their own servers answered it.
//!
//! `tests/captures/README.md` lists every recording and who uses it.

use std::collections::BTreeMap;

use bytes::BytesMut;
use callboard::codec::ProtobufCodec;
use callboard::prelude::*;

use crate::raw::{Raw, Response, capture};
use crate::stage::{House, LONG, start, stop, within};

#[actix::test]
async fn calls_of_2016_are_answered_as_by_its_own_server() {
    let server = greeter().await;
    for name in [
        "01-unary-json",
        "02-unary-json-rpc",
        "03-unary-protobuf",
        "04-unary-proto-rpc",
        "05-unary-octet-stream",
        "06-unary-metadata",
        "06a-unary-from-service",
        "07-meta-echo-json",
        "08-error-json",
        "09-error-proto",
        "12-unknown-service-json",
        "13-unknown-method-json",
        "14-unknown-service-proto",
        "15-unknown-method-proto",
        "16-illformed-method-json",
        "17-illformed-method2-json",
        "28-pooled-3-calls",
        "29-unpooled-3-calls.conn1",
        "32-empty-proto",
        "40-raw-minimal",
        "41-raw-two-requests-one-conn",
        "42-raw-unsupported-content-type",
        "48-raw-no-id",
        "50-raw-chunked",
        "52-raw-pipelined",
        "53-raw-http10",
        "57-raw-extra-params",
        "59-raw-proto-no-seq",
        "61-raw-bad-timeout",
    ] {
        replay(&server, &format!("2016/{name}")).await;
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn calls_of_today_are_answered_as_by_its_own_server() {
    let server = greeter().await;
    for name in [
        "01-unary-json",
        "02-unary-json-rpc",
        "03-unary-protobuf",
        "04-unary-proto-rpc",
        "06-unary-metadata",
        "06a-unary-discovery",
        "08-error-json",
        "09-error-proto",
        "12-unknown-service-json",
        "13-unknown-method-json",
        "16-illformed-method-json",
        "28-pooled-3-calls",
        "29-conn-close.conn1",
        "32-empty-proto",
        "40-raw-minimal",
        "40b-raw-method-only",
        "40c-raw-x-headers",
        "41-raw-two-requests-one-conn",
        "42-raw-unsupported-content-type",
        "51-raw-connection-close",
        "54-raw-empty-body-json",
    ] {
        replay(&server, &format!("current/{name}")).await;
    }
    stop(&[&server]).await;
}

/// Where Go Micro closes the connection, or hides what it knows, there is an answer; the client of
/// 2016 takes it for an error like any other.
#[actix::test]
async fn what_go_micro_leaves_unanswered_is_answered() {
    let server = greeter().await;
    for (name, error) in [
        ("2016/10-error-plain-json", "plain error"),
        ("2016/11-error-plain-proto", "plain error"),
        ("2016/18-panic", "the handler panicked"),
        ("2016/45-raw-malformed-json", "not a JSON-RPC message"),
        ("2016/46-raw-params-wrong-type", "invalid type"),
        ("2016/47-raw-params-object", "params must be an array"),
        ("2016/54-raw-empty-body-json", "not a JSON-RPC message"),
        ("2016/55-raw-null-params", "params must be an array"),
        ("2016/56-raw-missing-params", "params must be an array"),
        ("2016/58-raw-proto-short", "bytes was announced"),
        ("2016/60-raw-proto-no-body", "bytes was announced"),
        ("current/10-error-plain-json", "plain error"),
        ("current/10b-error-json-rpc", "bad thing"),
        ("current/11-error-proto-rpc", "bad thing"),
        ("current/18-panic", "the handler panicked"),
        ("current/43-raw-no-content-type", "application/protobuf: "),
        ("current/45-raw-malformed-json", "application/json: "),
        ("current/46-raw-wrong-type", "application/json: "),
    ] {
        let mut raw = Raw::connect(&server).await;
        let response = raw.ask(capture(&format!("{name}.req.bin"))).await;
        assert_eq!(response.code, 200, "{name}");
        let told = match response.header("micro-error") {
            Some(text) => text.to_owned(),
            None => response.text(),
        };
        assert!(told.contains(error), "{name}: {told}");
        // Those of 2016 go on with the connection when they like.
        raw.send(capture("2016/01-unary-json.req.bin")).await;
        assert!(raw.receive().await.unwrap().text().contains("Hello John"), "{name}");
    }
    stop(&[&server]).await;
}

/// A charset and an id of any kind are accepted, though each generation refuses one of them.
#[actix::test]
async fn what_only_one_generation_accepts_is_accepted_of_both() {
    let server = greeter().await;
    for (name, body) in [
        ("2016/44-raw-content-type-charset", "Hello raw"),
        ("current/44-raw-content-type-charset", "Hello raw"),
        (
            "current/40d-raw-legacy-2016",
            "{\"id\":7,\"result\":{\"greeting\":\"Hello old\"},\"error\":null}",
        ),
        ("current/47-raw-unknown-field", "Hello"),
        ("cross/A-client-to-B-server-json", "{\"id\":0,\"result\":{\"greeting\":\"Hello"),
    ] {
        let mut raw = Raw::connect(&server).await;
        let response = raw.ask(capture(&format!("{name}.req.bin"))).await;
        assert!(response.text().contains(body), "{name}: {}", response.text());
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn the_time_that_go_micro_sends_is_heeded() {
    let server = greeter().await;
    for name in ["2016/19-timeout", "current/19-timeout"] {
        let mut raw = Raw::connect(&server).await;
        let response = within(LONG, raw.ask(capture(&format!("{name}.req.bin")))).await;
        let told = response.header("micro-error").map_or_else(|| response.text(), str::to_owned);
        assert!(told.contains("408"), "{name}: {told}");
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn our_own_client_calls_a_node_over_either_of_go_micros_wires() {
    let house = House::default();
    let server = greeter().await;
    let client = house.client().await;
    let port = server.node().address.clone();
    for scheme in ["mucp", "mucp-2016"] {
        for codec in [callboard::codec::Codec::Json, callboard::codec::Codec::Protobuf] {
            let service = client.service("gm.greeter");
            let address = format!("{scheme}:{port}/gm.greeter");
            let hello = service.send(Hello { name: "John".into() }).codec(codec).node(&address);
            assert_eq!(hello.await.unwrap().greeting, "Hello John", "{scheme} {codec}");
            let failing = Fail { code: 400, id: "gm.fail".into(), detail: "bad <thing>".into() };
            let error = service.send(failing).codec(codec).node(&address).await.unwrap_err();
            let callboard::CallError::Status(status) = error else { panic!("{error:?}") };
            assert_eq!(
                (&*status.id, status.code, &*status.detail),
                ("gm.fail", 400, "bad <thing>")
            );
        }
        let unknown = client.service("gm.greeter").send(Nope).codec(callboard::codec::Codec::Json);
        let error = unknown.node(format!("{scheme}:{port}/x")).await.unwrap_err();
        assert!(matches!(error, callboard::CallError::UnknownEndpoint { .. }), "{error:?}");
    }
    stop(&[&client, &server]).await;
}

// ===== The service that was recorded =====

#[derive(Serialize, Deserialize, PartialEq, prost::Message)]
struct Hello {
    #[prost(string, tag = "1")]
    #[serde(default)]
    name: String,
}

#[derive(Serialize, Deserialize, PartialEq, prost::Message)]
struct HelloReply {
    #[prost(string, tag = "1")]
    greeting: String,
}

impl callboard::Endpoint for Hello {
    type Reply = HelloReply;
    const NAME: &'static str = "Greeter.Hello";

    fn protobuf() -> Option<ProtobufCodec<Self>> {
        Some(messages())
    }
}

#[derive(Serialize, Deserialize, PartialEq, prost::Message)]
struct Fail {
    #[prost(int32, tag = "1")]
    #[serde(default)]
    code: i32,
    #[prost(string, tag = "2")]
    #[serde(default)]
    id: String,
    #[prost(string, tag = "3")]
    #[serde(default)]
    detail: String,
}

impl callboard::Endpoint for Fail {
    type Reply = Empty;
    const NAME: &'static str = "Greeter.Fail";

    fn protobuf() -> Option<ProtobufCodec<Self>> {
        Some(messages())
    }
}

/// Answers a message without fields.
#[derive(Serialize, Deserialize, PartialEq, prost::Message)]
struct Empty {}

/// Stands for a message of many fields; those that were recorded are all empty.
#[derive(Serialize, Deserialize, PartialEq, prost::Message)]
struct Kitchen {}

impl callboard::Endpoint for Kitchen {
    type Reply = Empty;
    const NAME: &'static str = "Greeter.Kitchen";

    fn protobuf() -> Option<ProtobufCodec<Self>> {
        Some(messages())
    }
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Meta", reply = MetaReply)]
struct Meta {}

#[derive(Debug, Serialize, Deserialize)]
struct MetaReply {
    md: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Slow", reply = ())]
struct Slow {}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Panic", reply = ())]
struct Panic {}

/// Nobody answers it.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Nope", reply = ())]
struct Nope;

struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(HelloReply { greeting: format!("Hello {}", request.name) })
    }
}

impl Handler<Request<Fail>> for Greeter {
    type Result = Reply<Fail>;

    fn handle(&mut self, request: Request<Fail>, _: &mut Context<Self>) -> Reply<Fail> {
        let Fail { code, id, detail } = request.into_inner();
        Err(Status::new(id, u16::try_from(code).unwrap_or(500), detail))
    }
}

impl Handler<Request<Kitchen>> for Greeter {
    type Result = Reply<Kitchen>;

    fn handle(&mut self, _: Request<Kitchen>, _: &mut Context<Self>) -> Reply<Kitchen> {
        Ok(Empty {})
    }
}

impl Handler<Request<Meta>> for Greeter {
    type Result = Reply<Meta>;

    fn handle(&mut self, request: Request<Meta>, _: &mut Context<Self>) -> Reply<Meta> {
        let pairs = request.metadata().iter();
        Ok(MetaReply { md: pairs.map(|(name, value)| (name.into(), value.into())).collect() })
    }
}

impl Handler<Request<Slow>> for Greeter {
    type Result = ResponseFuture<Reply<Slow>>;

    fn handle(&mut self, _: Request<Slow>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

impl Handler<Request<Panic>> for Greeter {
    type Result = Reply<Panic>;

    fn handle(&mut self, _: Request<Panic>, _: &mut Context<Self>) -> Reply<Panic> {
        panic!("as it was asked to");
    }
}

async fn greeter() -> ServiceSystem {
    let builder = House::default().system("gm.greeter").handler(
        || Greeter,
        |h| {
            let h = h.request::<Hello>().request::<Fail>().request::<Kitchen>();
            h.request::<Meta>().request::<Slow>().request::<Panic>()
        },
    );
    start(builder).await
}

fn put<M: prost::Message>(message: &M, buffer: &mut BytesMut) {
    message.encode(buffer).expect("a buffer grows");
}

fn take<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, String> {
    M::decode(bytes).map_err(|error| error.to_string())
}

fn messages<T>() -> ProtobufCodec<T>
where
    T: callboard::Endpoint + prost::Message + Default,
    T::Reply: prost::Message + Default,
{
    let (encode_request, decode_request) = (put::<T> as _, take::<T> as _);
    ProtobufCodec { encode_request, decode_request, encode_reply: put, decode_reply: take }
}

// ===== Recordings =====

/// Sends what a client sent and compares what it got: bodies, content types and errors. Other
/// headers are a copy of the request's there, which is a quirk.
async fn replay(server: &ServiceSystem, name: &str) {
    let mut raw = Raw::connect(server).await;
    raw.send(capture(&format!("{name}.req.bin"))).await;
    let answers = capture(&format!("{name}.rsp.bin"));
    let mut rest = &answers[..];
    assert!(!rest.is_empty(), "{name} has no answer");
    while let Some((expected, length)) = Response::parse(rest) {
        rest = &rest[length..];
        let response = raw.receive().await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(response.code, expected.code, "{name}");
        assert_eq!(response.text(), expected.text(), "{name}");
        for header in ["content-type", "micro-error", "x-micro-error"] {
            assert_eq!(response.header(header), expected.header(header), "{name}: {header}");
        }
        if response.header("connection") == Some("close") {
            return;
        }
    }
    assert!(rest.is_empty(), "{name} ends with half an answer");
}
