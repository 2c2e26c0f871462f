//! A service whose types were generated, over every codec that its types know.

use callboard::CallError;
use callboard::codec::{Codec, Proto};
use callboard::prelude::*;
use callboard::registry::MemoryRegistry;
use callboard_stub_tests::gm;
use callboard_stub_tests::gm::greeter_service::{
    self, Chat, Collect, Count, Fail, GreeterClient, Hello, Kitchen,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(gm::HelloResponse { greeting: format!("Hello {}", request.name) }.into())
    }
}

impl Handler<Request<Kitchen>> for Greeter {
    type Result = Reply<Kitchen>;

    fn handle(&mut self, request: Request<Kitchen>, _: &mut Context<Self>) -> Reply<Kitchen> {
        Ok(request.into_inner().0)
    }
}

impl Handler<Request<Fail>> for Greeter {
    type Result = Reply<Fail>;

    fn handle(&mut self, request: Request<Fail>, _: &mut Context<Self>) -> Reply<Fail> {
        let code = u16::try_from(request.code).unwrap_or(500);
        Err(Status::new(&request.id, code, &request.detail))
    }
}

impl Handler<Streaming<Count>> for Greeter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Count>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for seq in 1..=stream.seq {
                stream.send(message(seq, "item").into()).await?;
            }
            if stream.text == "fail" {
                return Err(Status::new("gm.greeter.Count", 400, "stream failed on purpose"));
            }
            Ok(())
        })
    }
}

impl Handler<Streaming<Collect>> for Greeter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Collect>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            let mut sum = 0;
            while let Some(item) = stream.recv().await? {
                sum += item.seq;
            }
            stream.send(message(sum, "sum").into()).await
        })
    }
}

impl Handler<Streaming<Chat>> for Greeter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Chat>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(item) = stream.recv().await? {
                stream.send(message(item.seq, &format!("echo {}", item.text)).into()).await?;
            }
            Ok(())
        })
    }
}

fn message(seq: i64, text: &str) -> gm::StreamMsg {
    gm::StreamMsg { seq, text: text.to_owned() }
}

/// A message with a field of every kind.
fn kitchen() -> gm::Kitchen {
    gm::Kitchen {
        i64: -9_007_199_254_740_993,
        u64: u64::MAX,
        i32: -5,
        dbl: 1.5,
        flag: true,
        raw: vec![0, 255],
        color: gm::Color::Blue.into(),
        inner_msg: Some(gm::Inner { inner_name: "inner".into(), big: 1 << 60 }),
        inners: vec![gm::Inner::default(), gm::Inner { inner_name: "two".into(), big: -1 }],
        nums: vec![1, -2, 3],
        labels: [("a".to_owned(), "b".to_owned())].into(),
        snake_case_name: "snake".into(),
    }
}

async fn start() -> (ServiceSystem, ServiceSystem) {
    let registry = MemoryRegistry::new();
    let system = |name: &str| {
        let system = ServiceSystem::new(name).without_environment().registry(registry.clone());
        system.configure(|config| config.settle_time = std::time::Duration::from_millis(10))
    };
    let server = system("gm.greeter").handler(|| Greeter, greeter_service::endpoints);
    let server = server.start().await.expect("it starts");
    (server, system("client").start().await.expect("it starts"))
}

#[actix_rt::test]
async fn the_client_calls_by_the_methods_names() {
    let (server, client) = start().await;
    let greeter = GreeterClient::new(&client, "gm.greeter");
    let reply = greeter.hello(gm::HelloRequest { name: "John".into() }).await.unwrap();
    assert_eq!(reply.greeting, "Hello John");
    let failing = gm::FailRequest { code: 409, id: "gm.fail".into(), detail: "no".into() };
    let error = greeter.fail(failing).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == 409), "{error:?}");
    for system in [client, server] {
        system.stop().await;
    }
}

#[actix_rt::test]
async fn fields_of_every_kind_survive_every_codec() {
    let (server, client) = start().await;
    let greeter = GreeterClient::new(&client, "gm.greeter");
    for codec in [Codec::Bincode, Codec::Json, Codec::Protobuf] {
        let reply = greeter.kitchen(kitchen()).codec(codec).await.unwrap();
        assert_eq!(reply.into_inner(), kitchen(), "{codec}");
        let reply = greeter.kitchen(gm::Kitchen::default()).codec(codec).await.unwrap();
        assert_eq!(reply.into_inner(), gm::Kitchen::default(), "{codec}");
    }
    for system in [client, server] {
        system.stop().await;
    }
}

#[actix_rt::test]
async fn streams_of_all_three_kinds_are_opened_by_the_methods_names_in_every_codec() {
    let (server, client) = start().await;
    let greeter = GreeterClient::new(&client, "gm.greeter");
    for codec in [Codec::Bincode, Codec::Json, Codec::Protobuf] {
        let mut items = greeter.count(message(3, "")).codec(codec).await.unwrap();
        for seq in 1..=3 {
            assert_eq!(items.recv().await.unwrap().unwrap().into_inner(), message(seq, "item"));
        }
        assert_eq!(items.recv().await.unwrap(), None);

        let mut collect = greeter.collect().codec(codec).await.unwrap();
        for seq in 1..=3 {
            collect.send(message(seq, "").into()).await.unwrap();
        }
        collect.close().await;
        assert_eq!(collect.recv().await.unwrap().unwrap().into_inner(), message(6, "sum"));

        let mut chat = greeter.chat().codec(codec).await.unwrap();
        chat.send(message(1, "m1").into()).await.unwrap();
        assert_eq!(chat.recv().await.unwrap().unwrap().into_inner(), message(1, "echo m1"));
        chat.close().await;
        assert_eq!(chat.recv().await.unwrap(), None);
    }
    for system in [client, server] {
        system.stop().await;
    }
}

#[test]
fn json_is_that_of_proto3() {
    let json = serde_json::to_value(Proto(kitchen())).unwrap();
    assert_eq!(json["i64"], "-9007199254740993");
    assert_eq!(json["raw"], "AP8=");
    assert_eq!(json["color"], "BLUE");
    assert_eq!(json["innerMsg"]["innerName"], "inner");
    assert_eq!(json["snakeCaseName"], "snake");
    assert_eq!(serde_json::to_string(&Proto(gm::Kitchen::default())).unwrap(), "{}");
    // What other writers may send: numbers, names as in the file, fields from the future.
    let text = r#"{"i64":7,"snake_case_name":"x","color":1,"future":{"a":1}}"#;
    let read: Proto<gm::Kitchen> = serde_json::from_str(text).unwrap();
    let expected =
        gm::Kitchen { i64: 7, snake_case_name: "x".into(), color: 1, ..Default::default() };
    assert_eq!(read.into_inner(), expected);
}

#[test]
fn types_from_elsewhere_and_fields_that_may_be_missing_are_generated() {
    use callboard_stub_tests::notes::{Note, note};

    let empty = serde_json::to_string(&Proto(Note::default())).unwrap();
    assert_eq!(empty, "{}");
    let text =
        r#"{"at":"1970-01-01T00:00:07+00:00","inner":{"innerName":"x"},"flag":false,"number":"9"}"#;
    let read: Proto<Note> = serde_json::from_str(text).unwrap();
    assert_eq!(read.at.as_ref().unwrap().seconds, 7);
    assert_eq!((read.kind.clone(), read.flag), (Some(note::Kind::Number(9)), Some(false)));
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn endpoints_have_the_names_of_the_file() {
    assert_eq!((Hello::NAME, Kitchen::NAME), ("Greeter.Hello", "Greeter.Kitchen"));
}

/// Recorded from Go Micro's client of today, whose server answered with the same bytes.
#[actix_rt::test]
async fn go_micros_messages_are_understood_and_answered_alike() {
    let (server, client) = start().await;
    for name in [
        "current/30-kitchen-json",
        "current/31-kitchen-proto",
        "current/32-empty-json",
        "2016/31-kitchen-proto",
    ] {
        let mut stream = TcpStream::connect(&server.node().address).await.unwrap();
        stream.write_all(&capture(&format!("{name}.req.bin"))).await.unwrap();
        let expected = capture(&format!("{name}.rsp.bin"));
        let expected = body(&expected);
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            let read = stream.read_buf(&mut answer);
            assert!(tokio::time::timeout(LIMIT, read).await.unwrap().unwrap() > 0, "{name}");
        }
        if name.contains("json") {
            let json = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            assert_eq!(json(body(&answer)), json(expected), "{name}");
        } else {
            assert_eq!(body(&answer), expected, "{name}");
        }
    }
    for system in [client, server] {
        system.stop().await;
    }
}

/// Recorded from Go Micro's client of 2016, whose server answered with the same bytes.
#[actix_rt::test]
async fn go_micros_streams_are_answered_alike() {
    let (server, client) = start().await;
    for name in ["2016/21-server-stream-proto", "2016/26-stream-handler-error-proto"] {
        let mut stream = TcpStream::connect(&server.node().address).await.unwrap();
        stream.write_all(&capture(&format!("{name}.req.bin"))).await.unwrap();
        let expected = capture(&format!("{name}.rsp.bin"));
        let expected = bodies(&expected);
        let mut answer = Vec::new();
        while !answer.ends_with(expected[expected.len() - 1]) {
            let read = stream.read_buf(&mut answer);
            assert!(tokio::time::timeout(LIMIT, read).await.unwrap().unwrap() > 0, "{name}");
        }
        assert_eq!(bodies(&answer), expected, "{name}");
    }
    for system in [client, server] {
        system.stop().await;
    }
}

#[actix_rt::test]
async fn streams_of_all_three_kinds_go_over_either_of_go_micros_wires() {
    let (server, client) = start().await;
    let greeter = GreeterClient::new(&client, "gm.greeter");
    for (scheme, codec) in [
        ("mucp", Codec::Json),
        ("mucp", Codec::Protobuf),
        ("mucp-2016", Codec::Json),
        ("mucp-2016", Codec::Protobuf),
    ] {
        let node = format!("{scheme}:{}/gm.greeter", server.node().address);
        let mut items = greeter.count(message(3, "")).codec(codec).node(&node).await.unwrap();
        for seq in 1..=3 {
            let item = items.recv().await.unwrap().unwrap().into_inner();
            assert_eq!(item, message(seq, "item"), "{node} {codec}");
        }
        assert_eq!(items.recv().await.unwrap(), None, "{node} {codec}");

        let failing = greeter.count(message(1, "fail")).codec(codec).node(&node);
        let mut items = failing.await.unwrap();
        assert!(items.recv().await.unwrap().is_some(), "{node} {codec}");
        let error = items.recv().await.unwrap_err();
        let CallError::Status(status) = error else { panic!("{node} {codec}: {error:?}") };
        assert_eq!((status.code, &*status.detail), (400, "stream failed on purpose"));

        let mut collect = greeter.collect().codec(codec).node(&node).await.unwrap();
        for seq in 1..=100 {
            collect.send(message(seq, "").into()).await.unwrap();
        }
        collect.close().await;
        let sum = collect.recv().await.unwrap().unwrap().into_inner();
        assert_eq!(sum, message(5050, "sum"), "{node} {codec}");
        assert_eq!(collect.recv().await.unwrap(), None, "{node} {codec}");

        let mut chat = greeter.chat().codec(codec).node(&node).await.unwrap();
        for seq in 1..=3 {
            chat.send(message(seq, "hi").into()).await.unwrap();
            let echo = chat.recv().await.unwrap().unwrap().into_inner();
            assert_eq!(echo, message(seq, "echo hi"), "{node} {codec}");
        }
        drop(chat);
    }
    let node = format!("mucp:{}/gm.greeter", server.node().address);
    let refused = greeter.chat().codec(Codec::Bincode).node(&node).await.unwrap_err();
    assert!(matches!(refused, CallError::Codec { .. }), "{refused:?}");
    for system in [client, server] {
        system.stop().await;
    }
}

/// The bodies of answers that follow each other.
fn bodies(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<_> =
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"HTTP/1.1 200 OK\r\n")).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|pair| body(&bytes[pair[0]..pair[1]])).collect()
}

fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/../captures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn body(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(&[], |end| &bytes[end + 4..])
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    length.is_some_and(|length| {
        text.contains("\r\n\r\n") && body(answer).len() >= length.parse().expect("a number")
    })
}

const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);
