//! Messages to frames.
//!
//! Pure.

use std::time::Duration;

use bytes::BytesMut;
use callboard_actors::message::{Body, GoAway, Outgoing, Refusal, RequestId, Route, RouteSlot};
use callboard_actors::transport::{Batch, Encoder, TransportError};
use callboard_actors::{Metadata, Status};

use super::errand::{Errands, micros};
use super::varint::{MAX_VARINT, varint_word, write_varint};
use super::{
    CANCEL, DEFINE, DRAINING, ERROR, GO_AWAY, LENGTH_BYTES, METADATA, ONE_WAY, PING, PONG, REFUSAL,
    REPLY, REQUEST, STATUS, STREAM, STREAM_CREDIT, STREAM_DATA, STREAM_END, TIME_LEFT,
};

/// Appends frames to one buffer.
///
/// ```
/// use callboard::actors::message::{Message, Outgoing};
/// use callboard::actors::transport::{Batch, Encoder};
/// use callboard::wire::{FrameDecoder, FrameEncoder};
///
/// let mut encoder = FrameEncoder::new(4096);
/// encoder.encode(Outgoing::Ping { nonce: 7 })?;
/// let mut batch = Batch::default();
/// encoder.take(&mut batch);
///
/// let mut messages = Vec::new();
/// FrameDecoder::new(4096).decode(&mut batch.bytes, &mut messages, 10).unwrap();
/// assert_eq!(messages, [Message::Ping { nonce: 7 }]);
/// # Ok::<(), callboard::actors::transport::TransportError>(())
/// ```
#[derive(Debug)]
pub struct FrameEncoder {
    buffer: BytesMut,
    /// Bytes of whole frames in the buffer; what lies behind is of a message that failed.
    whole: usize,
    /// Bytes taken since the connection's start.
    taken: u64,
    max_frame: usize,
    errands: Errands,
}

impl FrameEncoder {
    /// Creates an encoder for a peer that accepts frames up to `max_frame` bytes.
    #[must_use]
    pub fn new(max_frame: u32) -> Self {
        let max_frame = usize::try_from(max_frame).unwrap_or(usize::MAX);
        let errands = Errands::new();
        Self { buffer: BytesMut::new(), whole: 0, taken: 0, max_frame, errands }
    }

    fn frame(&mut self, message: &Outgoing<'_>) -> Result<(), TransportError> {
        match *message {
            Outgoing::Request { id, one_way, stream, route, define, time_left, metadata, body } => {
                let flags = request_flags((one_way, stream), define, time_left, metadata);
                self.put_head(REQUEST, flags, id.0);
                self.put_errand((route, time_left));
                self.request(route, define, metadata, body)
            }
            Outgoing::Reply { id, metadata, body } => {
                let flags = if metadata.is_empty() { 0 } else { METADATA };
                self.put_head(REPLY, flags, id.0);
                self.put_metadata(metadata)?;
                self.put_body(body)
            }
            Outgoing::Status { id, status, refusal } => {
                self.put_status(id, status, refusal);
                Ok(())
            }
            Outgoing::Cancel { id } => {
                self.put_head(CANCEL, 0, id.0);
                Ok(())
            }
            Outgoing::StreamData { id, body } => {
                self.put_head(STREAM_DATA, 0, id.0);
                self.put_body(body)
            }
            Outgoing::StreamEnd { id } => {
                self.put_head(STREAM_END, 0, id.0);
                Ok(())
            }
            Outgoing::StreamCredit { id, items, bytes } => {
                self.put_head(STREAM_CREDIT, 0, id.0);
                self.put_varint(items.into());
                self.put_varint(bytes.into());
                Ok(())
            }
            Outgoing::Ping { nonce } => {
                self.put_head(PING, 0, nonce);
                Ok(())
            }
            Outgoing::Pong { nonce } => {
                self.put_head(PONG, 0, nonce);
                Ok(())
            }
            Outgoing::GoAway { reason } => {
                let (code, detail) = match reason {
                    GoAway::Draining => (DRAINING, ""),
                    GoAway::Error(detail) => (ERROR, detail.as_str()),
                };
                self.buffer.extend_from_slice(&[0, 0, 0, 0, GO_AWAY, 0, code]);
                self.put_text(detail);
                Ok(())
            }
        }
    }

    fn request(
        &mut self,
        route: RouteSlot,
        define: Option<&Route>,
        metadata: &Metadata,
        body: &dyn Body,
    ) -> Result<(), TransportError> {
        if let Some(define) = define {
            if route.0 >= RouteSlot::MAX {
                let reason = format!("route slot {} exceeds {}", route.0, RouteSlot::MAX - 1);
                return Err(TransportError::Encode(reason));
            }
            self.put_text(&define.endpoint);
            self.put_text(&define.content_type);
        }
        self.put_metadata(metadata)?;
        self.put_body(body)
    }

    /// Begins a frame with a number; the length is written when it is whole.
    ///
    /// That is put together in a register. To copy what was just written byte by byte is what a
    /// processor waits for.
    #[inline]
    fn put_head(&mut self, kind: u8, flags: u8, number: u64) {
        const FIXED: usize = LENGTH_BYTES + 2;
        let (kind, flags) = (u128::from(kind) << (8 * LENGTH_BYTES), u128::from(flags));
        let mut word = kind | flags << (8 * (LENGTH_BYTES + 1));
        let mut end = self.buffer.len() + FIXED;
        let varint = varint_word(number);
        if let Some((bytes, length)) = varint {
            word |= u128::from(bytes) << (8 * FIXED);
            end += length;
        }
        self.buffer.extend_from_slice(&word.to_le_bytes());
        self.buffer.truncate(end);
        if varint.is_none() {
            self.put_varint(number);
        }
    }

    #[inline]
    fn put_errand(&mut self, errand: (RouteSlot, Option<Duration>)) {
        let (bytes, length) = self.errands.bytes(errand);
        // All of them, since that is one move.
        let end = self.buffer.len() + length;
        self.buffer.extend_from_slice(&bytes);
        self.buffer.truncate(end);
    }

    fn put_status(&mut self, id: RequestId, status: &Status, refusal: Option<Refusal>) {
        let flags = if refusal.is_some() { REFUSAL } else { 0 };
        self.put_head(STATUS, flags, id.0);
        if let Some(refusal) = refusal {
            let (code, retry_after) = refusal_code(refusal);
            self.buffer.extend_from_slice(&[code]);
            self.put_varint(micros(retry_after));
        }
        self.put_varint(u64::from(status.code));
        self.put_text(&status.id);
        self.put_text(&status.detail);
        self.put_text(&status.status);
    }

    fn put_varint(&mut self, value: u64) {
        let mut bytes = [0; MAX_VARINT];
        let length = write_varint(value, &mut bytes);
        self.buffer.extend_from_slice(&bytes[..length]);
    }

    fn put_text(&mut self, text: &str) {
        self.put_varint(text.len() as u64);
        self.buffer.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn put_metadata(&mut self, metadata: &Metadata) -> Result<(), TransportError> {
        if metadata.is_empty() {
            return Ok(());
        }
        TransportError::check_metadata(metadata)?;
        self.put_varint(metadata.len() as u64);
        for (name, value) in metadata.iter() {
            self.put_text(name);
            self.put_text(value);
        }
        Ok(())
    }

    #[inline]
    fn put_body(&mut self, body: &dyn Body) -> Result<(), TransportError> {
        body.encode(&mut self.buffer).map_err(TransportError::Encode)
    }

    /// Writes the length of the frame that follows the whole ones.
    fn seal(&mut self) -> Result<(), TransportError> {
        let body_was_shortened = || TransportError::Encode("the body shortened the buffer".into());
        let size = self.buffer.len().checked_sub(self.whole + LENGTH_BYTES);
        let size = size.ok_or_else(body_was_shortened)?;
        let Some(length) = u32::try_from(size).ok().filter(|_| size <= self.max_frame) else {
            return Err(TransportError::TooLarge { size, limit: self.max_frame });
        };
        self.buffer[self.whole..self.whole + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        self.whole = self.buffer.len();
        Ok(())
    }

    /// Removes what a failed message left behind.
    fn forget_failed(&mut self) {
        self.buffer.truncate(self.whole);
        if self.whole == 0 && self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = BytesMut::new();
        }
    }
}

impl Encoder for FrameEncoder {
    fn encode(&mut self, message: Outgoing<'_>) -> Result<u64, TransportError> {
        // A body that panicked left its half behind; the next message starts where it started.
        self.buffer.truncate(self.whole);
        match self.frame(&message).and_then(|()| self.seal()) {
            Ok(()) => Ok(self.taken + self.whole as u64),
            Err(error) => {
                self.forget_failed();
                Err(error)
            }
        }
    }

    fn queued(&self) -> usize {
        self.whole
    }

    fn take(&mut self, batch: &mut Batch) {
        debug_assert!(batch.is_empty(), "a batch is taken when the last one has been sent");
        self.buffer.truncate(self.whole);
        self.taken += self.whole as u64;
        self.whole = 0;
        if batch.bytes.capacity() > KEPT_CAPACITY {
            batch.bytes = BytesMut::new();
        }
        std::mem::swap(&mut self.buffer, &mut batch.bytes);
    }

    fn rest(&mut self) {
        if self.whole == 0 {
            self.buffer = BytesMut::new();
        }
    }
}

#[inline]
fn request_flags(
    (one_way, stream): (bool, bool),
    define: Option<&Route>,
    time_left: Option<Duration>,
    metadata: &Metadata,
) -> u8 {
    let mut flags = if one_way { ONE_WAY } else { 0 };
    if stream {
        flags |= STREAM;
    }
    if define.is_some() {
        flags |= DEFINE;
    }
    if time_left.is_some() {
        flags |= TIME_LEFT;
    }
    if !metadata.is_empty() {
        flags |= METADATA;
    }
    flags
}

/// The code of a refusal and its retry-after.
fn refusal_code(refusal: Refusal) -> (u8, Duration) {
    match refusal {
        Refusal::Draining => (1, Duration::ZERO),
        Refusal::Overloaded { retry_after } => (2, retry_after),
        Refusal::UnknownEndpoint => (3, Duration::ZERO),
        Refusal::UnknownContentType => (4, Duration::ZERO),
        Refusal::Undecodable => (5, Duration::ZERO),
        Refusal::TooLarge => (6, Duration::ZERO),
        Refusal::Expired => (7, Duration::ZERO),
        Refusal::Cancelled => (8, Duration::ZERO),
        Refusal::OtherTypes => (9, Duration::ZERO),
        _ => (0, Duration::ZERO),
    }
}

/// Largest buffer kept for the next batch, until the connection rests. Making one anew for each
/// large body costs more than sending it.
const KEPT_CAPACITY: usize = 4 * 1024 * 1024;
