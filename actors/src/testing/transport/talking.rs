//! What happens to messages on an open connection.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;

use super::Harness;
use super::peer::{connect, hello, listen, outgoing, pair, reply, within};
use crate::message::{Body, GoAway, Message, Outgoing, Refusal, RequestId, Route, RouteSlot};
use crate::metadata::Metadata;
use crate::status::Status;
use crate::transport::TransportError;

/// Every kind of message arrives as it left, both ways.
pub async fn every_kind_of_message_arrives_unchanged(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let messages = every_kind();
    for message in &messages {
        near.send(message).await;
        assert_eq!(far.receive(1).await, std::slice::from_ref(message));
        far.send(message).await;
        assert_eq!(near.receive(1).await, std::slice::from_ref(message));
    }
}

/// Batches keep the order of their messages.
pub async fn ten_thousand_messages_arrive_in_order(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let sending = async {
        for id in 0..10_000 {
            near.encode(outgoing(&reply(id, 20))).expect("small");
            if id % 97 == 0 {
                near.flush().await.expect("open");
            }
        }
        near.flush().await.expect("open");
    };
    let ((), received) = within(join(sending, far.receive(10_000))).await;
    for (id, message) in (0..).zip(&received) {
        assert_eq!(message, &reply(id, 20));
    }
}

/// Bodies may be empty and nearly as large as a frame.
pub async fn bodies_of_all_sizes_arrive(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let largest = near.hello().max_frame as usize - 64;
    for size in [0, 1, 4_091, 65_536, 300_000, largest, 0, largest] {
        near.encode(outgoing(&reply(1, size))).expect("within the limit");
        let (flushed, received) = within(join(near.flush(), far.receive(1))).await;
        flushed.expect("open");
        assert_eq!(received, [reply(1, size)], "{size} bytes");
    }
}

/// The encoder refuses what the peer would, and nothing else suffers.
pub async fn what_is_too_large_is_refused_and_the_rest_goes_on(harness: Harness) {
    let mut listener = listen(&harness).await;
    let mut server = hello("server");
    server.max_frame = 1_000;
    let (mut near, mut far) = connect(&harness, &mut listener, hello("client"), server).await;
    near.encode(outgoing(&reply(1, 900))).expect("within the limit");
    let queued = near.queued();
    match near.encode(outgoing(&reply(2, 1_001))) {
        Err(TransportError::TooLarge { size, limit: 1_000 }) => assert!(size > 1_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(near.queued(), queued);
    near.encode(outgoing(&reply(3, 900))).expect("within the limit");
    near.flush().await.expect("open");
    assert_eq!(far.receive(2).await, [reply(1, 900), reply(3, 900)]);
    // The other direction has a limit of its own.
    far.send(&reply(4, 1_001)).await;
    assert_eq!(near.receive(1).await, [reply(4, 1_001)]);
}

/// Too many pairs, or too long ones, are not sent.
pub async fn metadata_above_the_limits_are_refused(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let with = |metadata: Metadata| Message::Reply {
        id: RequestId(1),
        metadata,
        body: Bytes::from_static(b"body"),
    };
    let many = |count: usize| (0..count).map(|n| (n.to_string(), "")).collect::<Metadata>();
    let long = |bytes: usize| Metadata::new().with("n", "v".repeat(bytes - 1));
    let (most, longest) = (Metadata::MAX_ENTRIES, Metadata::MAX_BYTES);
    for metadata in [many(most + 1), long(longest + 1)] {
        let refused = near.encode(outgoing(&with(metadata)));
        assert!(matches!(refused, Err(TransportError::Metadata { .. })), "{refused:?}");
    }
    for metadata in [many(most), long(longest)] {
        let message = with(metadata);
        near.send(&message).await;
        assert_eq!(far.receive(1).await, [message]);
    }
}

/// A body that cannot be encoded takes nothing else with it.
pub async fn a_failed_body_leaves_nothing_behind(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let before = near.encode(outgoing(&reply(1, 5))).expect("small");
    let queued = near.queued();
    let metadata = Metadata::new();
    let failing = Outgoing::Reply { id: RequestId(2), metadata: &metadata, body: &FailingBody };
    match near.encode(failing) {
        Err(TransportError::Encode(reason)) => assert_eq!(reason, "half of it"),
        other => panic!("{other:?}"),
    }
    assert_eq!(near.queued(), queued);
    assert!(near.encode(outgoing(&reply(3, 5))).expect("small") > before);
    near.flush().await.expect("open");
    assert_eq!(far.receive(2).await, [reply(1, 5), reply(3, 5)]);
}

/// A request that was not sent has defined nothing.
pub async fn a_route_can_be_defined_after_a_failure(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let too_large = near.hello().max_frame as usize + 1;
    let refused = near.encode(outgoing(&request(1, true, too_large)));
    assert!(matches!(refused, Err(TransportError::TooLarge { .. })), "{refused:?}");
    for message in [request(2, true, 10), request(3, false, 10)] {
        near.send(&message).await;
        assert_eq!(far.receive(1).await, [message]);
    }
}

/// Two sides that write while nobody has read yet do not block each other for ever.
pub async fn both_sides_write_much_before_they_read(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    for id in 0..100 {
        near.encode(outgoing(&reply(id, 100_000))).expect("within the limit");
        far.encode(outgoing(&reply(id + 100, 100_000))).expect("within the limit");
    }
    let (from_far, from_near) = within(join(near.exchange(100), far.exchange(100))).await;
    for (id, (theirs, ours)) in (0..).zip(from_far.iter().zip(&from_near)) {
        assert_eq!(ours, &reply(id, 100_000));
        assert_eq!(theirs, &reply(id + 100, 100_000));
    }
}

/// Positions grow with each message, and what was handed over is counted in them.
pub async fn what_was_handed_over_is_counted(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    let mut last = near.written();
    assert_eq!(last, 0, "positions start after the greeting");
    for id in 0..50 {
        let first = near.encode(outgoing(&reply(id, 10))).expect("small");
        let second = near.encode(outgoing(&reply(id, 1_000))).expect("small");
        assert!(last < first && first < second);
        assert!(near.written() < first, "nothing of it was sent");
        near.flush().await.expect("open");
        assert_eq!(near.written(), second);
        far.receive(2).await;
        last = second;
    }
    assert_eq!(far.written(), 0, "directions are counted apart");
}

/// A request of the one route that these properties use.
pub(super) fn request(id: u64, first: bool, size: usize) -> Message {
    let route = Route { endpoint: "Greeter.Hello".into(), content_type: "text/plain".into() };
    Message::Request {
        id: RequestId(id),
        one_way: false,
        stream: false,
        route: RouteSlot(0),
        define: first.then(|| Box::new(route)),
        time_left: Some(Duration::from_secs(5)),
        metadata: Metadata::new(),
        body: Bytes::from(vec![1; size]),
    }
}

fn stream_request(number: u64) -> Message {
    let mut opening = request(number, false, 10);
    if let Message::Request { stream, time_left, .. } = &mut opening {
        (*stream, *time_left) = (true, None);
    }
    opening
}

fn every_kind() -> Vec<Message> {
    let metadata = Metadata::new().with("Trace", "1").with("user", "ünicode").with("empty", "");
    let status = Box::new(Status::not_found("greeter", "no such user"));
    let retry_after = Duration::from_millis(250);
    let status =
        |id, refusal| Message::Status { id: RequestId(id), status: status.clone(), refusal };
    vec![
        request(1, true, 0),
        request(u64::MAX, false, 100),
        Message::Request {
            id: RequestId(2),
            one_way: true,
            stream: false,
            route: RouteSlot(RouteSlot::MAX - 1),
            define: Some(Box::new(Route { endpoint: "Ä.Ö".into(), content_type: String::new() })),
            time_left: None,
            metadata: metadata.clone(),
            body: Bytes::from_static(b"body"),
        },
        Message::Reply { id: RequestId(2), metadata, body: Bytes::from_static(b"body") },
        reply(3, 0),
        status(4, None),
        status(5, Some(Refusal::Draining)),
        status(6, Some(Refusal::Overloaded { retry_after })),
        status(7, Some(Refusal::UnknownEndpoint)),
        status(8, Some(Refusal::UnknownContentType)),
        status(9, Some(Refusal::Undecodable)),
        status(10, Some(Refusal::TooLarge)),
        status(11, Some(Refusal::Expired)),
        status(12, Some(Refusal::Cancelled)),
        status(13, Some(Refusal::Other)),
        status(18, Some(Refusal::OtherTypes)),
        Message::Cancel { id: RequestId(14) },
        stream_request(15),
        Message::StreamCredit { id: RequestId(15), items: 32, bytes: u32::MAX },
        Message::StreamData { id: RequestId(15), body: Bytes::from_static(b"item") },
        Message::StreamData { id: RequestId(15), body: Bytes::new() },
        Message::StreamEnd { id: RequestId(u64::MAX) },
        Message::Ping { nonce: u64::MAX },
        Message::Pong { nonce: 0 },
        Message::GoAway { reason: GoAway::Draining },
        Message::GoAway { reason: GoAway::Error("a reason".into()) },
    ]
}

/// Writes half of itself and fails.
struct FailingBody;

impl Body for FailingBody {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        buffer.extend_from_slice(b"half");
        Err("half of it".into())
    }
}
