//! Frames, byte by byte. Pure.
//!
//! ```text
//! length u32 │ kind u8 │ flags u8 │ number u16 │ id u64 │ rest
//! ```
//!
//! | kind | number | rest |
//! |---|---|---|
//! | request | of the route | time left u32 of µs, \[name, content type\], \[metadata\], value |
//! | reply | | \[metadata\], value |
//! | status | code | text |
//! | cancel | | |

use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

use super::{Error, FRAME_LIMIT, Message};
use crate::echo::Echo;

/// Pairs of text; nothing is allocated for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata(pub Option<Box<[(String, String)]>>);

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) number: u16,
    pub(super) id: u64,
}

pub(super) const REQUEST: u8 = 1;
pub(super) const REPLY: u8 = 2;
pub(super) const STATUS: u8 = 3;
pub(super) const CANCEL: u8 = 4;

/// The request defines its route.
pub(super) const DEFINES: u8 = 1;
pub(super) const HAS_METADATA: u8 = 2;

/// The only content type there is.
pub(super) const CONTENT_TYPE: &str = "application/x-bincode";

/// What a peer sends that is against the rules; the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A frame within bytes, and how long it is there.
pub(super) type Framed<'a> = (Head, &'a [u8], usize);

/// The first frame, if it is whole.
#[inline]
pub(super) fn first(bytes: &[u8]) -> Result<Option<Framed<'_>>, Broken> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let length = length_of(head)?;
    let Some(rest) = bytes.get(HEAD..length) else { return Ok(None) };
    let [_, _, _, _, kind, flags, number @ ..] = head;
    let [low, high, id @ ..] = number;
    let number = u16::from_le_bytes([*low, *high]);
    let head = Head { kind: *kind, flags: *flags, number, id: u64::from_le_bytes(*id) };
    Ok(Some((head, rest, length)))
}

/// How long the first frame is, as far as that is known.
pub(super) fn needed(bytes: &[u8]) -> Result<usize, Broken> {
    bytes.first_chunk::<HEAD>().map_or(Ok(HEAD), length_of)
}

fn length_of(head: &[u8; HEAD]) -> Result<usize, Broken> {
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if (HEAD - 4..=FRAME_LIMIT).contains(&length) { Ok(4 + length) } else { Err(Broken) }
}

/// Writes a frame whose rest `write` appends; nothing is left of one that is too long.
#[inline]
pub(super) fn put(
    out: &mut Vec<u8>,
    head: Head,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    let mut bytes = [0; HEAD];
    (bytes[4], bytes[5]) = (head.kind, head.flags);
    bytes[6..8].copy_from_slice(&head.number.to_le_bytes());
    bytes[8..].copy_from_slice(&head.id.to_le_bytes());
    out.extend_from_slice(&bytes);
    let written = write(out);
    let length = out.len() - start - 4;
    match (written, u32::try_from(length)) {
        (Ok(()), Ok(short)) if length <= FRAME_LIMIT => {
            out[start..start + 4].copy_from_slice(&short.to_le_bytes());
            Ok(())
        }
        (written, _) => {
            out.truncate(start);
            written.and(Err(Error::TooLong))
        }
    }
}

/// Writes a reply or, if it is too long, a status.
#[inline]
pub(super) fn put_reply(out: &mut Vec<u8>, id: u64, message: &Message) -> Result<(), Error> {
    let head = Head { kind: REPLY, flags: flags(&message.metadata), number: 0, id };
    put(out, head, |out| put_message(out, &message.echo, &message.metadata))
}

pub(super) fn put_status(out: &mut Vec<u8>, id: u64, code: u16, text: &str) {
    let head = Head { kind: STATUS, flags: 0, number: code, id };
    // A text too long for a frame is left out.
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    };
    if put(out, head, write).is_err() {
        let _ = put(out, head, |_| Ok(()));
    }
}

pub(super) fn flags(metadata: &Metadata) -> u8 {
    if metadata.0.is_some() { HAS_METADATA } else { 0 }
}

#[inline]
pub(super) fn put_message(
    out: &mut Vec<u8>,
    echo: &Echo,
    metadata: &Metadata,
) -> Result<(), Error> {
    if metadata.0.is_some() {
        encode(out, metadata)?;
    }
    encode(out, echo)
}

/// Reads what [`put_message`] wrote.
#[inline]
pub(super) fn take_message(flags: u8, mut bytes: &[u8]) -> Result<Message, Broken> {
    let mut metadata = Metadata::default();
    if flags & HAS_METADATA != 0 {
        metadata = take(&mut bytes)?;
    }
    // What is borrowed is copied once; what is not is filled with zeros before. The copy is aligned,
    // so that it is faster to check.
    let Borrowed { id, text } = take(&mut bytes)?;
    let text = String::from_utf8(text.to_vec()).map_err(|_| Broken)?;
    Ok(Message { echo: Echo { id, text }, metadata })
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    id: u64,
    text: &'a [u8],
}

#[inline]
pub(super) fn encode(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
    bincode::serde::encode_into_writer(value, Appending(out), CONFIGURATION)
        .map_err(|_| Error::TooLong)
}

#[inline]
pub(super) fn take<'a, T: Deserialize<'a>>(bytes: &mut &'a [u8]) -> Result<T, Broken> {
    let decoded = bincode::serde::borrow_decode_from_slice(bytes, CONFIGURATION);
    let (value, length) = decoded.map_err(|_| Broken)?;
    *bytes = &bytes[length..];
    Ok(value)
}

struct Appending<'a>(&'a mut Vec<u8>);

impl Writer for Appending<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

const CONFIGURATION: Configuration = standard();

/// Bytes before the rest.
const HEAD: usize = 16;
