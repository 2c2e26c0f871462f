//! The native wire's bytes: the preface, and frames however they are cut.

use bytes::BytesMut;
use callboard_actors::message::Message;
use callboard_actors::testing::transport::{outgoing, separate};
use callboard_actors::transport::{Batch, Encoder};

use crate::wire::{FrameDecoder, FrameEncoder, Preface, WireError};

/// A preface, if the bytes begin as one, and frames.
///
/// The frames are read in one piece, and in pieces whose size the first byte gives.
pub fn native(bytes: &[u8]) {
    let frames = preface(bytes);
    let (messages, error) = read(frames, frames.len().max(1), 100);
    assert!(messages.iter().map(size).sum::<usize>() <= frames.len());
    let piece = usize::from(*frames.first().unwrap_or(&0)) + 1;
    assert_eq!(read(frames, piece, piece % 5 + 1), (messages, error));

    let (messages, _) = read(frames, frames.len().max(1), 100);
    let mut encoder = FrameEncoder::new(LIMIT);
    for message in &messages {
        if let Err(error) = encoder.encode(outgoing(message)) {
            panic!("{error}: {message:?}");
        }
    }
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    // The shortest form of everything.
    assert!(batch.bytes.len() <= frames.len());
    assert_eq!(read(&batch.bytes, batch.bytes.len().max(1), 7), (messages, None));
}

/// Reads what may be a preface; returns what follows it.
fn preface(bytes: &[u8]) -> &[u8] {
    let Some((fixed, rest)) = bytes.split_first_chunk::<{ Preface::FIXED }>() else { return bytes };
    let size = match Preface::fields_size(fixed) {
        Ok(size) => size,
        Err(WireError::Magic(_)) => return bytes,
        Err(error) => {
            assert!(matches!(error, WireError::Greeting(4097..)), "{error}");
            return rest;
        }
    };
    let Some((fields, frames)) = rest.split_at_checked(size) else { return rest };
    if let Ok(preface) = Preface::decode(fixed, fields) {
        let version = preface.version();
        assert_eq!(version.is_ok(), (preface.min_version..=preface.max_version).contains(&1));
        let written = preface.encode();
        let written = written.unwrap_or_else(|error| panic!("{error}: {preface:?}"));
        let Some((fixed, fields)) = written.split_first_chunk() else { panic!("{written:?}") };
        assert_eq!(Preface::decode(fixed, fields), Ok(preface));
    }
    frames
}

/// Reads frames that arrive in pieces: all messages, and what was wrong with the one after them.
fn read(bytes: &[u8], piece: usize, most: usize) -> (Vec<Message>, Option<WireError>) {
    let mut decoder = FrameDecoder::new(LIMIT);
    let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            assert!(decoder.missing(&buffer) <= LIMIT as usize + crate::wire::LENGTH_BYTES);
            match decoder.decode(&mut buffer, &mut messages, most) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return (separate(messages), Some(error)),
            }
        }
    }
    (separate(messages), None)
}

/// Bytes that a message holds; none of them may be more than what arrived.
fn size(message: &Message) -> usize {
    match message {
        Message::Request { define, metadata, body, .. } => {
            let route = define.as_ref().map_or(0, |it| it.endpoint.len() + it.content_type.len());
            route + metadata.bytes() + body.len()
        }
        Message::Reply { metadata, body, .. } => metadata.bytes() + body.len(),
        Message::Status { status, .. } => {
            status.id.len() + status.detail.len() + status.status.len()
        }
        Message::StreamData { body, .. } => body.len(),
        _ => 0,
    }
}

const LIMIT: u32 = 64 * 1024;
