//! The first attempt of a call.
//!
//! Nearly all calls are one attempt that is answered. It needs no future of its own: whoever polls
//! it holds what it needs. Everything else is left to [`Call`](super::call::Call).

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::message::BodyForm;
use crate::transport::in_flight::{Failure, ReplyBuffer};
use crate::transport::outbox::{Outbox, Ticket};

/// A first attempt under way; see [`Caller::begin`](super::Caller::begin).
///
/// Dropping it cancels the call at the node.
pub struct Attempt {
    ticket: Ticket,
}

/// A first attempt that was not answered with a value; see
/// [`Caller::go_on`](super::Caller::go_on).
pub struct FailedAttempt {
    pub(super) failure: Box<Failure>,
    pub(super) outbox: Arc<Outbox>,
    /// The form in which the body was sent.
    pub(super) form: BodyForm,
}

impl Attempt {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self { ticket }
    }

    /// The address of the node that is called.
    pub fn node(&self) -> &str {
        self.ticket.outbox().address()
    }

    /// The form in which the request was sent, and the reply will be.
    pub fn form(&self) -> BodyForm {
        self.ticket.form()
    }

    /// Resolves when the reply has been put into `reply`, or to what
    /// [`Caller::go_on`](super::Caller::go_on) goes on with.
    ///
    /// # Errors
    /// There is no reply from this attempt.
    #[inline]
    pub fn poll_reply(
        &mut self,
        cx: &Context<'_>,
        reply: &mut ReplyBuffer,
    ) -> Poll<Result<(), FailedAttempt>> {
        self.ticket.poll_reply(cx, reply).map_err(|failure| {
            let (outbox, form) = (Arc::clone(self.ticket.outbox()), self.ticket.form());
            FailedAttempt { failure, outbox, form }
        })
    }
}

impl FailedAttempt {
    /// When the call is over, if that was settled before the attempt ended.
    pub fn deadline(&self) -> Option<Deadline> {
        self.failure.timing.map(|timing| Deadline::at(timing.deadline))
    }

    pub(super) fn begun(&self, now: Instant) -> Instant {
        self.failure.timing.map_or(now, |timing| timing.begun)
    }

    pub(super) fn node(&self) -> String {
        self.outbox.address().to_owned()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("node", &self.node()).finish_non_exhaustive()
    }
}

impl fmt::Debug for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt")
            .field("node", &self.node())
            .field("cause", &self.failure.cause)
            .finish_non_exhaustive()
    }
}
