//! Makes owned messages of borrowed ones, within the peer's limits.

use bytes::{Bytes, BytesMut};

use super::{Batch, Encoder, TransportError};
use crate::message::{Body, GoAway, Message, Outgoing, RouteSlot};
use crate::metadata::Metadata;

/// Collects messages as they are, for transports that do not send frames; positions count messages.
///
/// ```
/// use callboard_actors::message::Outgoing;
/// use callboard_actors::transport::{Encoder, OwnedMessages};
///
/// let mut encoder = OwnedMessages::new(1024);
/// assert_eq!(encoder.encode(Outgoing::Ping { nonce: 7 })?, 1);
/// # Ok::<(), callboard_actors::transport::TransportError>(())
/// ```
#[derive(Debug)]
pub struct OwnedMessages {
    messages: Vec<Message>,
    queued: usize,
    taken: u64,
    max_frame: usize,
    /// Bytes of the largest body of late; the next one is given as much room from the beginning.
    room: usize,
}

impl OwnedMessages {
    /// Creates one that refuses messages of more than about `max_frame` bytes.
    pub fn new(max_frame: u32) -> Self {
        let max_frame = usize::try_from(max_frame).unwrap_or(usize::MAX);
        Self { messages: Vec::new(), queued: 0, taken: 0, max_frame, room: 0 }
    }
}

impl Encoder for OwnedMessages {
    fn encode(&mut self, message: Outgoing<'_>) -> Result<u64, TransportError> {
        let message = own(message, &mut self.room)?;
        let size = size(&message);
        if size > self.max_frame {
            return Err(TransportError::TooLarge { size, limit: self.max_frame });
        }
        self.queued += size;
        self.messages.push(message);
        Ok(self.taken + self.messages.len() as u64)
    }

    fn queued(&self) -> usize {
        self.queued
    }

    fn take(&mut self, batch: &mut Batch) {
        debug_assert!(batch.is_empty(), "a batch is taken when the last one has been sent");
        self.taken += self.messages.len() as u64;
        self.queued = 0;
        std::mem::swap(&mut self.messages, &mut batch.messages);
    }
}

/// About as many bytes as the native wire would take.
pub(super) fn size(message: &Message) -> usize {
    HEADER
        + match message {
            Message::Request { define, metadata, body, .. } => {
                let route = define.as_ref().map_or(0, |r| r.endpoint.len() + r.content_type.len());
                route + metadata_size(metadata) + body.len()
            }
            Message::Reply { metadata, body, .. } => metadata_size(metadata) + body.len(),
            Message::Status { status, .. } => {
                status.id.len() + status.detail.len() + status.status.len()
            }
            Message::StreamData { body, .. } => body.len(),
            Message::GoAway { reason: GoAway::Error(detail) } => detail.len(),
            _ => 0,
        }
}

fn metadata_size(metadata: &Metadata) -> usize {
    metadata.bytes() + metadata.len() * 4
}

fn own(message: Outgoing<'_>, room: &mut usize) -> Result<Message, TransportError> {
    Ok(match message {
        Outgoing::Request { id, one_way, stream, route, define, time_left, metadata, body } => {
            if route.0 >= RouteSlot::MAX {
                let reason = format!("route slot {} exceeds {}", route.0, RouteSlot::MAX - 1);
                return Err(TransportError::Encode(reason));
            }
            let define = define.cloned().map(Box::new);
            let (metadata, body) = (checked(metadata)?, encoded(body, room)?);
            Message::Request { id, one_way, stream, route, define, time_left, metadata, body }
        }
        Outgoing::Reply { id, metadata, body } => {
            Message::Reply { id, metadata: checked(metadata)?, body: encoded(body, room)? }
        }
        Outgoing::Status { id, status, refusal } => {
            Message::Status { id, status: Box::new(status.clone()), refusal }
        }
        Outgoing::Cancel { id } => Message::Cancel { id },
        Outgoing::StreamData { id, body } => Message::StreamData { id, body: encoded(body, room)? },
        Outgoing::StreamEnd { id } => Message::StreamEnd { id },
        Outgoing::StreamCredit { id, items, bytes } => Message::StreamCredit { id, items, bytes },
        Outgoing::Ping { nonce } => Message::Ping { nonce },
        Outgoing::Pong { nonce } => Message::Pong { nonce },
        Outgoing::GoAway { reason } => Message::GoAway { reason: reason.clone() },
    })
}

/// Codecs write a few bytes at a time: a buffer that has room for all of them does not grow.
fn encoded(body: &dyn Body, room: &mut usize) -> Result<Bytes, TransportError> {
    let mut buffer = BytesMut::with_capacity(*room);
    body.encode(&mut buffer).map_err(TransportError::Encode)?;
    // A body keeps the whole buffer alive, so that it is not to be much larger.
    *room = buffer.len().max(*room / 2).min(ROOM_MOST);
    Ok(buffer.freeze())
}

fn checked(metadata: &Metadata) -> Result<Metadata, TransportError> {
    TransportError::check_metadata(metadata)?;
    Ok(metadata.clone())
}

/// Room for a body in advance, at most.
const ROOM_MOST: usize = 4096;

/// What a header takes at least, roughly.
const HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RequestId;

    /// A body of this many bytes, written one by one.
    struct Bit(usize);

    impl Body for Bit {
        fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
            (0..self.0).for_each(|_| buffer.extend_from_slice(b"x"));
            Ok(())
        }
    }

    #[test]
    fn a_body_has_as_much_room_as_those_before_it_took_and_soon_no_more() {
        let mut encoder = OwnedMessages::new(u32::MAX);
        let metadata = Metadata::new();
        for (length, room) in [(100, 100), (10, 50), (10, 25), (10, 12), (10_000, ROOM_MOST)] {
            let (id, body) = (RequestId(1), &Bit(length));
            encoder.encode(Outgoing::Reply { id, metadata: &metadata, body }).unwrap();
            assert_eq!(encoder.room, room);
        }
    }
}
