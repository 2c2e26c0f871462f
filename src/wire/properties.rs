//! What holds for arbitrary messages and arbitrary bytes.

use std::collections::HashSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_actors::message::{
    Body, GoAway, Message, Outgoing, Refusal, Replies, RequestId, Route, RouteSlot,
};
use callboard_actors::testing::transport::{outgoing, separate};
use callboard_actors::transport::{Batch, Encoder, Hello, TransportError};
use callboard_actors::{Metadata, Status};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{FrameDecoder, FrameEncoder, LENGTH_BYTES, Preface, WireError};

const LIMIT: u32 = 64 * 1024;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_back_however_the_stream_is_cut(
        messages in messages(),
        cuts in vec(1usize..200, 1..50),
        most in 1usize..5,
    ) {
        let bytes = encode(&messages);
        prop_assert_eq!(decode_in_pieces(&bytes, &cuts, most), messages);
    }

    #[test]
    fn requests_like_the_one_before_come_back(
        messages in messages(),
        cuts in vec(1usize..200, 1..50),
        most in 1usize..5,
    ) {
        let again = |message: &Message| {
            let mut again = message.clone();
            if let Message::Request { id, define, body, .. } = &mut again {
                *id = RequestId(id.0 / 2);
                *define = None;
                *body = Bytes::from_static(b"more than the longest of what may be repeated");
            }
            again
        };
        let messages: Vec<_> = messages.iter().flat_map(|it| [it.clone(), again(it)]).collect();
        prop_assert_eq!(decode_in_pieces(&encode(&messages), &cuts, most), messages);
    }

    #[test]
    fn unknown_frames_between_messages_are_skipped(
        messages in messages(),
        unknown in vec((0x0Bu8..=255, any::<u8>(), vec(any::<u8>(), 0..40)), 1..10),
    ) {
        let mut bytes = Vec::new();
        let mut encoder = FrameEncoder::new(LIMIT);
        for (at, message) in messages.iter().enumerate() {
            let (kind, flags, rest) = &unknown[at % unknown.len()];
            bytes.extend_from_slice(&u32::try_from(rest.len() + 2).unwrap().to_le_bytes());
            bytes.extend_from_slice(&[*kind, *flags]);
            bytes.extend_from_slice(rest);
            encoder.encode(outgoing(message)).unwrap();
            let mut batch = Batch::default();
            encoder.take(&mut batch);
            bytes.extend_from_slice(&batch.bytes);
        }
        prop_assert_eq!(decode_in_pieces(&bytes, &[64], 3), messages);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..2000)) {
        let mut decoder = FrameDecoder::new(LIMIT);
        let mut buffer = BytesMut::from(&bytes[..]);
        let mut messages = Vec::new();
        while matches!(decoder.decode(&mut buffer, &mut messages, 4), Ok(1..)) {}
    }

    #[test]
    fn arbitrary_frames_never_panic(
        frames in vec((0u8..0x0C, any::<u8>(), vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..60)), 1..20)
    ) {
        let mut buffer = BytesMut::new();
        for (kind, flags, rest) in frames {
            buffer.extend_from_slice(&u32::try_from(rest.len() + 2).unwrap().to_le_bytes());
            buffer.extend_from_slice(&[kind, flags]);
            buffer.extend_from_slice(&rest);
        }
        let before = buffer.len();
        let mut decoder = FrameDecoder::new(LIMIT);
        let mut messages = Vec::new();
        while matches!(decoder.decode(&mut buffer, &mut messages, 4), Ok(1..)) {}
        prop_assert!(messages.iter().map(size).sum::<usize>() <= before);
    }

    #[test]
    fn changed_bytes_never_panic(
        messages in messages(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = encode(&messages);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut decoder = FrameDecoder::new(LIMIT);
        let mut buffer = BytesMut::from(&bytes[..]);
        let mut messages = Vec::new();
        while matches!(decoder.decode(&mut buffer, &mut messages, 4), Ok(1..)) {}
        prop_assert!(decoder.missing(&buffer) <= LENGTH_BYTES + LIMIT as usize);
    }

    #[test]
    fn a_refused_message_leaves_nothing_behind(messages in messages(), limit in 2u32..300) {
        let mut encoder = FrameEncoder::new(limit);
        let mut sent = Vec::new();
        let mut end = 0;
        for message in messages {
            match encoder.encode(outgoing(&message)) {
                Ok(position) => {
                    prop_assert!(position > end);
                    end = position;
                    sent.push(message);
                }
                Err(TransportError::TooLarge { size, .. }) => prop_assert!(size > limit as usize),
                Err(error) => panic!("{error}"),
            }
            prop_assert_eq!(encoder.queued() as u64, end);
        }
        let mut batch = Batch::default();
        encoder.take(&mut batch);
        prop_assert_eq!(batch.bytes.len() as u64, end);
        // Definitions may be among the refused ones, so requests are only compared up to there.
        let mut decoder = FrameDecoder::new(limit);
        let mut decoded = Vec::new();
        while matches!(decoder.decode(&mut batch.bytes, &mut decoded, 100), Ok(1..)) {}
        let decoded = separate(decoded);
        prop_assert_eq!(&decoded[..], &sent[..decoded.len()]);
    }

    #[test]
    fn prefaces_come_back(
        service in "\\PC{0,40}", node in "\\PC{0,40}", incarnation: u64,
        max_frame: u32, max_in_flight: u32, capabilities: u64,
    ) {
        let mut hello = Hello::new(service, node, incarnation);
        hello.max_frame = max_frame;
        hello.max_in_flight = max_in_flight;
        hello.streams = capabilities & 1 == 1;
        let mut preface = Preface::new(hello);
        preface.capabilities = capabilities;
        let bytes = preface.encode().unwrap();
        let (fixed, fields) = bytes.split_first_chunk().unwrap();
        prop_assert_eq!(Preface::decode(fixed, fields), Ok(preface));
    }

    #[test]
    fn arbitrary_prefaces_never_panic(bytes in vec(any::<u8>(), 20..200)) {
        let mut preface = Preface::MAGIC.to_vec();
        preface.extend_from_slice(&bytes);
        let (fixed, fields) = preface.split_first_chunk_mut::<{ Preface::FIXED }>().unwrap();
        let size = u16::try_from(fields.len()).unwrap();
        fixed[22..].copy_from_slice(&size.to_le_bytes());
        if let Ok(preface) = Preface::decode(fixed, fields) {
            prop_assert!(preface.encode().is_ok());
        }
    }
}

#[test]
fn a_body_that_panics_leaves_nothing_behind() {
    struct Bomb;
    impl Body for Bomb {
        fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
            buffer.extend_from_slice(b"half");
            panic!("a user's type")
        }
    }
    let mut encoder = FrameEncoder::new(LIMIT);
    encoder.encode(Outgoing::Ping { nonce: 1 }).unwrap();
    let metadata = Metadata::new();
    let bomb = Outgoing::Reply { id: RequestId(1), metadata: &metadata, body: &Bomb };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| encoder.encode(bomb)));
    assert!(outcome.is_err());
    assert_eq!(encoder.queued(), 7);
    encoder.encode(Outgoing::Ping { nonce: 2 }).unwrap();
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    let decoded = decode_in_pieces(&batch.bytes, &[100], 10);
    assert_eq!(decoded, [Message::Ping { nonce: 1 }, Message::Ping { nonce: 2 }]);
}

#[test]
fn items_of_a_stream_that_follow_each_other_become_one_message() {
    let item = |id, body| Message::StreamData { id: RequestId(id), body: Bytes::from_static(body) };
    let ping = Message::Ping { nonce: 1 };
    let sent = [item(1, b"a"), item(1, b""), item(2, b"b"), ping, item(1, b"c"), item(1, b"d")];
    let mut bytes = encode(&sent);
    // Nothing is lost of what came before a bad frame.
    bytes.extend_from_slice(&[2, 0, 0, 0, 0, 0]);
    let mut buffer = BytesMut::from(&bytes[..]);
    let mut messages = Vec::new();
    let decoded = FrameDecoder::new(LIMIT).decode(&mut buffer, &mut messages, 10);
    assert_eq!(decoded, Err(WireError::Kind));
    assert_eq!(messages.iter().map(Message::count).collect::<Vec<_>>(), [2, 1, 1, 2]);
    assert_eq!(separate(messages), sent);
}

#[test]
fn small_replies_that_follow_each_other_become_one_message() {
    let reply = |id, length| Message::Reply {
        id: RequestId(id),
        metadata: Metadata::new(),
        body: Bytes::from(vec![7; length]),
    };
    let annotated = Message::Reply {
        id: RequestId(5),
        metadata: Metadata::new().with("a", "b"),
        body: Bytes::new(),
    };
    let item = Message::StreamData { id: RequestId(6), body: Bytes::from_static(b"item") };
    let (small, large) = (Replies::LONGEST, Replies::LONGEST + 1);
    let sent = [
        [reply(u64::MAX, 1), reply(1, small), reply(1 << 56, 0), reply(4, large)].as_slice(),
        &[reply(2, 0), annotated, reply(3, 2), reply(4, 2), item.clone(), item, reply(7, 3)],
    ]
    .concat();
    let mut bytes = encode(&sent);
    let mut buffer = BytesMut::from(&bytes[..]);
    let mut messages = Vec::new();
    FrameDecoder::new(LIMIT).decode(&mut buffer, &mut messages, 100).unwrap();
    assert_eq!(messages.iter().map(Message::count).collect::<Vec<_>>(), [3, 1, 1, 1, 2, 2, 1]);
    assert!(matches!(&messages[6], Message::Reply { .. }), "a single one is no list");
    assert_eq!(separate(messages), sent);
    // Nothing is lost of what came before a bad frame: here, a reply whose number does not end.
    bytes.extend_from_slice(&[4, 0, 0, 0, 2, 0, 0x80, 0x80]);
    let (mut buffer, mut messages) = (BytesMut::from(&bytes[..]), Vec::new());
    let decoded = FrameDecoder::new(LIMIT).decode(&mut buffer, &mut messages, 100);
    assert_eq!(decoded, Err(WireError::Truncated));
    assert_eq!(separate(messages), sent);
}

#[test]
fn a_body_shares_the_memory_it_arrived_in() {
    let reply = Message::Reply {
        id: RequestId(1),
        metadata: Metadata::new(),
        body: Bytes::from(vec![7; 5000]),
    };
    let mut buffer = BytesMut::from(&encode(&[reply])[..]);
    let arrived = buffer.as_ptr() as usize..buffer.as_ptr() as usize + buffer.len();
    let mut messages = Vec::new();
    FrameDecoder::new(LIMIT).decode(&mut buffer, &mut messages, 1).unwrap();
    let Message::Reply { body, .. } = &messages[0] else { panic!("a reply") };
    assert!(arrived.contains(&(body.as_ptr() as usize)));
}

fn encode(messages: &[Message]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(LIMIT);
    for message in messages {
        encoder.encode(outgoing(message)).unwrap();
    }
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    batch.bytes.to_vec()
}

/// Feeds `bytes` in pieces of the sizes in `cuts`, repeated.
fn decode_in_pieces(mut bytes: &[u8], cuts: &[usize], most: usize) -> Vec<Message> {
    let mut decoder = FrameDecoder::new(LIMIT);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for cut in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
        bytes = rest;
        buffer.extend_from_slice(piece);
        while decoder.decode(&mut buffer, &mut messages, most).unwrap() > 0 {}
    }
    assert!(buffer.is_empty());
    separate(messages)
}

/// Bytes that a message holds; none of them may be more than what arrived.
fn size(message: &Message) -> usize {
    match message {
        Message::Request { define, metadata, body, .. } => {
            let route = define.as_ref().map_or(0, |r| r.endpoint.len() + r.content_type.len());
            route + metadata.bytes() + body.len()
        }
        Message::Reply { metadata, body, .. } => metadata.bytes() + body.len(),
        Message::Replies { replies } => replies.bytes(),
        Message::Status { status, .. } => status.id.len() + status.detail.len(),
        _ => 0,
    }
}

/// Messages in which every slot is defined once, with its first use.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    vec(message(), 1..30).prop_map(|mut messages| {
        let mut defined = HashSet::new();
        for message in &mut messages {
            if let Message::Request { route, define, .. } = message {
                let first = defined.insert(*route);
                let named = Route { endpoint: format!("E.{}", route.0), content_type: "c".into() };
                *define = first.then(|| Box::new(named));
            }
        }
        messages
    })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => request(),
        4 => (any::<u64>(), metadata(), body())
            .prop_map(|(id, metadata, body)| Message::Reply { id: RequestId(id), metadata, body }),
        2 => (any::<u64>(), status(), proptest::option::of(refusal())).prop_map(
            |(id, status, refusal)| {
                Message::Status { id: RequestId(id), status: Box::new(status), refusal }
            }
        ),
        1 => any::<u64>().prop_map(|id| Message::Cancel { id: RequestId(id) }),
        2 => (any::<u64>(), body())
            .prop_map(|(id, body)| Message::StreamData { id: RequestId(id), body }),
        1 => any::<u64>().prop_map(|id| Message::StreamEnd { id: RequestId(id) }),
        1 => any::<(u64, u32, u32)>().prop_map(|(id, items, bytes)| {
            Message::StreamCredit { id: RequestId(id), items, bytes }
        }),
        1 => any::<u64>().prop_map(|nonce| Message::Ping { nonce }),
        1 => any::<u64>().prop_map(|nonce| Message::Pong { nonce }),
        1 => Just(Message::GoAway { reason: GoAway::Draining }),
        1 => "\\PC{0,40}".prop_map(|why| Message::GoAway { reason: GoAway::Error(why) }),
    ]
}

fn request() -> impl Strategy<Value = Message> {
    let slot = prop_oneof![0u32..4, 0..RouteSlot::MAX];
    let time_left = proptest::option::of(any::<u64>().prop_map(Duration::from_micros));
    (any::<u64>(), any::<[bool; 2]>(), slot, time_left, metadata(), body()).prop_map(
        |(id, [one_way, stream], slot, time_left, metadata, body)| Message::Request {
            id: RequestId(id),
            one_way,
            stream,
            route: RouteSlot(slot),
            define: None,
            time_left,
            metadata,
            body,
        },
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    vec(("\\PC{0,10}", "\\PC{0,20}"), 0..5).prop_map(Metadata::from_iter)
}

fn body() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..2000)].prop_map(Bytes::from)
}

fn status() -> impl Strategy<Value = Status> {
    ("\\PC{0,20}", any::<u16>(), "\\PC{0,40}")
        .prop_map(|(id, code, detail)| Status::new(id, code, detail))
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::Other),
        Just(Refusal::Draining),
        any::<u64>()
            .prop_map(|micros| Refusal::Overloaded { retry_after: Duration::from_micros(micros) }),
        Just(Refusal::UnknownEndpoint),
        Just(Refusal::UnknownContentType),
        Just(Refusal::Undecodable),
        Just(Refusal::TooLarge),
        Just(Refusal::Expired),
        Just(Refusal::Cancelled),
        Just(Refusal::OtherTypes),
    ]
}
