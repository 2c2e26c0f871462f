//! The native wire, version 1: what two nodes say to each other, byte by byte.
//!
//! This text is the law; the golden vectors in the tests are its examples. All fixed-width integers
//! are little-endian. A *varint* is unsigned LEB128: seven bits per byte, the lowest first, the top
//! bit set on all but the last byte; at most ten bytes and at most 2^64 - 1. Senders use the
//! shortest form, receivers accept longer ones. A *text* is a varint length and that many bytes of
//! UTF-8. Times are varints of microseconds, rounded down.
//!
//! # Preface
//!
//! The connecting side sends its preface at once. The accepting side answers with its own when it
//! has read a valid one. Then both send frames, in any order, until one of them closes.
//!
//! ```text
//!  0               4     5     6                  14           18           22       24
//! ┌────┬────┬────┬────┬─────┬─────┬──────────────────┬────────────┬────────────┬────────┬─────────┐
//! │ CB │'C' │'B' │'D' │ min │ max │ capabilities u64 │ max_frame  │ max_in_    │ size   │ fields  │
//! │    │    │    │    │ u8  │ u8  │                  │ u32        │ flight u32 │ u16    │ (size)  │
//! └────┴────┴────┴────┴─────┴─────┴──────────────────┴────────────┴────────────┴────────┴─────────┘
//! field:  tag varint │ length varint │ value
//! ```
//!
//! | part | meaning |
//! |---|---|
//! | magic | `CB 43 42 44`; no text and no TLS record starts with `CB` |
//! | min, max | protocol versions spoken, both inclusive; `min <= max` |
//! | capabilities | bits for optional behaviour, see below; unknown bits are ignored |
//! | `max_frame` | largest `length` the sender of the preface accepts in a frame |
//! | `max_in_flight` | most requests it accepts at once |
//! | size | bytes of fields that follow; at most 4,072, so that a preface fits in 4 KiB |
//!
//! | tag | field | value |
//! |---|---|---|
//! | 1 | service | UTF-8; absent means empty |
//! | 2 | node | UTF-8; absent means empty |
//! | 3 | incarnation | varint; absent means 0 |
//!
//! Fields with other tags are skipped. Of a repeated field the last one counts.
//!
//! | capability | bit | meaning |
//! |---|---|---|
//! | `STREAMS` | 0 | the sender of the preface takes streams; one that does not is asked for none |
//!
//! **Negotiation.** Both sides use the highest version that both speak. When there is none, the
//! accepting side sends its preface and a go-away with reason *error* and closes; the connecting
//! side sees from the preface that there is none and closes. The go-away frame and this preface
//! look the same in every version. A wrong magic is answered with nothing: whatever speaks there,
//! it would not understand.
//!
//! # Frames
//!
//! ```text
//! ┌────────────┬──────┬───────┬─────────────────────┬──────────────────┬────────────────────┐
//! │ length u32 │ kind │ flags │ [size varint, bytes]│ header           │ body               │
//! │            │ u8   │ u8    │  with EXTENDED      │ (see its kind)   │ (rest of length)   │
//! └────────────┴──────┴───────┴─────────────────────┴──────────────────┴────────────────────┘
//!              └──────────────────────── length bytes ─────────────────────────────────────┘
//! ```
//!
//! `length` is at least 2 and at most the receiver's `max_frame`; a receiver checks it before it
//! allocates, and then allocates no more than has arrived: of this frame, or of those before it.
//!
//! | flag bits | rule |
//! |---|---|
//! | `0x0F` | belong to the kind and change its layout; an undefined one is a protocol error |
//! | `0x70` | reserved for hints that do not change the layout; ignored when unknown |
//! | `0x80` | EXTENDED: an extension follows the flags; skipped when unknown |
//!
//! The extension holds fields like those of the preface; version 1 defines none and skips all.
//!
//! | kind | frame | header | body |
//! |---|---|---|---|
//! | `01` | request | id varint, slot varint, \[time left\], \[route\], \[metadata\] | request |
//! | `02` | reply | id varint, \[metadata\] | reply |
//! | `03` | status | id varint, \[refusal\], code varint, id text, detail text, status text | none |
//! | `04` | cancel | id varint | none |
//! | `05` | ping | nonce varint | none |
//! | `06` | pong | nonce varint | none |
//! | `07` | go-away | reason u8, detail text | none |
//! | `08` | stream data | id varint | item |
//! | `09` | stream end | id varint | none |
//! | `0A` | stream credit | id varint, items varint, bytes varint | none |
//! | `0B` | publish | reserved | |
//!
//! A frame of a reserved or unknown kind is skipped; kind `00` is a protocol error, since a run of
//! zeros is no message. Bytes after the last field of a kind without body are skipped.
//!
//! ```text
//! request  ┌────────────┬──────┬─────────┬────────────────┬─────────────────────┬──────────┬──────┐
//!          │ 01 │ flags │ id   │ slot    │ time left      │ endpoint text,      │ metadata │ body │
//!          │            │      │         │ (TIME_LEFT)    │ content type text   │ (META-   │      │
//!          │            │      │         │                │ (DEFINE)            │  DATA)   │      │
//!          └────────────┴──────┴─────────┴────────────────┴─────────────────────┴──────────┴──────┘
//! reply    ┌────────────┬──────┬──────────┬──────┐
//!          │ 02 │ flags │ id   │ metadata │ body │
//!          └────────────┴──────┴──────────┴──────┘
//! status   ┌────────────┬──────┬─────────────────────────┬──────┬─────────┬─────────────┬─────────────┐
//!          │ 03 │ flags │ id   │ refusal u8, retry after │ code │ id text │ detail text │ status text │
//!          │            │      │ (REFUSAL)               │      │         │             │             │
//!          └────────────┴──────┴─────────────────────────┴──────┴─────────┴─────────────┴─────────────┘
//! cancel, ping, pong       ┌────────────┬──────────────┐     go-away ┌────────────┬────────┬─────────────┐
//!                          │ 04.. │ 00  │ id or nonce  │             │ 07 │ 00    │ reason │ detail text │
//!                          └────────────┴──────────────┘             └────────────┴────────┴─────────────┘
//! metadata:  count varint, then count × (name text, value text)
//! ```
//!
//! | flag | of | meaning |
//! |---|---|---|
//! | `01` `DEFINE` | request | the slot's endpoint and content type follow; its first use |
//! | `02` `TIME_LEFT` | request | time until the caller stops waiting |
//! | `04` `METADATA` | request, reply | pairs follow |
//! | `08` `ONE_WAY` | request | no answer is wanted |
//! | `10` `STREAM` | request | opens a stream; a hint, since the layout is the same |
//! | `01` `REFUSAL` | status | the request was not executed |
//!
//! | refusal | | refusal | |
//! |---|---|---|---|
//! | 0 | other | 5 | undecodable |
//! | 1 | draining | 6 | too large |
//! | 2 | overloaded; retry after | 7 | expired |
//! | 3 | unknown endpoint | 8 | cancelled |
//! | 4 | unknown content type | 9 | other types |
//! | | | | unknown: read as *other* |
//!
//! Retry after is present with every refusal, and 0 where it means nothing. Go-away reasons are
//! 0 *draining* and 1 *error*; an unknown one is read as *draining*.
//!
//! # Streams
//!
//! A stream is a request with `STREAM` whose answer takes its time: the reply, whose body is empty,
//! or the status ends it, once. Deadline, cancel and refusals are those of requests. Between the
//! request and its answer, both sides send items as *stream data* with the request's id.
//!
//! A side may send an item while it has credit for at least one item and one byte; the item then
//! takes one item and the bytes of its body, and the bytes may go below zero. *Stream credit* adds
//! to both counts. The client gives credit right after the request. The server gives its first
//! credit when the handler has taken the stream, which tells the client that it was accepted; an
//! answer without any credit before is a refusal as for any request. Credit above 2^32 - 1 in one
//! frame is read as that.
//!
//! *Stream end* says that the client sends no more items; the server goes on until it answers.
//! Frames for an id that is not, or no longer, a stream are skipped. Data without credit, and data
//! after the end, are protocol errors. A server without the capability `STREAMS` is not asked for a
//! stream; the client finds another node, or fails at once. A request of the wrong kind for its
//! endpoint is refused as *other*.
//!
//! # Limits and what breaks them
//!
//! | limit | value | broken by the sender | seen by the receiver |
//! |---|---|---|---|
//! | length | receiver's `max_frame` | refused before sending | protocol error |
//! | slot | 4,095 | refused before sending | protocol error |
//! | metadata | 64 pairs, 16 KiB of names and values | refused before sending | protocol error |
//! | status code | 65,535 | cannot be expressed | protocol error |
//! | requests in flight | receiver's `max_in_flight` | | refused one by one, *overloaded* |
//!
//! A request whose slot has not been defined, a second definition of a slot, a field that ends
//! outside its frame and text that is not UTF-8 are protocol errors too. A protocol error closes
//! the connection, after a go-away with reason *error* and a detail that says why; it never does
//! more than that. The end of the stream between two frames is an orderly close, inside a frame it
//! is a broken connection.

pub mod decode;
pub mod encode;
mod errand;
pub mod preface;
mod run;
pub mod varint;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

use callboard_actors::message::RouteSlot;
use callboard_actors::transport::TransportError;

pub use self::decode::FrameDecoder;
pub use self::encode::FrameEncoder;
pub use self::preface::Preface;

/// Lowest protocol version that this build speaks.
pub const MIN_VERSION: u8 = 1;

/// Highest protocol version that this build speaks.
pub const MAX_VERSION: u8 = 1;

/// Bytes of a frame's length field.
pub const LENGTH_BYTES: usize = 4;

/// What is wrong with bytes that should be the protocol.
///
/// ```
/// use callboard::wire::{Preface, WireError};
///
/// let other = *b"GET / HTTP/1.1\r\nHost: xy";
/// assert_eq!(Preface::decode(&other, &[]), Err(WireError::Magic(*b"GET ")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The connection does not start with the magic.
    #[error("the greeting starts with {0:02x?} instead of the magic")]
    Magic([u8; 4]),
    /// No protocol version is spoken by both.
    #[error("the peer speaks versions {min} to {max}, this node {MIN_VERSION} to {MAX_VERSION}")]
    Version {
        /// The peer's lowest.
        min: u8,
        /// The peer's highest.
        max: u8,
    },
    /// The greeting exceeds 4 KiB.
    #[error("a greeting of {0} bytes exceeds the limit of 4096 bytes")]
    Greeting(usize),
    /// A frame's length is out of bounds.
    #[error("a frame of {length} bytes is outside 2 to {limit} bytes")]
    Length {
        /// What the frame announces.
        length: usize,
        /// What this node announced.
        limit: usize,
    },
    /// A field ends outside its frame.
    #[error("a field ends outside its frame")]
    Truncated,
    /// A varint is longer than ten bytes or exceeds 64 bits.
    #[error("a varint exceeds 64 bits")]
    Varint,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// The frame kind is 0.
    #[error("frame kind 0 does not exist")]
    Kind,
    /// A layout flag is not defined for its kind.
    #[error("flags {flags:#04x} are not defined for frame kind {kind}")]
    Flags {
        /// The frame's kind.
        kind: u8,
        /// Its flags.
        flags: u8,
    },
    /// A route slot is out of bounds.
    #[error("route slot {0} exceeds the highest one, {max}", max = RouteSlot::MAX - 1)]
    Slot(u64),
    /// A route slot was used before it was defined.
    #[error("route slot {0} is not defined")]
    UndefinedSlot(u32),
    /// A route slot was defined twice.
    #[error("route slot {0} is defined twice")]
    RedefinedSlot(u32),
    /// The metadata exceed their limits.
    #[error("the metadata exceed 64 pairs or 16 KiB")]
    Metadata,
    /// A status code exceeds 16 bits.
    #[error("status code {0} exceeds 65535")]
    StatusCode(u64),
}

impl From<WireError> for TransportError {
    fn from(error: WireError) -> Self {
        Self::Protocol(error.to_string())
    }
}

// ===== Capabilities, frame kinds and flags =====

pub(crate) const STREAMS: u64 = 1;

pub(crate) const REQUEST: u8 = 0x01;
pub(crate) const REPLY: u8 = 0x02;
pub(crate) const STATUS: u8 = 0x03;
pub(crate) const CANCEL: u8 = 0x04;
pub(crate) const PING: u8 = 0x05;
pub(crate) const PONG: u8 = 0x06;
pub(crate) const GO_AWAY: u8 = 0x07;
pub(crate) const STREAM_DATA: u8 = 0x08;
pub(crate) const STREAM_END: u8 = 0x09;
pub(crate) const STREAM_CREDIT: u8 = 0x0A;

pub(crate) const DEFINE: u8 = 0x01;
pub(crate) const TIME_LEFT: u8 = 0x02;
pub(crate) const METADATA: u8 = 0x04;
pub(crate) const ONE_WAY: u8 = 0x08;
pub(crate) const STREAM: u8 = 0x10;
pub(crate) const REFUSAL: u8 = 0x01;

/// Flags that change a frame's layout.
pub(crate) const LAYOUT: u8 = 0x0F;
pub(crate) const EXTENDED: u8 = 0x80;

pub(crate) const DRAINING: u8 = 0;
pub(crate) const ERROR: u8 = 1;
