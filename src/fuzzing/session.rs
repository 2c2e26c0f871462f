//! A native connection to a real node: whatever frames come, in whatever order, each request is
//! answered at most once, and once if nothing is wrong with the connection.

use std::collections::HashMap;

use bytes::BytesMut;
use callboard_actors::message::{Message, RequestId};
use callboard_actors::testing::transport::separate;
use callboard_actors::transport::Hello;

use super::stage::{Silence, Stage};
use crate::wire::{FrameDecoder, Preface, WireError};

thread_local! {
    static STAGE: Stage = Stage::new();
}

/// Frames on a connection to a node; a preface is put before them unless there is one.
pub fn session(bytes: &[u8]) {
    let with_preface;
    let bytes = if bytes.starts_with(&Preface::MAGIC) {
        bytes
    } else {
        with_preface = [&ours()[..], bytes].concat();
        &with_preface
    };
    let heard = STAGE.with(|stage| stage.say(bytes, Silence::Ends));
    let Some(frames) = after_preface(&heard.bytes) else {
        let is_greeting = after_preface(bytes).is_some();
        assert!(heard.bytes.is_empty() && !is_greeting, "no preface: {:?}", heard.bytes);
        return;
    };
    let (answers, error) = read(frames, u32::MAX);
    assert_eq!(error, None, "the node's own frames are wrong: {answers:?}");
    if let Some(frames) = after_preface(bytes) {
        compare(frames, &answers);
    }
}

/// Counts answers by id.
fn compare(frames: &[u8], answers: &[Message]) {
    let (said, error) = read(frames, LIMIT);
    let is_in_order = error.is_none() && !said.iter().any(is_disorder);
    let mut asked: HashMap<RequestId, Asked> = HashMap::new();
    for message in &said {
        match message {
            Message::Request { id, one_way, stream, .. } => {
                let asked = asked.entry(*id).or_default();
                asked.times += usize::from(!one_way);
                asked.is_unsure |= *stream;
            }
            Message::Cancel { id } => asked.entry(*id).or_default().is_unsure = true,
            _ => {}
        }
    }
    let mut answered: HashMap<RequestId, usize> = HashMap::new();
    for message in answers {
        if let Message::Reply { id, .. } | Message::Status { id, .. } = message {
            *answered.entry(*id).or_default() += 1;
        }
    }
    for (id, times) in &answered {
        let most = asked.get(id).map_or(0, |asked| asked.times);
        assert!(*times <= most, "{times} answers to {id:?}, which was asked {most} times");
    }
    for (id, asked) in asked.iter().filter(|(_, asked)| is_in_order && !asked.is_unsure) {
        let times = answered.get(id).copied().unwrap_or(0);
        assert_eq!(times, asked.times, "answers to {id:?}");
    }
}

/// How often something was asked, and whether that was a stream or cancelled: those may never be
/// answered.
#[derive(Default)]
struct Asked {
    times: usize,
    is_unsure: bool,
}

/// What may end a connection although it is well written: streams have their own rules of order.
fn is_disorder(message: &Message) -> bool {
    matches!(
        message,
        Message::GoAway { .. }
            | Message::StreamData { .. }
            | Message::StreamItems { .. }
            | Message::StreamEnd { .. }
    )
}

fn ours() -> Vec<u8> {
    let preface = Preface::new(Hello::new("fuzz", "fuzz-1", 1)).encode();
    preface.expect("two short names fit into a preface")
}

/// What follows a whole preface of a version that both speak.
fn after_preface(bytes: &[u8]) -> Option<&[u8]> {
    let (fixed, rest) = bytes.split_first_chunk::<{ Preface::FIXED }>()?;
    let (fields, frames) = rest.split_at_checked(Preface::fields_size(fixed).ok()?)?;
    Preface::decode(fixed, fields).ok()?.version().ok()?;
    Some(frames)
}

fn read(frames: &[u8], limit: u32) -> (Vec<Message>, Option<WireError>) {
    let mut decoder = FrameDecoder::new(limit);
    let (mut buffer, mut messages) = (BytesMut::from(frames), Vec::new());
    loop {
        match decoder.decode(&mut buffer, &mut messages, 100) {
            Ok(0) => return (separate(messages), None),
            Ok(_) => {}
            Err(error) => return (separate(messages), Some(error)),
        }
    }
}

/// The largest frame that a node takes by default.
const LIMIT: u32 = 4 * 1024 * 1024;
