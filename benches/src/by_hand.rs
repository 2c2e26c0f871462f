//! By hand: the floor's workload with the promises that callboard makes.
//!
//! The [floor](crate::floor) does what it is measured for and nothing else. This program keeps what
//! callboard promises to callers and handlers, and takes every short cut that the promises allow,
//! for the one message there is. What it costs beyond the floor is the price of the promises; what
//! callboard costs beyond it is not.
//!
//! | promise | how |
//! |---|---|
//! | a call may be made from any thread, outlives the handle, and is cancelled when dropped | a slot with a waker in a table of the connection, under one lock; the call holds its [`Node`], which where there is one only is chosen when the future is made, so that the service need not be held |
//! | a deadline for each call, which goes with it | the first call of a batch reads the clock for all of it, so that one may end up to 1 ms early; one alarm per connection; the node compares with one reading for eight requests |
//! | nodes may be replaced at any time | a list behind a version, kept by each thread until the version changes |
//! | each call chooses a node by load and latency | two at random, the lesser; the connection counts under its own lock and stores the sum, and marks latency once for all answers that came together |
//! | endpoints by name, metadata, errors with code and text | a number that stands for name and content type, defined once; a flag for metadata; a kind of frame |
//! | limits | below, each checked where it counts |
//! | handlers with state, one request at a time, in bounded turns | an inbox of batches, and a task that takes one batch per turn |
//! | an answer at once, or later from any thread, or that there is none | [`Answering`] borrows the connection, [`Later`] holds it |
//! | a panic ends one request, and the state begins anew | `catch_unwind` |
//! | figures | plain numbers under the locks that are held anyway |
//!
//! It has nothing else that callboard has: no streams, retries, middleware, further codecs, keepalive
//! or reconnecting, no sockets but TCP's, and it makes room for what a frame announces. What would go
//! beyond a limit is refused by the portion.
//!
//! What arrives together is handed on in portions, as callboard does it: half of what is in flight,
//! 32 to 512 answers; 256 requests, where callboard takes 128. One task per connection writes what is queued, then reads a
//! portion, and is last in the queue behind all whom that woke.

mod answer;
mod call;
mod client;
mod node;
mod object;
mod outbox;
mod server;
mod slots;
#[cfg(test)]
mod tests;
mod time;
mod wire;

pub use self::answer::{Answering, Later};
pub use self::call::{Call, Service};
pub use self::node::Node;
pub use self::object::Object;
pub use self::server::{Table, serve};
pub use self::wire::Metadata;
use crate::echo::Echo;

/// A value, and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The value.
    pub echo: Echo,
    /// Pairs of text.
    pub metadata: Metadata,
}

impl From<Echo> for Message {
    fn from(echo: Echo) -> Self {
        Self { echo, metadata: Metadata::default() }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node answered so.
    #[error("{text} ({code})")]
    Status {
        /// As of HTTP.
        code: u16,
        /// For people.
        text: String,
    },
    /// The time given was over before an answer came.
    #[error("no answer in time")]
    TimedOut,
    /// The service has no nodes.
    #[error("the service has no nodes")]
    NoNodes,
    /// As many calls are in flight, or as many bytes queued, as may be.
    #[error("too much is under way to this node")]
    Full,
    /// The request is longer than a frame may be.
    #[error("the request is too long")]
    TooLong,
    /// The reply is not what the caller expects.
    #[error("the reply cannot be read")]
    Unreadable,
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
}

impl Error {
    fn status(code: u16, text: &str) -> Self {
        Self::Status { code, text: text.to_owned() }
    }
}

/// How many calls there were, on either side of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests sent, or received.
    pub begun: u64,
    /// Those that are over.
    pub ended: u64,
    /// Of those, the ones without a reply.
    pub failed: u64,
}

/// Most bytes of a frame, without its length.
const FRAME_LIMIT: usize = 16 * 1024 * 1024;

/// Most calls in flight on a connection, and requests unanswered at a node.
const IN_FLIGHT_LIMIT: u32 = 16 * 1024;

/// Bytes queued from which no more calls are made on a connection, and no requests read.
const QUEUE_LIMIT: usize = 4 * 1024 * 1024;

/// Most requests that wait for an object.
const INBOX_LIMIT: usize = 16 * 1024;

/// Requests that a node takes at a time, and most that an object has in a turn.
const REQUESTS: usize = 256;

/// Requests of a turn for which the clock is read once.
const REQUESTS_PER_READING: usize = 8;

/// Fewest and most answers that a client takes at a time.
const ANSWERS: std::ops::RangeInclusive<usize> = 32..=512;

/// Room for one read.
const READ: usize = 64 * 1024;
