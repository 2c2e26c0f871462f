//! Golden vectors: bytes that no version may change.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_actors::message::{GoAway, Message, Refusal, RequestId, Route, RouteSlot};
use callboard_actors::testing::transport::{outgoing, separate};
use callboard_actors::transport::{Batch, Encoder, Hello};
use callboard_actors::{Metadata, Status};

use super::{FrameDecoder, FrameEncoder, Preface, WireError};

#[test]
fn a_preface_is_these_bytes() {
    let mut hello = Hello::new("greeter", "g-1", 300);
    hello.max_frame = 0x0040_0000;
    hello.max_in_flight = 1024;
    let preface = Preface::new(hello);
    let golden = "cb434244 01 01 0100000000000000 00004000 00040000 1200 \
                  01 07 67726565746572 02 03 672d31 03 02 ac02";
    assert_eq!(hex(&preface.encode().unwrap()), golden.replace(' ', ""));
    let bytes = unhex(golden);
    let (fixed, fields) = bytes.split_first_chunk().unwrap();
    assert_eq!(Preface::decode(fixed, fields).unwrap(), preface);
}

#[test]
fn a_first_request_is_these_bytes() {
    both_ways(
        &[Message::Request {
            id: RequestId(1),
            one_way: false,
            stream: false,
            route: RouteSlot(0),
            define: Some(Box::new(Route {
                endpoint: "A.B".into(),
                content_type: "application/json".into(),
            })),
            time_left: Some(Duration::from_secs(5)),
            metadata: Metadata::new().with("k", "vé"),
            body: Bytes::from_static(b"{}"),
        }],
        "26000000 01 07 01 00 c096b102 03412e42 10 6170706c69636174696f6e2f6a736f6e \
         01 01 6b 03 76c3a9 7b7d",
    );
}

#[test]
fn a_repeated_request_is_these_bytes() {
    both_ways(
        &[
            Message::Request {
                id: RequestId(1),
                one_way: false,
                stream: false,
                route: RouteSlot(129),
                define: Some(Box::new(Route { endpoint: "Ab".into(), content_type: "Cb".into() })),
                time_left: None,
                metadata: Metadata::new(),
                body: Bytes::new(),
            },
            Message::Request {
                id: RequestId(300),
                one_way: true,
                stream: false,
                route: RouteSlot(129),
                define: None,
                time_left: None,
                metadata: Metadata::new(),
                body: Bytes::from_static(b"x"),
            },
        ],
        "0b000000 01 01 01 8101 02 4162 02 4362  07000000 01 08 ac02 8101 78",
    );
}

#[test]
fn replies_are_these_bytes() {
    both_ways(
        &[Message::Reply {
            id: RequestId(127),
            metadata: Metadata::new(),
            body: Bytes::from_static(b"ok"),
        }],
        "05000000 02 00 7f 6f6b",
    );
    both_ways(
        &[Message::Reply {
            id: RequestId(128),
            metadata: Metadata::new().with("a", "").with("b", "c"),
            body: Bytes::new(),
        }],
        "0c000000 02 04 8001 02 0161 00 0162 0163",
    );
}

#[test]
fn statuses_are_these_bytes() {
    let status = Box::new(Status::not_found("svc", "none"));
    both_ways(
        &[Message::Status { id: RequestId(2), status: status.clone(), refusal: None }],
        "18000000 03 00 02 9403 03737663 046e6f6e65 094e6f7420466f756e64",
    );
    let retry_after = Duration::from_millis(50);
    both_ways(
        &[Message::Status {
            id: RequestId(2),
            status,
            refusal: Some(Refusal::Overloaded { retry_after }),
        }],
        "1c000000 03 01 02 02 d08603 9403 03737663 046e6f6e65 094e6f7420466f756e64",
    );
}

#[test]
fn every_refusal_has_its_code() {
    let refusals = [
        Refusal::Other,
        Refusal::Draining,
        Refusal::Overloaded { retry_after: Duration::ZERO },
        Refusal::UnknownEndpoint,
        Refusal::UnknownContentType,
        Refusal::Undecodable,
        Refusal::TooLarge,
        Refusal::Expired,
        Refusal::Cancelled,
        Refusal::OtherTypes,
    ];
    for (code, refusal) in refusals.into_iter().enumerate() {
        let status =
            Status { id: String::new(), code: 0, detail: String::new(), status: String::new() };
        both_ways(
            &[Message::Status {
                id: RequestId(0),
                status: Box::new(status),
                refusal: Some(refusal),
            }],
            &format!("09000000 03 01 00 {code:02x} 00 00 00 00 00"),
        );
    }
}

#[test]
fn small_frames_are_these_bytes() {
    both_ways(&[Message::Cancel { id: RequestId(5) }], "03000000 04 00 05");
    both_ways(&[Message::Ping { nonce: 1 << 32 }], "07000000 05 00 8080808010");
    both_ways(&[Message::Pong { nonce: u64::MAX }], "0c000000 06 00 ffffffffffffffffff01");
    both_ways(&[Message::GoAway { reason: GoAway::Draining }], "04000000 07 00 00 00");
    let error = GoAway::Error("why".into());
    both_ways(&[Message::GoAway { reason: error }], "07000000 07 00 01 03 776879");
}

#[test]
fn a_stream_is_these_bytes() {
    let id = RequestId(300);
    both_ways(
        &[
            Message::Request {
                id,
                one_way: false,
                stream: true,
                route: RouteSlot(0),
                define: Some(Box::new(Route { endpoint: "A.B".into(), content_type: "c".into() })),
                time_left: None,
                metadata: Metadata::new(),
                body: Bytes::from_static(b"o"),
            },
            Message::StreamCredit { id, items: 32, bytes: 1024 * 1024 },
            Message::StreamData { id, body: Bytes::from_static(b"item") },
            Message::StreamData { id, body: Bytes::new() },
            Message::StreamEnd { id },
            Message::Reply { id, metadata: Metadata::new(), body: Bytes::new() },
        ],
        "0c000000 01 11 ac02 00 03412e42 0163 6f  08000000 0a 00 ac02 20 808040 \
         08000000 08 00 ac02 6974656d  04000000 08 00 ac02  04000000 09 00 ac02 \
         04000000 02 00 ac02",
    );
    let most = Message::StreamCredit { id: RequestId(0), items: u32::MAX, bytes: u32::MAX };
    let beyond = "0d000000 0a 00 00 ffffffff7f 8080808010";
    assert_eq!(decode(beyond), Ok(vec![most]), "read as the most");
}

#[test]
fn what_a_newer_peer_adds_is_skipped() {
    let pong = Message::Pong { nonce: 9 };
    let cases = [
        ("an extension", "07000000 06 80 03 010161 09"),
        ("a hint", "03000000 06 70 09"),
        ("an appended field", "05000000 06 00 09 abcd"),
        ("a reserved kind", "04000000 0b ff ff ff 03000000 06 00 09"),
        ("an unknown kind", "02000000 ff 80 03000000 06 00 09"),
    ];
    for (what, bytes) in cases {
        assert_eq!(decode(bytes), Ok(vec![pong.clone()]), "{what}");
    }
    let unknown_reason = Message::GoAway { reason: GoAway::Draining };
    assert_eq!(decode("04000000 07 00 09 00"), Ok(vec![unknown_reason]));
    let status = decode("09000000 03 01 00 63 05 00 00 00 00").unwrap();
    assert!(matches!(status[..], [Message::Status { refusal: Some(Refusal::Other), .. }]));
}

#[test]
fn what_is_not_the_protocol_is_refused() {
    let define = "08000000 01 01 01 00 0141 0142";
    let cases = [
        ("01000000 05", WireError::Length { length: 1, limit: 1024 }),
        ("00000000", WireError::Length { length: 0, limit: 1024 }),
        ("01040000", WireError::Length { length: 1025, limit: 1024 }),
        ("ffffffff", WireError::Length { length: 0xFFFF_FFFF, limit: 1024 }),
        ("02000000 00 00", WireError::Kind),
        ("02000000 05 00", WireError::Truncated),
        ("03000000 05 00 80", WireError::Truncated),
        ("03000000 05 80 05", WireError::Truncated),
        ("03000000 05 01 05", WireError::Flags { kind: 5, flags: 1 }),
        ("03000000 02 01 05", WireError::Flags { kind: 2, flags: 1 }),
        ("0d000000 05 00 ffffffffffffffffffff01", WireError::Varint),
        ("04000000 08 01 01 41", WireError::Flags { kind: 8, flags: 1 }),
        ("04000000 0a 00 01 01", WireError::Truncated),
        ("04000000 01 00 01 00", WireError::UndefinedSlot(0)),
        ("14000000 01 00 01 00 00000000 00000000 00000000 00000000", WireError::UndefinedSlot(0)),
        ("05000000 01 00 01 8020", WireError::Slot(4096)),
        ("06000000 07 00 01 02 c328", WireError::Text),
        ("07000000 07 00 01 02 c328 00", WireError::Text),
        ("04000000 02 04 01 41", WireError::Metadata),
        ("0b000000 03 00 00 808004 00 00 00 0000", WireError::StatusCode(65536)),
    ];
    for (bytes, error) in cases {
        assert_eq!(decode(bytes), Err(error), "{bytes}");
    }
    assert_eq!(decode(&format!("{define} {define}")), Err(WireError::RedefinedSlot(0)));
}

/// Encodes `messages`, compares with `golden`, and decodes that again.
fn both_ways(messages: &[Message], golden: &str) {
    let mut encoder = FrameEncoder::new(1024);
    for message in messages {
        encoder.encode(outgoing(message)).unwrap();
    }
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    assert_eq!(hex(&batch.bytes), golden.replace(' ', ""));
    assert_eq!(decode(golden).as_deref(), Ok(messages));
}

fn decode(golden: &str) -> Result<Vec<Message>, WireError> {
    let mut buffer = BytesMut::from(&unhex(golden)[..]);
    let mut decoder = FrameDecoder::new(1024);
    let mut messages = Vec::new();
    while decoder.decode(&mut buffer, &mut messages, 16)? > 0 {}
    assert!(buffer.is_empty(), "the last frame is whole");
    Ok(separate(messages))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
