//! Streams of Go Micro's clients: what they sent, recorded byte for byte, is answered as their own
//! servers answered it.

use std::path::Path;
use std::task::{Context, Poll};

use bytes::Bytes;
use callboard_actors::message::RequestId;
use callboard_actors::{Metadata, Status};
use hyper::header::HeaderMap;

use super::*;
use crate::codec::{json_rpc, proto_rpc};
use crate::transport::http_message::{HttpMessage, Kind, MessageReader};

#[tokio::test]
async fn recorded_streams_are_answered_as_by_their_own_servers() {
    for name in [
        "2016/20-server-stream-json",
        "2016/21-server-stream-proto",
        "2016/22-bidi-stream-json",
        "2016/23-bidi-stream-proto",
        "2016/25-stream-handler-error-json",
        "2016/26-stream-handler-error-proto",
        "current/20-server-stream-json",
        "current/21-server-stream-proto",
        "current/22-bidi-stream-json",
        "current/23-bidi-stream-proto",
        "current/25-stream-handler-error-json",
        "cross/B-client-to-A-server-stream-discovery",
    ] {
        replay(name).await;
    }
}

/// The client of 2016 closes the connection, the one of today says before that it will.
#[tokio::test]
async fn a_client_that_closes_first_has_ended_its_side() {
    for name in
        ["2016/24-bidi-stream-client-close-json", "current/24-bidi-stream-client-close-json"]
    {
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let mut items = answers(name).into_iter().map(|(_, item)| item);
        let mut client = Client::connect(move |message, answers| {
            match &message {
                Message::Request { id, .. } => answers.push(credit(*id)),
                Message::StreamData { id, .. } => {
                    let body = items.next().flatten().expect("it is answered as recorded");
                    answers.push(Message::StreamData { id: *id, body });
                }
                Message::StreamEnd { id } => answers.push(reply(*id)),
                _ => {}
            }
            told.send(message).unwrap();
        });
        client.send(capture(&format!("{name}.req.bin"))).await;
        client.stream.shutdown().await.unwrap();
        let text = client.rest().await;
        assert_eq!(text.matches("echo m").count(), 3, "{name}: {text}");
        assert!(matches!(client.ended().await, TransportError::Closed), "{name}");
        let mut seen = Vec::new();
        while let Some(message) = heard.recv().await {
            seen.push(message);
        }
        let data = seen.iter().filter(|it| matches!(it, Message::StreamData { .. })).count();
        let ends = seen.iter().filter(|it| matches!(it, Message::StreamEnd { .. })).count();
        assert_eq!((data, ends), (3, 1), "{name}: {seen:?}");
        assert!(matches!(seen[0], Message::Request { time_left: None, .. }), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn what_the_handler_has_no_room_for_waits_for_it_in_order() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut client = Client::connect(move |message, answers| {
        match &message {
            // The credit for the next one comes only then.
            Message::Request { id, .. } | Message::StreamData { id, .. } => {
                answers.push(one(*id));
            }
            Message::StreamEnd { id } => answers.push(reply(*id)),
            _ => {}
        }
        if let Message::StreamData { body, .. } = message {
            told.send(body).unwrap();
        }
    });
    let items: Vec<_> = (0..100).map(|number| format!("{{\"seq\":{number}}}")).collect();
    let messages: String = items.iter().map(|item| chat(item)).collect();
    client.send(chat("{}") + &messages).await;
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.contains("Micro-Error: EOS"));
    for item in items {
        assert_eq!(heard.recv().await.unwrap(), item);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_handler_back() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut stream = None;
    let mut client = Client::connect(move |message, answers| {
        match message {
            Message::Request { id, .. } => stream = Some(id),
            Message::StreamCredit { items, bytes, id } => {
                told.send((items, bytes)).unwrap();
                // As much as the credit allows, and no more.
                for _ in 0..items.min(16) {
                    let body = Bytes::from(vec![b' '; 64 * 1024]);
                    answers.push(Message::StreamData { id, body });
                }
            }
            _ => {}
        }
        assert!(stream.is_some());
    });
    client.send(chat("{}")).await;
    assert_eq!(heard.recv().await, Some((1024, 1024 * 1024)));
    // The connection holds 64 KiB, so the megabyte that was sent is not on its way.
    tokio::task::yield_now().await;
    assert!(heard.try_recv().is_err(), "nothing has been read yet");
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    while read < 1024 * 1024 {
        read += client.stream.read(&mut buffer).await.unwrap();
    }
    let (items, bytes) = loop {
        tokio::select! {
            credit = heard.recv() => break credit.unwrap(),
            count = client.stream.read(&mut buffer) => assert!(count.unwrap() > 0),
        }
    };
    assert_eq!((items, bytes), (16, 1024 * 1024));
}

#[tokio::test]
async fn a_message_that_cannot_be_understood_ends_the_stream() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut client = Client::connect(move |message, answers| {
        match &message {
            Message::Request { id, .. } => answers.push(credit(*id)),
            Message::Cancel { id } => answers.push(failure(*id)),
            _ => {}
        }
        told.send(message).unwrap();
    });
    let other = "POST / HTTP/1.1\r\nContent-Type: application/protobuf\r\n\
                 Content-Length: 0\r\n\r\n";
    client.send(chat("{}") + other).await;
    client.until("Micro-Error: all messages of a stream have one content type\r\n").await;
    while !matches!(heard.recv().await.unwrap(), Message::Cancel { .. }) {}
    client.stream.shutdown().await.unwrap();
    let rest = client.rest().await;
    assert!(!rest.contains("on purpose"), "one error is enough: {rest}");
}

/// The first call may have an answer that is still to be written when the stream comes.
#[tokio::test]
async fn a_stream_may_follow_a_call_on_its_connection() {
    let mut client = Client::connect(|message, answers| match message {
        Message::Request { id, stream: false, body, .. } => {
            answers.push(Message::Reply { id, metadata: Metadata::new(), body });
        }
        Message::Request { id, .. } => answers.extend([
            credit(id),
            Message::StreamData { id, body: Bytes::from_static(b"\"item\"") },
            reply(id),
        ]),
        _ => {}
    });
    client.send(post("Greeter.Hello", "\"first\"") + &chat("{}")).await;
    let text = String::from_utf8(client.until("Micro-Error: EOS\r\n").await).unwrap();
    let (first, rest) = text.split_once("\"first\"\n").expect(&text);
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.contains("\"item\"\n"), "{text}");
}

#[tokio::test]
async fn a_stream_is_not_opened_by_its_path() {
    let mut client = Client::connect(|message, _| panic!("not for the engine: {message:?}"));
    client.send("POST /Greeter/Chat HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    let text = String::from_utf8(client.until("}").await).unwrap();
    assert!(text.starts_with("HTTP/1.1 501") && text.contains("is a stream"), "{text}");
}

/// Sends what a client sent, plays what its handler did, and compares what came back.
async fn replay(name: &str) {
    let recorded = answers(name);
    let mut items: Vec<_> = recorded.iter().filter_map(|(_, item)| item.clone()).collect();
    items.reverse();
    let failed = name.contains("error");
    let is_chat = name.contains("bidi");
    let mut client = Client::connect(move |message, answers| {
        let id = match message {
            Message::Request { id, stream, .. } => {
                assert!(stream);
                answers.push(credit(id));
                if is_chat {
                    return;
                }
                id
            }
            Message::StreamData { id, .. } => id,
            _ => return,
        };
        // One for each that comes, or all at once.
        let count = if is_chat { 1 } else { items.len() };
        for _ in 0..count {
            answers.extend(items.pop().map(|body| Message::StreamData { id, body }));
        }
        if items.is_empty() {
            answers.push(if failed { failure(id) } else { reply(id) });
        }
    });
    let requests = capture(&format!("{name}.req.bin"));
    let expected = responses(&capture(&format!("{name}.rsp.bin")));
    let mut reader = MessageReader::new(Kind::Responses, 1024 * 1024, b"");
    let mut told = Vec::new();
    for (index, request) in split(&requests).into_iter().enumerate() {
        client.send(request).await;
        // As the client did, which waited for each answer: the numbers of 2016 depend on that.
        if is_chat && (1..expected.len()).contains(&index) {
            told.extend(response(&mut client, &mut reader).await);
        }
    }
    client.stream.shutdown().await.unwrap();
    while let Some(message) = response(&mut client, &mut reader).await {
        told.push(message);
    }
    assert_eq!(told.len(), expected.len(), "{name}: {told:?}");
    for (told, expected) in told.iter().zip(&expected) {
        if name.starts_with("cross") {
            // Each generation has a value of its own where there is no result.
            let text = String::from_utf8_lossy(&expected.body).replace(":{},", ":null,");
            assert_eq!(told.body, text, "{name}");
            continue;
        }
        assert_eq!(told.body, expected.body, "{name}");
        for header in ["content-type", "micro-error", "x-micro-error", "micro-stream", "micro-id"] {
            assert_eq!(of(told, header), of(expected, header), "{name}: {header}");
        }
    }
}

/// The messages in what a client sent, each of which begins with its method.
fn split(mut requests: &[u8]) -> Vec<&[u8]> {
    let mut split = Vec::new();
    while !requests.is_empty() {
        let next = requests[1..].windows(5).position(|window| window == b"POST ");
        let (request, rest) = requests.split_at(next.map_or(requests.len(), |at| at + 1));
        split.push(request);
        requests = rest;
    }
    split
}

async fn response(client: &mut Client, reader: &mut MessageReader) -> Option<HttpMessage> {
    poll_fn(|cx| reader.poll(&mut client.stream, cx)).await.expect("an answer")
}

fn of<'a>(message: &'a HttpMessage, header: &str) -> Option<&'a [u8]> {
    let headers: &HeaderMap = &message.headers;
    headers.get(header).map(|value| value.as_bytes())
}

/// What was answered; with each, the item in it if it is one.
fn answers(name: &str) -> Vec<(HttpMessage, Option<Bytes>)> {
    let bytes = capture(&format!("{name}.rsp.bin"));
    let item = |message: &HttpMessage| {
        if name.starts_with("current") {
            let is_item = of(message, "micro-error").is_none();
            // The line break belongs to the form.
            let body = message.body.strip_suffix(b"\n").unwrap_or(&message.body);
            return is_item.then(|| message.body.slice_ref(body));
        }
        let is_json =
            of(message, "content-type").is_some_and(|it| it.starts_with(b"application/json"));
        let response = if is_json {
            json_rpc::decode_response(&message.body)
        } else {
            proto_rpc::decode_response(&message.body)
        };
        let response = response.expect("it is in an envelope");
        response.error.is_none().then_some(response.body)
    };
    let messages = responses(&bytes).into_iter();
    messages
        .map(|message| {
            let item = item(&message);
            (message, item)
        })
        .collect()
}

fn responses(bytes: &[u8]) -> Vec<HttpMessage> {
    let mut reader = MessageReader::new(Kind::Responses, 1024 * 1024, bytes);
    let mut messages = Vec::new();
    let mut context = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Ok(Some(message))) = reader.poll(&mut tokio::io::empty(), &mut context) {
        messages.push(message);
    }
    messages
}

/// A message by today's Go Micro.
pub(super) fn post(endpoint: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Micro-Endpoint: {endpoint}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

pub(super) fn chat(body: &str) -> String {
    post("Greeter.Chat", body)
}

/// Takes a stream and has nothing to say.
#[allow(clippy::needless_pass_by_value, reason = "it is a handler like others")]
pub(super) fn listen(message: Message, answers: &mut Vec<Message>) {
    if let Message::Request { id, .. } = message {
        answers.push(credit(id));
    }
}

fn credit(id: RequestId) -> Message {
    Message::StreamCredit { id, items: 32, bytes: 1024 * 1024 }
}

fn one(id: RequestId) -> Message {
    Message::StreamCredit { id, items: 1, bytes: 100 }
}

fn reply(id: RequestId) -> Message {
    Message::Reply { id, metadata: Metadata::new(), body: Bytes::new() }
}

fn failure(id: RequestId) -> Message {
    let status = Status::new("gm.greeter.Count", 400, "stream failed on purpose");
    Message::Status { id, status: Box::new(status), refusal: None }
}

fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
