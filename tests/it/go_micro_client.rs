//! Calls to Go Micro's services: what is sent is what its own client sends, and what its services
//! answered is understood. The peer replays bytes that were recorded from real ones.

pub(crate) mod peer;
mod streams;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard::Metadata;
use callboard::actors::message::{Message, Outgoing, Refusal, RequestId, Route, RouteSlot};
use callboard::actors::transport::{Batch, Encoder, Hello, Socket, Transport, TransportError};
use callboard::transport::GoMicroTransport;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::time::timeout;

use self::peer::Peer;
use crate::raw::capture;

#[actix::test]
async fn a_call_is_what_the_present_go_micro_sends_and_understands() {
    let peer = Peer::replay(["current/01-unary-json"]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    let answer = client.call(0, "Greeter.Hello", JSON, "{\"name\":\"John\"}\n").await;
    assert_eq!(body(&answer), "{\"greeting\":\"Hello John\"}\n");
    peer.received(0).await.is_like(&capture("current/01-unary-json.req.bin"));
}

#[actix::test]
async fn a_protobuf_body_is_bare() {
    let peer = Peer::replay(["current/03-unary-protobuf"]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    let answer = client.call(0, "Greeter.Hello", PROTOBUF, "\n\u{4}John").await;
    assert_eq!(body(&answer), "\n\nHello John");
    peer.received(0).await.is_like(&capture("current/03-unary-protobuf.req.bin"));
}

#[actix::test]
async fn a_call_is_what_go_micro_of_2016_sends_and_understands() {
    let peer = Peer::replay(["2016/01-unary-json"]).await;
    let mut client = Client::connect(&peer.address("mucp-2016", "")).await;
    let answer = client.call(7, "Greeter.Hello", JSON, "{\"name\":\"John\"}").await;
    assert_eq!(body(&answer), "{\"greeting\":\"Hello John\"}");
    peer.received(0).await.is_like(&capture("2016/01-unary-json.req.bin"));
}

#[actix::test]
async fn a_protobuf_body_of_2016_is_in_its_envelope() {
    let peer = Peer::replay(["2016/03-unary-protobuf"]).await;
    let mut client = Client::connect(&peer.address("mucp-2016", "")).await;
    let answer = client.call(7, "Greeter.Hello", PROTOBUF, "\n\u{4}John").await;
    assert_eq!(body(&answer), "\n\nHello John");
    peer.received(0).await.is_like(&capture("2016/03-unary-protobuf.req.bin"));
}

#[actix::test]
async fn an_error_of_a_handler_arrives_as_its_status() {
    let captures = [
        ("mucp", "current/08-error-json", JSON),
        ("mucp", "current/09-error-proto", PROTOBUF),
        ("mucp-2016", "2016/08-error-json", JSON),
        ("mucp-2016", "2016/09-error-proto", PROTOBUF),
    ];
    for (scheme, capture, content_type) in captures {
        let peer = Peer::replay([capture]).await;
        let mut client = Client::connect(&peer.address(scheme, "gm.greeter")).await;
        let answer = client.call(0, "Greeter.Fail", content_type, "{}").await;
        let Message::Status { status, refusal: None, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((&*status.id, status.code), ("gm.greeter.fail", 400), "{capture}");
        assert_eq!((&*status.detail, &*status.status), ("bad thing", "Bad Request"), "{capture}");
    }
}

#[actix::test]
async fn an_error_without_a_code_is_the_handlers_failure() {
    for (scheme, capture) in
        [("mucp", "current/10-error-plain-json"), ("mucp-2016", "2016/10-error-plain-json")]
    {
        let peer = Peer::replay([capture]).await;
        let mut client = Client::connect(&peer.address(scheme, "gm.greeter")).await;
        let answer = client.call(0, "Greeter.Fail", JSON, "{}").await;
        let Message::Status { status, refusal: None, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((status.code, &*status.detail), (500, "plain error"), "{capture}");
    }
}

#[actix::test]
async fn what_was_not_called_is_told_apart() {
    let unknown = Refusal::UnknownEndpoint;
    let captures = [
        ("mucp", "current/12-unknown-service-json", unknown),
        ("mucp", "current/13-unknown-method-json", unknown),
        ("mucp", "current/16-illformed-method-json", unknown),
        ("mucp", "current/42-raw-unsupported-content-type", Refusal::UnknownContentType),
        ("mucp-2016", "2016/12-unknown-service-json", unknown),
        ("mucp-2016", "2016/13-unknown-method-json", unknown),
        ("mucp-2016", "2016/16-illformed-method-json", unknown),
        ("mucp-2016", "2016/42-raw-unsupported-content-type", Refusal::UnknownContentType),
    ];
    for (scheme, capture, expected) in captures {
        let peer = Peer::replay([capture]).await;
        let mut client = Client::connect(&peer.address(scheme, "gm.greeter")).await;
        let answer = client.call(0, "Greeter.Nope", JSON, "{}").await;
        let Message::Status { refusal, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(refusal, Some(expected), "{capture}");
    }
}

#[actix::test]
async fn calls_one_after_the_other_share_a_connection() {
    let peer = Peer::replay(["current/01-unary-json"; 3]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    for id in 0..3 {
        let answer = client.call(id, "Greeter.Hello", JSON, "{}").await;
        assert_eq!(body(&answer), "{\"greeting\":\"Hello John\"}\n");
    }
    assert_eq!(peer.connections(), 1);
}

#[actix::test]
async fn calls_at_once_have_a_connection_each() {
    let peer = Peer::replay(["current/01-unary-json"; 2]).await;
    let held = peer.hold();
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    client.send(1, "Greeter.Hello", JSON, "{}").await;
    client.send(2, "Greeter.Hello", JSON, "{}").await;
    // Both have arrived before the first is answered.
    client.until(peer.received(1)).await;
    drop(held);
    let answers = [client.answer().await, client.answer().await];
    assert!(answers.iter().all(|answer| matches!(answer, Message::Reply { .. })), "{answers:?}");
    assert_eq!(peer.connections(), 2);
}

#[actix::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let peer = Peer::replay(["current/01-unary-json"; 2]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    client.call(1, "Greeter.Hello", JSON, "{}").await;
    peer.close_all().await;
    let answer = client.call(2, "Greeter.Hello", JSON, "{}").await;
    assert!(matches!(answer, Message::Reply { .. }), "{answer:?}");
    assert_eq!(peer.connections(), 2);
}

#[actix::test]
async fn a_call_whose_connection_breaks_may_have_been_executed_and_the_others_go_on() {
    // A panic of a handler of 2016 closes the connection without an answer.
    let peer = Peer::replay(["2016/18-panic", "2016/01-unary-json"]).await;
    let mut client = Client::connect(&peer.address("mucp-2016", "")).await;
    let answer = client.call(1, "Greeter.Panic", JSON, "{}").await;
    assert!(matches!(answer, Message::Lost { was_sent: true, .. }), "{answer:?}");
    let answer = client.call(2, "Greeter.Hello", JSON, "{}").await;
    assert!(matches!(answer, Message::Reply { .. }), "{answer:?}");
}

#[actix::test]
async fn a_node_that_has_gone_is_said_not_to_have_executed_anything() {
    let peer = Peer::replay(["current/01-unary-json"]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    client.call(1, "Greeter.Hello", JSON, "{}").await;
    peer.stop().await;
    let answer = client.call(2, "Greeter.Hello", JSON, "{}").await;
    assert!(matches!(answer, Message::Lost { was_sent: false, .. }), "{answer:?}");
}

#[actix::test]
async fn a_cancelled_call_closes_its_connection() {
    let peer = Peer::replay(["current/01-unary-json"; 2]).await;
    let held = peer.hold();
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    client.send(1, "Greeter.Hello", JSON, "{}").await;
    client.until(peer.received(0)).await;
    client.write(Outgoing::Cancel { id: RequestId(1) }).await;
    client.until(peer.closed(0)).await;
    drop(held);
    let answer = client.call(2, "Greeter.Hello", JSON, "{}").await;
    assert!(matches!(answer, Message::Reply { id: RequestId(2), .. }), "{answer:?}");
    assert_eq!(peer.connections(), 2);
}

#[actix::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let peer = Peer::replay(["current/07-meta-echo-json"]).await;
    let mut hello = Hello::new("", "client", 1);
    hello.max_frame = 100;
    let mut client = Client::greet(&peer.address("mucp", "gm.greeter"), hello).await;
    let answer = client.call(1, "Greeter.Hello", JSON, "{}").await;
    let Message::Lost { was_sent: true, reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("limit"), "{reason}");
}

#[actix::test]
async fn a_content_type_that_go_micro_does_not_know_is_not_sent() {
    let peer = Peer::replay([]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    let answer = client.call(1, "Greeter.Hello", "application/x-bincode", "").await;
    let Message::Status { status, refusal, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(refusal, Some(Refusal::UnknownContentType));
    assert!(status.detail.contains("application/json"), "{status}");
}

#[actix::test]
async fn metadata_travel_as_headers_and_do_not_frame_the_message() {
    let peer = Peer::replay(["current/01-unary-json"]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    client.metadata = Metadata::new()
        .with("X-Trace-Id", "1")
        .with("Content-Length", "7")
        .with("line", "one\r\ntwo")
        .with("no token", "dropped");
    client.call(1, "Greeter.Hello", JSON, "{}").await;
    let request = peer.received(0).await;
    assert_eq!(request.header("x-trace-id"), Some("1"));
    assert_eq!(request.header("content-length"), Some("2"));
    assert_eq!(request.header("line"), Some("one  two"));
    assert!(!request.head.contains("dropped"), "{}", request.head);
}

#[actix::test]
async fn a_node_that_does_not_listen_is_said_to_be_unreachable() {
    let peer = Peer::replay([]).await;
    let address = peer.address("mucp", "gm.greeter");
    peer.stop().await;
    let connected = GoMicroTransport::default().connect(&address, hello()).await;
    assert!(matches!(connected, Err(TransportError::Connect { .. })), "{connected:?}");
}

/// The client's end, driven by hand as the engine drives it.
struct Client {
    socket: Box<dyn Socket>,
    encoder: Box<dyn Encoder>,
    routes: Vec<Route>,
    metadata: Metadata,
}

impl Client {
    async fn connect(address: &str) -> Self {
        Self::greet(address, Hello::new("", "client", 1)).await
    }

    async fn greet(address: &str, hello: Hello) -> Self {
        let connecting = GoMicroTransport::default().connect(address, Arc::new(hello));
        let mut socket = timeout(LIMIT, connecting).await.expect("in time").expect("it listens");
        let encoder = socket.encoder();
        Self { socket, encoder, routes: Vec::new(), metadata: Metadata::new() }
    }

    async fn call(&mut self, id: u64, endpoint: &str, content_type: &str, body: &str) -> Message {
        self.send(id, endpoint, content_type, body).await;
        self.answer().await
    }

    async fn send(&mut self, id: u64, endpoint: &str, content_type: &str, body: &str) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let time_left = Some(Duration::from_secs(5));
        self.request(id, (endpoint, content_type), (body, time_left), false).await;
    }

    async fn request(
        &mut self,
        id: u64,
        (endpoint, content_type): (&str, &str),
        (body, time_left): (Bytes, Option<Duration>),
        stream: bool,
    ) {
        let route = Route { endpoint: endpoint.into(), content_type: content_type.into() };
        let known = self.routes.iter().position(|other| *other == route);
        let slot = known.unwrap_or(self.routes.len());
        let metadata = self.metadata.clone();
        self.write(Outgoing::Request {
            id: RequestId(id),
            one_way: false,
            stream,
            route: RouteSlot(u32::try_from(slot).expect("few")),
            define: known.is_none().then_some(&route),
            time_left,
            metadata: &metadata,
            body: &body,
        })
        .await;
        if known.is_none() {
            self.routes.push(route);
        }
    }

    async fn write(&mut self, message: Outgoing<'_>) {
        self.encoder.encode(message).expect("it is within limits");
        let mut batch = Batch { bytes: BytesMut::new(), messages: Vec::new() };
        self.encoder.take(&mut batch);
        poll_fn(|cx| self.socket.poll_write(cx, &mut batch)).await.expect("it lives");
    }

    async fn answer(&mut self) -> Message {
        let mut messages = Vec::new();
        let read = poll_fn(|cx| self.socket.poll_read(cx, &mut messages));
        timeout(LIMIT, read).await.expect("in time").expect("it lives");
        assert_eq!(messages.len(), 1, "one at a time is the default");
        messages.remove(0)
    }

    /// Waits for something while the socket moves, which must not answer meanwhile.
    async fn until<T>(&mut self, event: impl Future<Output = T>) -> T {
        tokio::select! {
            answer = self.answer() => panic!("nothing is due, but {answer:?} came"),
            event = event => event,
        }
    }
}

fn hello() -> Arc<Hello> {
    Arc::new(Hello::new("", "client", 1))
}

fn body(message: &Message) -> &str {
    let Message::Reply { body, .. } = message else { panic!("{message:?}") };
    std::str::from_utf8(body).expect("these bodies are text")
}

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/protobuf";

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(10);
