//! The transport port: how messages get from one node to another.
//!
//! A transport moves *batches*: one poll reads all that has arrived, one write sends all that is
//! queued. The conformance suite in [`testing::transport`](crate::testing::transport) is the
//! contract in code.

pub(crate) mod in_flight;
mod keepalive;
mod ledger;
mod memory;
pub(crate) mod outbox;
mod owned;
pub(crate) mod pump;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;

use crate::message::{Message, Outgoing};
use crate::metadata::Metadata;
use crate::registry::BoxFuture;
use crate::server::Server;

pub use self::keepalive::KeepaliveOptions;
pub use self::memory::{Faults, MemoryTransport};
pub use self::owned::OwnedMessages;

/// Opens and accepts connections.
pub trait Transport: Send + Sync + 'static {
    /// The name used in settings and messages, e.g. `tcp`.
    fn name(&self) -> &'static str;

    /// Connects to `address` and exchanges greetings.
    ///
    /// Must be awaited on the arbiter that will own the socket. The caller sets the time limit by
    /// dropping the future, which closes whatever was opened.
    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>>;

    /// Listens on `address`; a port of 0 means any free one.
    ///
    /// Must be awaited on the arbiter that will own the listener.
    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>>;
}

/// Accepts connections on one address.
pub trait Listener: Send {
    /// The address that a peer on this machine can connect to.
    fn address(&self) -> String;

    /// The next connection, before any greeting.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Incoming>, TransportError>>;
}

/// A connection whose greeting has not been exchanged.
///
/// It may be moved to another arbiter before [`greet`](Self::greet) is called there.
pub trait Incoming: Send {
    /// Who connects, for messages.
    fn peer(&self) -> String;

    /// Exchanges greetings; the caller sets the time limit by dropping the future.
    fn greet(
        self: Box<Self>,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>>;
}

/// An open connection; owned by one arbiter.
pub trait Socket: Send {
    /// What the peer said in its greeting.
    fn peer(&self) -> &Arc<Hello>;

    /// Makes the encoder that fills the batches of [`poll_write`](Self::poll_write).
    ///
    /// Called once. The encoder keeps to the limits that the peer announced.
    fn encoder(&mut self) -> Box<dyn Encoder>;

    /// Appends all messages that have arrived to `messages`, at least one when ready.
    ///
    /// `Ok(())` without any new message does not happen.
    ///
    /// # Errors
    /// The connection is over. [`TransportError::Closed`] when the peer closed it in order.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>>;

    /// Asks that one [`poll_read`](Self::poll_read) appends no more than about this many messages.
    ///
    /// A hint: what arrived together is better handed on in portions, so that the answers to one
    /// are on their way while the next is worked on.
    fn portion(&mut self, messages: usize) {
        let _ = messages;
    }

    /// Sends `batch`; ready when all of it has been handed over.
    ///
    /// The batch shrinks as it goes. An empty one is ready at once.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>>;

    /// The position up to which messages have been handed over completely.
    ///
    /// Compared with the positions that [`Encoder::encode`] returned: a message whose position is
    /// greater cannot have reached the peer whole, so it has not been executed.
    fn written(&self) -> u64;

    /// Gives back what only a busy connection needs; called once when it has been quiet for a while.
    fn rest(&mut self) {}

    /// Says whose connection it is, on the side that accepted it; called once, before the first
    /// poll. For those that tell a peer more than its own requests do.
    fn serves(&mut self, server: &Arc<Server>) {
        let _ = server;
    }

    /// Whether the peer waits for an answer before it asks again, so that nothing is gained by
    /// answering several requests together; no, unless it says otherwise.
    fn is_serial(&self) -> bool {
        false
    }

    /// Says goodbye: what was written arrives, then the peer sees [`TransportError::Closed`].
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Turns messages into what a socket sends.
pub trait Encoder: Send {
    /// Appends a message and returns the position of its end, counted from the connection's start.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] or [`TransportError::Encode`]; nothing was appended then and
    /// the connection lives on.
    fn encode(&mut self, message: Outgoing<'_>) -> Result<u64, TransportError>;

    /// Bytes (in memory: an estimate) that wait to be taken.
    fn queued(&self) -> usize;

    /// Exchanges what has been encoded with `batch`, which must be empty.
    fn take(&mut self, batch: &mut Batch);

    /// Gives back what only a busy connection needs, as [`Socket::rest`] does.
    fn rest(&mut self) {}
}

/// Encoded messages on their way from an [`Encoder`] to its [`Socket`].
///
/// A transport of bytes uses one field, one that moves values in memory the other.
#[derive(Debug, Default)]
pub struct Batch {
    /// Frames, one after the other.
    pub bytes: BytesMut,
    /// Whole messages.
    pub messages: Vec<Message>,
}

impl Batch {
    /// Whether nothing is left to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.messages.is_empty()
    }
}

/// What each side says first: who it is and what it accepts.
///
/// ```
/// use callboard_actors::transport::Hello;
///
/// let hello = Hello::new("greeter", "greeter-1", 1);
/// assert_eq!((hello.max_frame, hello.max_in_flight), (4 * 1024 * 1024, 1024));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The service's name; empty for a client that serves nothing.
    pub service: String,
    /// The node's id.
    pub node: String,
    /// The node's incarnation.
    pub incarnation: u64,
    /// Largest frame it accepts, in bytes.
    pub max_frame: u32,
    /// Most requests it accepts at once on this connection.
    pub max_in_flight: u32,
    /// Whether it knows streams; versions that do not are asked for none.
    pub streams: bool,
}

impl Hello {
    /// Largest frame accepted by default: 4 MiB.
    pub const DEFAULT_MAX_FRAME: u32 = 4 * 1024 * 1024;

    /// Requests in flight accepted by default.
    pub const DEFAULT_MAX_IN_FLIGHT: u32 = 1024;

    /// Creates this version's greeting, with default limits.
    pub fn new(service: impl Into<String>, node: impl Into<String>, incarnation: u64) -> Self {
        Self {
            service: service.into(),
            node: node.into(),
            incarnation,
            max_frame: Self::DEFAULT_MAX_FRAME,
            max_in_flight: Self::DEFAULT_MAX_IN_FLIGHT,
            streams: true,
        }
    }
}

/// Why a transport did not do what it was asked.
///
/// ```
/// use callboard_actors::transport::TransportError;
///
/// let error = TransportError::TooLarge { size: 5000, limit: 4096 };
/// assert_eq!(error.to_string(), "5000 bytes exceed the limit of 4096 bytes");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address is not one this transport understands.
    #[error("{address:?} is not an address for transport {transport}: {reason}")]
    Address {
        /// The transport's name.
        transport: &'static str,
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody could be connected to.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where.
        address: String,
        /// What failed.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// What failed.
        reason: String,
    },
    /// The peer closed the connection in order.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing was heard from the peer for too long.
    #[error("nothing heard from the peer for {0:?}")]
    Silent(Duration),
    /// The peer sent something that is not the protocol.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The message exceeds what the peer accepts.
    #[error("{size} bytes exceed the limit of {limit} bytes")]
    TooLarge {
        /// Bytes needed; at least this many.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The metadata exceed their limits.
    #[error(
        "metadata of {entries} entries and {bytes} bytes exceed the limit of {} entries and {} bytes",
        Metadata::MAX_ENTRIES,
        Metadata::MAX_BYTES
    )]
    Metadata {
        /// Pairs there are.
        entries: usize,
        /// Bytes that names and values take together.
        bytes: usize,
    },
    /// A body could not be encoded.
    #[error("cannot encode the body: {0}")]
    Encode(String),
}

impl TransportError {
    /// Refuses metadata that no peer accepts.
    ///
    /// # Errors
    /// [`Metadata`](Self::Metadata).
    pub fn check_metadata(metadata: &Metadata) -> Result<(), Self> {
        if metadata.is_within_limits() {
            return Ok(());
        }
        Err(Self::Metadata { entries: metadata.len(), bytes: metadata.bytes() })
    }
}

impl fmt::Debug for dyn Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("peer", self.peer()).finish_non_exhaustive()
    }
}
