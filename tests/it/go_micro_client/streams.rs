//! Streams to Go Micro's services, against what real ones answered.

use callboard::codec::{json_rpc, proto_rpc};

use super::peer::Received;
use super::*;

/// What was recorded: who, how it is written, which endpoint, and how it ended.
const RECORDED: &[(&str, &str, &str, Option<&str>)] = &[
    ("2016/20-server-stream-json", JSON, "Greeter.Count", None),
    ("2016/21-server-stream-proto", PROTOBUF, "Greeter.Count", None),
    ("2016/22-bidi-stream-json", JSON, "Greeter.Chat", None),
    ("2016/23-bidi-stream-proto", PROTOBUF, "Greeter.Chat", None),
    ("2016/25-stream-handler-error-json", JSON, "Greeter.Count", Some("stream failed on purpose")),
    ("2016/26-stream-handler-error-proto", PROTOBUF, "Greeter.Count", Some("stream failed on")),
    ("current/20-server-stream-json", JSON, "Greeter.Count", None),
    ("current/21-server-stream-proto", PROTOBUF, "Greeter.Count", None),
    ("current/22-bidi-stream-json", JSON, "Greeter.Chat", None),
    ("current/23-bidi-stream-proto", PROTOBUF, "Greeter.Chat", None),
    ("current/25-stream-handler-error-json", JSON, "Greeter.Count", Some("stream failed on")),
];

/// The recorded client sends `application/octet-stream`, which means the same in 2016.
#[actix::test]
async fn a_stream_is_what_go_micro_sends_and_its_items_and_its_end_are_understood() {
    for (name, content_type, endpoint, error) in RECORDED {
        let peer = Peer::replay([*name]).await;
        let requests = recorded(name);
        let mut client = Client::connect(&address(&peer, name)).await;
        client.open(endpoint, content_type, &requests[0], time(name)).await;
        let credit = client.answer().await;
        assert!(matches!(credit, Message::StreamCredit { items: 1024, .. }), "{name}: {credit:?}");
        for request in &requests[1..] {
            let body = item(name, content_type, request);
            client.write(Outgoing::StreamData { id: RequestId(0), body: &body }).await;
        }
        let (items, end) = client.conversation().await;
        assert_eq!(items, answers(name, content_type), "{name}");
        match (error, end) {
            (None, Message::Reply { .. }) => {}
            (Some(detail), Message::Status { status, refusal: None, .. }) => {
                assert_eq!((&*status.id, status.code), ("gm.greeter.Count", 400), "{name}");
                assert!(status.detail.starts_with(detail), "{name}: {status}");
            }
            (_, end) => panic!("{name}: {end:?}"),
        }
        for (index, request) in requests.iter().enumerate() {
            let bytes = [request.head.as_bytes(), &request.body].concat();
            let text = String::from_utf8_lossy(&bytes).replace("octet-stream", "protobuf");
            peer.received(index).await.is_like(text.as_bytes());
        }
        assert_eq!(peer.connections(), 2, "{name}: a stream has a connection of its own");
    }
}

#[actix::test]
async fn what_the_engine_has_no_room_for_stays_unread() {
    let peer = Peer::replay(["current/20-server-stream-json"]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    let opening = &recorded("current/20-server-stream-json")[0];
    client.request(0, ("Greeter.Count", JSON), (opening.body.clone().into(), None), true).await;
    assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
    client.until(peer.received(0)).await;
    for _ in 0..2 {
        client.write(credit(1)).await;
        assert!(matches!(client.answer().await, Message::StreamData { .. }));
    }
    // The end is no item, but stands behind the third one.
    client.write(credit(1)).await;
    let (items, end) = client.conversation().await;
    assert_eq!(items.len(), 1);
    assert!(matches!(end, Message::Reply { .. }), "{end:?}");
}

#[actix::test]
async fn a_node_that_has_no_such_stream_says_so() {
    for name in ["2016/27-stream-unknown-method-json", "current/27-stream-unknown-method-json"] {
        let peer = Peer::replay([name]).await;
        let mut client = Client::connect(&address(&peer, name)).await;
        client.open("Greeter.NoStream", JSON, &recorded(name)[0], time(name)).await;
        assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
        let (items, end) = client.conversation().await;
        let refusal =
            matches!(end, Message::Status { refusal: Some(Refusal::UnknownEndpoint), .. });
        assert!(items.is_empty() && refusal, "{name}: {end:?}");
    }
}

/// Today's server writes one message over another; there is no telling what it meant.
#[actix::test]
async fn items_that_the_node_has_spoilt_end_the_stream_with_an_error() {
    let name = "cross/A-client-to-B-server-stream";
    let peer = Peer::replay([name]).await;
    let mut client = Client::connect(&peer.address("mucp-2016", "")).await;
    client.open("Greeter.Count", JSON, &recorded(name)[0], time("2016")).await;
    assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
    let (items, end) = client.conversation().await;
    let Message::Status { status, .. } = end else { panic!("{end:?}") };
    assert!(items.is_empty() && status.detail.contains("not an envelope"), "{status}");
}

#[actix::test]
async fn the_end_of_this_side_is_told_as_each_generation_understands_it() {
    let peer = Peer::replay([]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    let opening = (Bytes::from_static(b"{}"), None);
    client.request(0, ("Greeter.Chat", JSON), opening.clone(), true).await;
    assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
    client.write(Outgoing::StreamEnd { id: RequestId(0) }).await;
    let end = client.until(peer.received(1)).await;
    assert_eq!((end.header("micro-error"), end.header("micro-stream")), (Some("EOS"), Some("0")));
    assert!(end.body.is_empty());

    let peer = Peer::replay([]).await;
    let mut client = Client::connect(&peer.address("mucp-2016", "")).await;
    client.request(0, ("Greeter.Chat", JSON), opening, true).await;
    assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
    client.write(Outgoing::StreamEnd { id: RequestId(0) }).await;
    // This peer closes when its client does, which is no end in order of its own.
    let lost = client.answer().await;
    assert!(matches!(lost, Message::Lost { was_sent: true, .. }), "{lost:?}");
    peer.closed(1).await;
}

#[actix::test]
async fn a_cancelled_stream_closes_its_connection_and_the_others_go_on() {
    let peer = Peer::replay([]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    for id in [1, 2] {
        let opening = (Bytes::from_static(b"{}"), None);
        client.request(id, ("Greeter.Chat", JSON), opening, true).await;
        assert!(matches!(client.answer().await, Message::StreamCredit { .. }));
        client.until(peer.received(usize::try_from(id - 1).expect("few"))).await;
    }
    client.write(Outgoing::Cancel { id: RequestId(1) }).await;
    client.until(peer.closed(1)).await;
    let body = Bytes::from_static(b"{\"seq\":\"1\"}");
    client.write(Outgoing::StreamData { id: RequestId(2), body: &body }).await;
    let credit = client.answer().await;
    assert!(matches!(credit, Message::StreamCredit { items: 1, bytes: 11, .. }), "{credit:?}");
    assert_eq!(client.until(peer.received(2)).await.header("micro-stream"), Some("2"));
}

#[actix::test]
async fn a_stream_to_a_node_that_has_gone_was_not_opened() {
    let peer = Peer::replay([]).await;
    let mut client = Client::connect(&peer.address("mucp", "gm.greeter")).await;
    peer.stop().await;
    let opening = (Bytes::from_static(b"{}"), None);
    client.request(0, ("Greeter.Chat", JSON), opening, true).await;
    let lost = client.answer().await;
    assert!(matches!(lost, Message::Lost { was_sent: false, .. }), "{lost:?}");
}

impl Client {
    /// Opens the stream of number 0, with room for everything.
    async fn open(
        &mut self,
        endpoint: &str,
        content_type: &str,
        recorded: &Received,
        time_left: Option<Duration>,
    ) {
        let is_early = recorded.header("micro-endpoint").is_none();
        let name = if is_early { "2016" } else { "current" };
        let body = item(name, content_type, recorded);
        self.request(0, (endpoint, content_type), (body, time_left), true).await;
        self.write(credit(1000)).await;
    }

    /// The items, and what is behind them; credit that comes in between is passed over.
    async fn conversation(&mut self) -> (Vec<Bytes>, Message) {
        let mut items = Vec::new();
        loop {
            match self.answer().await {
                Message::StreamData { body, .. } => items.push(body),
                Message::StreamCredit { .. } => {}
                end => return (items, end),
            }
        }
    }
}

fn credit(items: u32) -> Outgoing<'static> {
    Outgoing::StreamCredit { id: RequestId(0), items, bytes: 1024 * 1024 }
}

fn address(peer: &Peer, name: &str) -> String {
    if name.starts_with("2016") {
        peer.address("mucp-2016", "")
    } else {
        peer.address("mucp", "gm.greeter")
    }
}

/// Clients of 2016 send the time of a call with each stream.
fn time(name: &str) -> Option<Duration> {
    name.starts_with("2016").then(|| Duration::from_secs(5))
}

/// The requests of a stream, but for the one that says that no more come.
fn recorded(name: &str) -> Vec<Received> {
    let bytes = capture(&format!("{name}.req.bin"));
    let (mut rest, mut requests) = (&bytes[..], Vec::new());
    while let Some((request, length)) = Received::parse(rest) {
        if request.header("micro-error").is_some() {
            break;
        }
        rest = &rest[length..];
        // An empty body, which Go writes as a chunk of nothing.
        rest = rest.strip_prefix(b"0\r\n\r\n").unwrap_or(rest);
        let head = request.head.replace("Transfer-Encoding: chunked", "Content-Length: 0");
        requests.push(Received { head, ..request });
    }
    requests
}

/// The items of a stream, as they were answered.
fn answers(name: &str, content_type: &str) -> Vec<Bytes> {
    let bytes = capture(&format!("{name}.rsp.bin"));
    let (mut rest, mut items) = (&bytes[..], Vec::new());
    while let Some((answer, length)) = Received::parse(rest) {
        rest = &rest[length..];
        let body = Bytes::from(answer.body.clone());
        if name.starts_with("current") {
            items.extend(answer.header("micro-error").is_none().then_some(body));
        } else {
            let response = match content_type {
                JSON => json_rpc::decode_response(&body),
                _ => proto_rpc::decode_response(&body),
            };
            let response = response.expect("a capture is an envelope");
            items.extend(response.error.is_none().then_some(response.body));
        }
    }
    items
}

/// What a recorded request holds.
fn item(name: &str, content_type: &str, request: &Received) -> Bytes {
    let body = Bytes::from(request.body.clone());
    match (name.starts_with("current"), content_type) {
        (true, _) => body,
        (false, JSON) => json_rpc::decode_request(&body).expect("an envelope").body,
        (false, _) => proto_rpc::decode_request(&body).expect("an envelope").body,
    }
}
