//! BSON-RPC at the HTTP door: what the plugin of Go Micro sends, byte for byte as its source writes
//! it, is answered in an envelope that it reads.

#[cfg(feature = "bson")]
mod golden;
#[cfg(feature = "bson")]
mod streams;

use callboard::codec::bson_rpc::decode_response;
use callboard::codec::{Codec, ResponseEnvelope};
use callboard::prelude::*;

#[cfg(feature = "bson")]
use crate::go_micro_client::peer::Peer;
use crate::raw::{Raw, Response};
use crate::stage::{House, LONG, start, stop, within};

/// Go's structs are written with the names of their fields.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = HelloResponse)]
struct HelloRequest {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Age")]
    age: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct HelloResponse {
    #[serde(rename = "Greeting")]
    greeting: String,
}

struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<HelloRequest>> for Greeter {
    type Result = Reply<HelloRequest>;

    fn handle(
        &mut self,
        request: Request<HelloRequest>,
        _: &mut Context<Self>,
    ) -> Reply<HelloRequest> {
        if request.age > 150 {
            return Err(Status::conflict("greeter", "too old"));
        }
        Ok(HelloResponse { greeting: format!("Hello {} ({})", request.name, request.age) })
    }
}

async fn greeter() -> ServiceSystem {
    let system = House::default().system("greeter");
    start(system.handler(|| Greeter, |h| h.request::<HelloRequest>())).await
}

/// A document as Vitess writes it: texts as binary.
fn document(elements: &[u8]) -> Vec<u8> {
    let length = i32::try_from(elements.len() + 5).expect("it is small");
    [&length.to_le_bytes(), elements, b"\0"].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = i32::try_from(value.len()).expect("it is small").to_le_bytes();
    [b"\x05", name.as_bytes(), b"\0", &length, b"\0", value.as_bytes()].concat()
}

/// An unsigned integer, for which Vitess has a type of its own.
fn unsigned(name: &str, value: u64) -> Vec<u8> {
    [b"\x3F", name.as_bytes(), b"\0", &value.to_le_bytes()].concat()
}

/// The header of 2016 numbers requests, that of today names them.
fn header(method: &str, is_early: bool) -> Vec<u8> {
    let seq = if is_early { unsigned("Seq", 7) } else { text("Seq", "7") };
    document(&[text("ServiceMethod", method), seq].concat())
}

fn hello(age: u64) -> Vec<u8> {
    document(&[text("Name", "John"), unsigned("Age", age)].concat())
}

/// A request of 2016, or of today, whose headers say what is called.
fn request(content_type: &str, is_early: bool, body: &[u8]) -> Vec<u8> {
    let names = if is_early { "" } else { "Micro-Service: greeter\r\n" };
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\n{names}Content-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn opened(response: &Response) -> ResponseEnvelope {
    assert_eq!(response.code, 200, "{}", response.head);
    decode_response(&response.body.clone().into()).expect("it is an envelope")
}

#[actix::test]
async fn a_call_is_answered_under_every_name_of_the_codec() {
    let server = greeter().await;
    let mut raw = within(LONG, Raw::connect(&server)).await;
    for content_type in ["application/bson", "application/bson-rpc", "application/bsonrpc"] {
        for is_early in [true, false] {
            let body = [header("Greeter.Hello", is_early), hello(42)].concat();
            let response = raw.ask(request(content_type, is_early, &body)).await;
            assert_eq!(response.header("content-type"), Some(content_type));
            let reply = opened(&response);
            let Some(bson) = Codec::named("application/bson") else {
                let error = reply.error.expect("nothing is answered without the codec");
                assert!(error.contains("does not know this content type"), "{error}");
                continue;
            };
            assert_eq!(reply.error, None);
            let reply: HelloResponse = bson.decode(&reply.body).expect("it is the reply");
            assert_eq!(reply.greeting, "Hello John (42)");
            // Its number comes back as it was.
            let seq = if is_early { unsigned("Seq", 7) } else { text("Seq", "7") };
            assert!(response.body.windows(seq.len()).any(|window| window == seq));
        }
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn what_goes_wrong_is_told_in_the_envelope_and_the_connection_lives_on() {
    let server = greeter().await;
    let mut raw = within(LONG, Raw::connect(&server)).await;
    let has_codec = Codec::named("application/bson").is_some();
    let expected = |text: &'static str| if has_codec { text } else { "content type" };
    let good = header("Greeter.Hello", true);
    let cases = [
        ([good.clone(), hello(200)].concat(), expected("too old")),
        ([header("Greeter.Nope", true), hello(1)].concat(), "can't find method Greeter.Nope"),
        ([header("Greeter", true), hello(1)].concat(), "ill-formed: Greeter"),
        ([good.clone(), document(&unsigned("Age", 1))].concat(), expected("Name")),
        ([good.clone(), b"\x09\0\0\0\0".to_vec()].concat(), expected("not a document")),
        (good, "nothing follows the header"),
        (b"\x09\0\0\0\0".to_vec(), "it has no header"),
        (Vec::new(), "it has no header"),
    ];
    for (body, text) in cases {
        let response = raw.ask(request("application/bson", true, &body)).await;
        let error = opened(&response).error.expect("it went wrong");
        assert!(error.contains(text), "{text}: {error}");
    }
    stop(&[&server]).await;
}

#[cfg(feature = "bson")]
#[actix::test]
async fn nodes_of_both_generations_are_called_in_it() {
    let server = greeter().await;
    let client = House::default().client().await;
    let greeter = client.service("greeter");
    let call = |age, scheme: &str| {
        let call = greeter.send(HelloRequest { name: "John".into(), age });
        let address = format!("{scheme}:{}/greeter", server.node().address);
        call.codec(callboard::codec::bson::BSON).node(address)
    };
    for scheme in ["mucp", "mucp-2016"] {
        let reply = within(LONG, call(42, scheme)).await.unwrap();
        assert_eq!(reply.greeting, "Hello John (42)");
        let error = within(LONG, call(200, scheme)).await.unwrap_err();
        assert_eq!(error.to_string(), "greeter: too old (409 Conflict)", "{scheme}");
    }
    stop(&[&client, &server]).await;
}

#[cfg(feature = "bson")]
#[actix::test]
async fn what_the_plugin_answers_is_understood_and_a_node_without_it_is_called_in_json() {
    let answer = |content_type: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let greeting = document(&text("Greeting", "Hello John"));
    for (scheme, is_early) in [("mucp", false), ("mucp-2016", true)] {
        let head = |error| {
            let seq = if is_early { unsigned("Seq", 0) } else { text("Seq", "0") };
            document(&[text("ServiceMethod", "Greeter.Hello"), seq, text("Error", error)].concat())
        };
        let fallback: &[u8] = if is_early {
            br#"{"result":{"Greeting":"in JSON"},"error":null,"id":0}"#
        } else {
            br#"{"Greeting":"in JSON"}"#
        };
        let peer = Peer::answering(vec![
            answer("application/bson", &[head(""), greeting.clone()].concat()),
            answer("application/bson", &[head("plain error"), document(b"")].concat()),
            answer("text/plain", b"Unsupported Content-Type: application/bson"),
            answer("application/json", fallback),
        ])
        .await;
        let system = House::default().system("client").client_codec(callboard::codec::bson::BSON);
        let client = start(system).await;
        let greeter = client.service("greeter");
        let call = || {
            let call = greeter.send(HelloRequest { name: "John".into(), age: 42 });
            call.node(peer.address(scheme, "greeter"))
        };
        assert_eq!(within(LONG, call()).await.unwrap().greeting, "Hello John");
        let sent = peer.received(0).await;
        assert!(sent.head.to_lowercase().contains("content-type: application/bson\r\n"));
        // As the BSON of Vitess reads it: a document for the header, and one for the message.
        let number: &[u8] =
            if is_early { b"\x12Seq\0\0\0\0\0\0\0\0\0" } else { b"\x02Seq\0\x02\0\0\x000\0" };
        assert!(sent.body.windows(number.len()).any(|it| it == number), "{:?}", sent.body);
        let method = b"\x02ServiceMethod\0\x0e\0\0\0Greeter.Hello\0";
        assert!(sent.body.windows(method.len()).any(|it| it == method), "{:?}", sent.body);
        let error = within(LONG, call()).await.unwrap_err();
        assert!(error.to_string().contains("plain error"), "{error}");
        assert_eq!(within(LONG, call()).await.unwrap().greeting, "in JSON");
        stop(&[&client]).await;
    }
}
