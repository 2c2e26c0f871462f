//! What two nodes say to each other, apart from how it looks in bytes.
//!
//! [`Message`] is what arrives, owned; [`Outgoing`] is what leaves, borrowed, with a [`Body`] that
//! is written straight into the transport's buffer.

mod body;
mod items;
mod replies;

use std::time::Duration;

use bytes::Bytes;

pub use self::body::{Body, BodyForm};
pub use self::items::Items;
pub use self::replies::Replies;
use crate::metadata::Metadata;
use crate::status::Status;

/// Numbers a request within its connection; chosen by the client, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A small number that stands for an endpoint and a content type within one connection.
///
/// The client chooses it and explains it once, with the first request that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteSlot(pub u32);

impl RouteSlot {
    /// How many a client may use on one connection.
    pub const MAX: u32 = 4096;
}

/// What a [`RouteSlot`] stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// E.g. `Greeter.Hello`.
    pub endpoint: String,
    /// E.g. `application/x-bincode`; of the request and of its reply.
    pub content_type: String,
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Asks an endpoint.
    Request {
        /// Repeated in the answer.
        id: RequestId,
        /// No answer is wanted.
        one_way: bool,
        /// Opens a stream; the answer ends it.
        stream: bool,
        /// Which endpoint, and how the body is encoded.
        route: RouteSlot,
        /// What the slot stands for, with its first use.
        define: Option<Box<Route>>,
        /// Time until the caller stops waiting.
        time_left: Option<Duration>,
        /// Pairs beside the body.
        metadata: Metadata,
        /// The encoded request.
        body: Bytes,
    },
    /// The handler's value.
    Reply {
        /// The request's.
        id: RequestId,
        /// Pairs beside the body.
        metadata: Metadata,
        /// The encoded reply, in the request's content type.
        body: Bytes,
    },
    /// Replies that followed each other, small and without pairs beside them.
    ///
    /// Whoever receives may put together what came as several [`Reply`](Self::Reply).
    Replies {
        /// To which requests, and the encoded values.
        replies: Replies,
    },
    /// An answer that is not a value.
    Status {
        /// The request's.
        id: RequestId,
        /// What to tell the caller.
        status: Box<Status>,
        /// Set when the request was not executed, and why.
        refusal: Option<Refusal>,
    },
    /// The transport lost one request while the others go on.
    ///
    /// Never crosses a wire: a client's socket says it, where each request has a way of its own.
    Lost {
        /// The request's.
        id: RequestId,
        /// Whether any of it may have reached the peer.
        was_sent: bool,
        /// What happened.
        reason: String,
    },
    /// The caller no longer waits.
    Cancel {
        /// The request's.
        id: RequestId,
    },
    /// An item of a stream.
    StreamData {
        /// The number of the request that opened it.
        id: RequestId,
        /// The encoded item.
        body: Bytes,
    },
    /// Items of a stream that followed each other.
    ///
    /// Whoever receives may put together what came as several [`StreamData`](Self::StreamData).
    StreamItems {
        /// The number of the request that opened it.
        id: RequestId,
        /// The encoded items.
        items: Items,
    },
    /// The client sends no more items.
    StreamEnd {
        /// The number of the request that opened it.
        id: RequestId,
    },
    /// The receiver may be sent more; from the server, the first one accepts the stream.
    StreamCredit {
        /// The number of the request that opened it.
        id: RequestId,
        /// Items more.
        items: u32,
        /// Bytes more.
        bytes: u32,
    },
    /// Asks for a [`Pong`](Self::Pong).
    Ping {
        /// Repeated in the pong.
        nonce: u64,
    },
    /// Shows that the peer lives.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// The peer will take no new requests.
    GoAway {
        /// Why.
        reason: GoAway,
    },
}

impl Message {
    /// As how many it came: 1, but for items and replies that were put together.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use callboard_actors::message::{Items, Message, RequestId};
    ///
    /// let items = Items::new(Bytes::from_static(b"onetwo"), vec![0..3, 3..6]);
    /// assert_eq!(Message::StreamItems { id: RequestId(1), items }.count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        match self {
            Self::StreamItems { items, .. } => items.len(),
            Self::Replies { replies } => replies.len(),
            _ => 1,
        }
    }

    /// Bytes of its body, or of all its items or replies; 0 if it has none.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use callboard_actors::message::{Message, RequestId};
    ///
    /// let item = Message::StreamData { id: RequestId(1), body: Bytes::from_static(b"item") };
    /// assert_eq!(item.body_len(), 4);
    /// ```
    pub fn body_len(&self) -> usize {
        match self {
            Self::Request { body, .. }
            | Self::Reply { body, .. }
            | Self::StreamData { body, .. } => body.len(),
            Self::StreamItems { items, .. } => items.bytes(),
            Self::Replies { replies } => replies.bytes(),
            _ => 0,
        }
    }
}

/// Why a node announces that it takes no new requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoAway {
    /// It is shutting down and finishes what it has accepted.
    Draining,
    /// It closes this connection because of what the peer did.
    Error(String),
}

/// Why a node did not execute a request.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::message::Refusal;
///
/// assert!(Refusal::Overloaded { retry_after: Duration::from_millis(10) }.is_retryable());
/// assert!(!Refusal::Undecodable.is_retryable());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// It is shutting down; another node will take it.
    Draining,
    /// A queue is full; another node may take it, or this one later.
    Overloaded {
        /// When it is worth trying here again.
        retry_after: Duration,
    },
    /// It has no such endpoint.
    UnknownEndpoint,
    /// It does not know the content type.
    UnknownContentType,
    /// The body is not what the endpoint takes.
    Undecodable,
    /// The body or the metadata exceed a limit.
    TooLarge,
    /// The deadline passed before it was started.
    Expired,
    /// The caller cancelled it before it was started.
    Cancelled,
    /// The body is in a codec without names, and the caller's types are not those of the node.
    OtherTypes,
    /// A peer newer than this one gave a reason that this one does not know.
    Other,
}

impl Refusal {
    /// Whether the same request may succeed on another node, or here later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Draining | Self::Overloaded { .. })
    }
}

/// A message about to leave; see [`Message`] for the meaning of its fields.
#[derive(Clone, Copy)]
pub enum Outgoing<'a> {
    /// Asks an endpoint.
    Request {
        /// Repeated in the answer.
        id: RequestId,
        /// No answer is wanted.
        one_way: bool,
        /// Opens a stream; the answer ends it.
        stream: bool,
        /// Which endpoint, and how the body is encoded.
        route: RouteSlot,
        /// What the slot stands for, with its first use.
        define: Option<&'a Route>,
        /// Time until the caller stops waiting.
        time_left: Option<Duration>,
        /// Pairs beside the body.
        metadata: &'a Metadata,
        /// The request.
        body: &'a dyn Body,
    },
    /// The handler's value.
    Reply {
        /// The request's.
        id: RequestId,
        /// Pairs beside the body.
        metadata: &'a Metadata,
        /// The reply.
        body: &'a dyn Body,
    },
    /// An answer that is not a value.
    Status {
        /// The request's.
        id: RequestId,
        /// What to tell the caller.
        status: &'a Status,
        /// Set when the request was not executed, and why.
        refusal: Option<Refusal>,
    },
    /// The caller no longer waits.
    Cancel {
        /// The request's.
        id: RequestId,
    },
    /// An item of a stream.
    StreamData {
        /// The number of the request that opened it.
        id: RequestId,
        /// The item.
        body: &'a dyn Body,
    },
    /// The client sends no more items.
    StreamEnd {
        /// The number of the request that opened it.
        id: RequestId,
    },
    /// The receiver may be sent more.
    StreamCredit {
        /// The number of the request that opened it.
        id: RequestId,
        /// Items more.
        items: u32,
        /// Bytes more.
        bytes: u32,
    },
    /// Asks for a pong.
    Ping {
        /// Repeated in the pong.
        nonce: u64,
    },
    /// Shows that this node lives.
    Pong {
        /// The ping's.
        nonce: u64,
    },
    /// This node takes no new requests.
    GoAway {
        /// Why.
        reason: &'a GoAway,
    },
}

impl std::fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, id) = match self {
            Self::Request { id, .. } => ("Request", id.0),
            Self::Reply { id, .. } => ("Reply", id.0),
            Self::Status { id, .. } => ("Status", id.0),
            Self::Cancel { id } => ("Cancel", id.0),
            Self::StreamData { id, .. } => ("StreamData", id.0),
            Self::StreamEnd { id } => ("StreamEnd", id.0),
            Self::StreamCredit { id, .. } => ("StreamCredit", id.0),
            Self::Ping { nonce } => ("Ping", *nonce),
            Self::Pong { nonce } => ("Pong", *nonce),
            Self::GoAway { .. } => ("GoAway", 0),
        };
        f.debug_tuple(name).field(&id).finish()
    }
}
