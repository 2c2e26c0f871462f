//! Frames to messages.
//!
//! Pure.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_actors::message::{GoAway, Message, Refusal, RequestId, Route, RouteSlot};
use callboard_actors::{Metadata, Status};

use super::run::{Run, body};
use super::varint::Fields;
use super::{
    CANCEL, DEFINE, ERROR, EXTENDED, GO_AWAY, LAYOUT, LENGTH_BYTES, METADATA, ONE_WAY, PING, PONG,
    REFUSAL, REPLY, REQUEST, STATUS, STREAM, STREAM_CREDIT, STREAM_DATA, STREAM_END, TIME_LEFT,
    WireError,
};

/// Takes frames from the front of a receive buffer.
///
/// Bodies are not copied: they share the memory of the buffer they arrived in.
///
/// ```
/// use bytes::BytesMut;
/// use callboard::wire::FrameDecoder;
///
/// let mut messages = Vec::new();
/// let mut half = BytesMut::from(&[3, 0, 0, 0, 5][..]);
/// let decoded = FrameDecoder::new(4096).decode(&mut half, &mut messages, 10).unwrap();
/// assert_eq!((decoded, half.len()), (0, 5), "the rest of the frame is still to come");
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    max_frame: usize,
    slots: DefinedSlots,
}

impl FrameDecoder {
    /// Creates a decoder that accepts frames up to `max_frame` bytes.
    #[must_use]
    pub fn new(max_frame: u32) -> Self {
        let max_frame = usize::try_from(max_frame).unwrap_or(usize::MAX);
        Self { max_frame, slots: DefinedSlots::default() }
    }

    /// Takes whole frames, at most `most`, and appends their messages.
    ///
    /// Items of one stream that follow each other become one
    /// [`StreamItems`](Message::StreamItems), and small replies without metadata that do become one
    /// [`Replies`](Message::Replies).
    ///
    /// Returns the number of bytes taken; 0 means that the first frame is not whole. Frames that
    /// are skipped count as taken and append nothing.
    ///
    /// # Errors
    /// Messages before the offending frame have been appended. The decoder is of no use afterwards.
    pub fn decode(
        &mut self,
        buffer: &mut BytesMut,
        messages: &mut Vec<Message>,
        most: usize,
    ) -> Result<usize, WireError> {
        self.decode_until(buffer, messages, most, usize::MAX)
    }

    /// As [`decode`](Self::decode), and no further frame once those taken are `enough` bytes.
    pub(crate) fn decode_until(
        &mut self,
        buffer: &mut BytesMut,
        messages: &mut Vec<Message>,
        most: usize,
        enough: usize,
    ) -> Result<usize, WireError> {
        let taken = self.whole_frames(buffer, most, enough)?;
        if taken == 0 {
            return Ok(0);
        }
        let chunk = buffer.split_to(taken).freeze();
        let mut run = Run::new(&chunk, messages);
        let mut at = 0;
        while at < taken {
            let start = at + LENGTH_BYTES;
            let end = start + announced(&chunk[at..]).unwrap_or(0);
            let decoded = match plain_reply(&chunk[start..end]) {
                Some((id, length)) => {
                    run.reply(id, start + length..end);
                    Ok(())
                }
                None => self.message(&chunk, start..end, &mut run),
            };
            if decoded.is_err() {
                run.end();
            }
            decoded?;
            at = end;
        }
        run.end();
        Ok(taken)
    }

    /// How many bytes the first frame lacks; 0 when it is whole or cannot become so.
    #[must_use]
    pub fn missing(&self, buffer: &[u8]) -> usize {
        match announced(buffer) {
            None => LENGTH_BYTES - buffer.len(),
            Some(length) if !self.accepts(length) => 0,
            Some(length) => (LENGTH_BYTES + length).saturating_sub(buffer.len()),
        }
    }

    /// The end of the last whole frame, or of the one that ends at `enough` bytes or behind. Stops
    /// before a bad one, and fails when it is the first.
    fn whole_frames(&self, buffer: &[u8], most: usize, enough: usize) -> Result<usize, WireError> {
        let mut end = 0;
        for _ in 0..most {
            let Some(length) = announced(&buffer[end..]) else { break };
            if !self.accepts(length) {
                if end == 0 {
                    return Err(WireError::Length { length, limit: self.max_frame });
                }
                break;
            }
            if buffer.len() - end - LENGTH_BYTES < length {
                break;
            }
            end += LENGTH_BYTES + length;
            if end >= enough {
                break;
            }
        }
        Ok(end)
    }

    fn accepts(&self, length: usize) -> bool {
        (2..=self.max_frame).contains(&length)
    }

    /// Reads one frame; nothing is added when it is of a kind to skip.
    #[inline]
    fn message(
        &mut self,
        chunk: &Bytes,
        frame: Range<usize>,
        run: &mut Run<'_>,
    ) -> Result<(), WireError> {
        let mut fields = Fields::new(&chunk[frame.clone()]);
        let kind = fields.byte()?;
        let flags = fields.byte()?;
        if let Some(layout) = layout_flags(kind)
            && flags & LAYOUT & !layout != 0
        {
            return Err(WireError::Flags { kind, flags });
        }
        if flags & EXTENDED != 0 && layout_flags(kind).is_some() {
            fields.block()?;
        }
        let place = |fields: &Fields<'_>| frame.start + fields.position()..frame.end;
        let body = |fields: &Fields<'_>| body(chunk, place(fields));
        let message = match kind {
            REQUEST => return self.request(flags, &mut fields, body, run),
            REPLY => {
                let id = RequestId(fields.varint()?);
                if flags & METADATA == 0 {
                    run.reply(id, place(&fields));
                    return Ok(());
                }
                let metadata = pairs(&mut fields)?;
                Message::Reply { id, metadata, body: body(&fields) }
            }
            STATUS => status(flags, &mut fields)?,
            CANCEL => Message::Cancel { id: RequestId(fields.varint()?) },
            STREAM_DATA => {
                let id = RequestId(fields.varint()?);
                run.item(id, place(&fields));
                return Ok(());
            }
            STREAM_END => Message::StreamEnd { id: RequestId(fields.varint()?) },
            STREAM_CREDIT => credit(&mut fields)?,
            PING => Message::Ping { nonce: fields.varint()? },
            PONG => Message::Pong { nonce: fields.varint()? },
            GO_AWAY => Message::GoAway { reason: go_away(&mut fields)? },
            0 => return Err(WireError::Kind),
            _ => return Ok(()),
        };
        run.other(message);
        Ok(())
    }

    #[inline]
    fn request(
        &mut self,
        flags: u8,
        fields: &mut Fields<'_>,
        body: impl Fn(&Fields<'_>) -> Bytes,
        run: &mut Run<'_>,
    ) -> Result<(), WireError> {
        let id = RequestId(fields.varint()?);
        let route = slot(fields.varint()?)?;
        let time_left = match flags & TIME_LEFT {
            0 => None,
            _ => Some(Duration::from_micros(fields.varint()?)),
        };
        let define = match flags & DEFINE {
            0 => None,
            _ => Some(Box::new(Route {
                endpoint: fields.text()?.to_owned(),
                content_type: fields.text()?.to_owned(),
            })),
        };
        self.slots.check(route, define.is_some())?;
        let metadata = metadata(flags, fields)?;
        let one_way = flags & ONE_WAY != 0;
        let stream = flags & STREAM != 0;
        let body = body(fields);
        run.other(Message::Request {
            id,
            one_way,
            stream,
            route,
            define,
            time_left,
            metadata,
            body,
        });
        Ok(())
    }
}

/// Which route slots the peer has defined: one bit each, as many words as needed.
#[derive(Debug, Default)]
struct DefinedSlots(Vec<u64>);

impl DefinedSlots {
    #[inline]
    fn check(&mut self, slot: RouteSlot, defines: bool) -> Result<(), WireError> {
        let (word, bit) = ((slot.0 / 64) as usize, 1u64 << (slot.0 % 64));
        let known = self.0.get(word).is_some_and(|bits| bits & bit != 0);
        match (known, defines) {
            (true, false) => Ok(()),
            (true, true) => Err(WireError::RedefinedSlot(slot.0)),
            (false, false) => Err(WireError::UndefinedSlot(slot.0)),
            (false, true) => {
                if self.0.len() <= word {
                    self.0.resize(word + 1, 0);
                }
                self.0[word] |= bit;
                Ok(())
            }
        }
    }
}

/// What a frame replies to, and its bytes before the body, if it is a reply with nothing beside it.
#[inline]
fn plain_reply(frame: &[u8]) -> Option<(RequestId, usize)> {
    let [REPLY, 0, fields @ ..] = frame else { return None };
    let mut fields = Fields::new(fields);
    let id = fields.varint().ok()?;
    Some((RequestId(id), 2 + fields.position()))
}

/// The length that a frame announces, once its length field is whole.
#[inline]
fn announced(buffer: &[u8]) -> Option<usize> {
    let (length, _) = buffer.split_first_chunk::<LENGTH_BYTES>()?;
    Some(usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX))
}

/// The layout flags that a known kind defines.
fn layout_flags(kind: u8) -> Option<u8> {
    match kind {
        REQUEST => Some(DEFINE | TIME_LEFT | METADATA | ONE_WAY),
        REPLY => Some(METADATA),
        STATUS => Some(REFUSAL),
        CANCEL | PING | PONG | GO_AWAY | STREAM_DATA | STREAM_END | STREAM_CREDIT => Some(0),
        _ => None,
    }
}

#[inline]
fn slot(number: u64) -> Result<RouteSlot, WireError> {
    match u32::try_from(number) {
        Ok(slot) if slot < RouteSlot::MAX => Ok(RouteSlot(slot)),
        _ => Err(WireError::Slot(number)),
    }
}

#[inline]
fn metadata(flags: u8, fields: &mut Fields<'_>) -> Result<Metadata, WireError> {
    if flags & METADATA == 0 { Ok(Metadata::new()) } else { pairs(fields) }
}

fn pairs(fields: &mut Fields<'_>) -> Result<Metadata, WireError> {
    let count = fields.varint()?;
    if count > Metadata::MAX_ENTRIES as u64 {
        return Err(WireError::Metadata);
    }
    let mut metadata = Metadata::new();
    let mut size = 0;
    for _ in 0..count {
        let (name, value) = (fields.text()?, fields.text()?);
        size += name.len() + value.len();
        if size > Metadata::MAX_BYTES {
            return Err(WireError::Metadata);
        }
        metadata.put(name, value);
    }
    Ok(metadata)
}

fn status(flags: u8, fields: &mut Fields<'_>) -> Result<Message, WireError> {
    let id = RequestId(fields.varint()?);
    let refusal = match flags & REFUSAL {
        0 => None,
        _ => Some(refusal(fields.byte()?, Duration::from_micros(fields.varint()?))),
    };
    let code = fields.varint()?;
    let status = Status {
        code: u16::try_from(code).map_err(|_| WireError::StatusCode(code))?,
        id: fields.text()?.to_owned(),
        detail: fields.text()?.to_owned(),
        status: fields.text()?.to_owned(),
    };
    Ok(Message::Status { id, status: Box::new(status), refusal })
}

fn refusal(code: u8, retry_after: Duration) -> Refusal {
    match code {
        1 => Refusal::Draining,
        2 => Refusal::Overloaded { retry_after },
        3 => Refusal::UnknownEndpoint,
        4 => Refusal::UnknownContentType,
        5 => Refusal::Undecodable,
        6 => Refusal::TooLarge,
        7 => Refusal::Expired,
        8 => Refusal::Cancelled,
        9 => Refusal::OtherTypes,
        _ => Refusal::Other,
    }
}

fn credit(fields: &mut Fields<'_>) -> Result<Message, WireError> {
    let id = RequestId(fields.varint()?);
    let mut count = || Ok::<_, WireError>(u32::try_from(fields.varint()?).unwrap_or(u32::MAX));
    Ok(Message::StreamCredit { id, items: count()?, bytes: count()? })
}

fn go_away(fields: &mut Fields<'_>) -> Result<GoAway, WireError> {
    let reason = fields.byte()?;
    let detail = fields.text()?;
    Ok(if reason == ERROR { GoAway::Error(detail.to_owned()) } else { GoAway::Draining })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_of_a_peer_collapse() {
        let frame = [14, 0, 0, 0, REPLY, METADATA, 7, 3, 1, b'a', 0, 1, b'b', 0, 1, b'A', 1, b'x'];
        let mut buffer = BytesMut::from(&frame[..]);
        let mut messages = Vec::new();
        FrameDecoder::new(4096).decode(&mut buffer, &mut messages, 1).unwrap();
        let metadata = Metadata::new().with("a", "x").with("b", "");
        assert_eq!(messages, [Message::Reply { id: RequestId(7), metadata, body: Bytes::new() }]);
    }
}
