//! Serving: from a connection to an actor and back.
//!
//! ```text
//! socket ─▶ Session ─▶ route table ─▶ Lane (decode) ─▶ Inbox ─▶ actor ─▶ ReplySlot ─▶ socket
//! ```
//!
//! Looking up and decoding happen on the connection's arbiter, without a hop. A [`Lane`] collects
//! the requests of one batch for one handler; they cross to the handler's arbiter together, with
//! one wake-up.

mod acceptor;
mod reply;
mod routes;
mod session;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::broker::{EventSink, Interest};
use crate::deadline::Deadline;
use crate::inbox::InboxStatus;
use crate::message::{Refusal, RequestId};
use crate::metadata::Metadata;
use crate::registry::EndpointInfo;
use crate::stream::StreamSide;

pub use self::acceptor::{Acceptor, AcceptorOptions, Server};
pub use self::reply::ReplySlot;
pub(crate) use self::reply::{Asker, STATUS_ID};
pub use self::routes::{DuplicateEndpoint, RouteTable};

/// A handler: one actor, or several alike, and the endpoints it answers.
///
/// Implemented once, by the typed adapter of the crate `callboard`.
pub trait HandlerPort: Send + Sync + 'static {
    /// What it answers; a request names one by its index.
    fn endpoints(&self) -> &[EndpointInfo];

    /// Those of them that its node's record tells of; all, unless it says otherwise.
    fn advertised(&self) -> &[EndpointInfo] {
        self.endpoints()
    }

    /// What its actors subscribe to, and where events for them go; nothing, unless it says
    /// otherwise.
    fn subscriptions(&self) -> Vec<(Interest, Arc<dyn EventSink>)> {
        Vec::new()
    }

    /// Whether the client of a stream sends anything after its opening message; yes, unless it says
    /// otherwise.
    fn takes_items(&self, endpoint: usize) -> bool {
        let _ = endpoint;
        true
    }

    /// The codec for a content type, as a number that [`Lane::push`] understands.
    fn codec(&self, content_type: &str) -> Option<u16>;

    /// The codec for requests to one endpoint, by its index; any endpoint's, unless it says
    /// otherwise.
    ///
    /// # Errors
    /// Why requests of this content type are refused.
    fn codec_for(&self, endpoint: usize, content_type: &str) -> Result<u16, Refusal> {
        let _ = endpoint;
        self.codec(content_type).ok_or(Refusal::UnknownContentType)
    }

    /// Opens the way from a connection on the present arbiter to the handler.
    fn lane(&self) -> Box<dyn Lane>;

    /// The queues of its actors, to be watched and drained.
    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>>;

    /// The typed side of it, for callers in the same process.
    fn local(&self, endpoint: usize) -> Option<Arc<dyn std::any::Any + Send + Sync>>;
}

/// The way from one connection to one handler.
pub trait Lane: Send {
    /// Decodes a request and puts it into the batch; one that cannot be decoded is refused.
    fn push(&mut self, endpoint: usize, codec: u16, arrival: Arrival);

    /// Hands the batch over.
    fn flush(&mut self, now: Instant);

    /// Hands over what there is of a batch of which more is to come, so that it can be
    /// [cancelled](Self::cancel); gives nobody a turn for it.
    ///
    /// Does no more than [`flush`](Self::flush), unless it says otherwise.
    fn hand_over(&mut self, now: Instant) {
        self.flush(now);
    }

    /// Hands the batch over, and gives those of the handler's actors a turn that live on the
    /// present arbiter, so that what they answer at once is there when this returns.
    ///
    /// For connections whose peer waits for one answer after the other. Does no more than
    /// [`flush`](Self::flush), unless it says otherwise.
    fn flush_and_run(&mut self, now: Instant) {
        self.flush(now);
    }

    /// Drops what came from connection `origin` and, when `id` is given, is that request.
    fn cancel(&self, origin: u64, id: Option<RequestId>);

    /// Gives back what only a busy connection needs; nothing, unless it says otherwise.
    fn rest(&mut self) {}
}

/// A request that has arrived.
#[derive(Debug)]
pub struct Arrival {
    /// Where the answer goes, and who asks.
    pub reply: ReplySlot,
    /// When the caller stops waiting.
    pub deadline: Option<Deadline>,
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// The encoded request.
    pub body: Bytes,
    /// Set when the request opens a stream; accepted or not, its end is the answer.
    pub stream: Option<Arc<StreamSide>>,
}

/// The text that goes with a refusal.
pub fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Draining => "the node is shutting down; another node will take the request",
        Refusal::Overloaded { .. } => "the handler's queue is full; try again later or elsewhere",
        Refusal::UnknownEndpoint => "the service has no such endpoint; check its name and version",
        Refusal::UnknownContentType => "the node does not know this content type",
        Refusal::Undecodable => "the body is not what the endpoint takes",
        Refusal::TooLarge => "the message exceeds a limit",
        Refusal::Expired => "the deadline passed before the request was started",
        Refusal::Cancelled => "the caller cancelled the request before it was started",
        Refusal::OtherTypes => {
            "the endpoint's types are not those of the caller, and its codec needs them to be; use one with names, JSON say"
        }
        Refusal::Other => "the node refused the request",
    }
}

/// The status code that goes with a refusal.
pub fn refusal_code(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Draining | Refusal::Other => 503,
        Refusal::Overloaded { .. } => 429,
        Refusal::UnknownEndpoint => 404,
        Refusal::UnknownContentType | Refusal::OtherTypes => 415,
        Refusal::Undecodable => 400,
        Refusal::TooLarge => 413,
        Refusal::Expired => 408,
        Refusal::Cancelled => 499,
    }
}

/// The origin of requests that come from within the process; connections are numbered from 1.
pub const LOCAL_ORIGIN: u64 = 0;
