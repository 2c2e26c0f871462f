//! The first attempt of a call.
//!
//! Nearly all calls are one attempt that is answered. It needs no future of its own: whoever polls
//! it holds what it needs. Everything else is left to [`Call`](super::call::Call).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::link::Link;
use super::options::EncodedReply;
use crate::selector::{Candidate, Outcome};
use crate::transport::in_flight::Answer;
use crate::transport::outbox::Ticket;

/// A first attempt under way; see [`Caller::begin`](super::Caller::begin).
///
/// Dropping it cancels the call at the node.
pub struct Attempt {
    ticket: Ticket,
    flight: Flight,
}

/// A first attempt that was not answered with a value; see
/// [`Caller::go_on`](super::Caller::go_on).
pub struct FailedAttempt {
    pub(super) answer: Answer,
    pub(super) flight: Flight,
}

impl Attempt {
    pub(super) fn new(ticket: Ticket, flight: Flight) -> Self {
        Self { ticket, flight }
    }

    /// Resolves to the reply, or to what [`Caller::go_on`](super::Caller::go_on) goes on with.
    ///
    /// # Errors
    /// There is no reply from this attempt.
    pub fn poll_reply(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<EncodedReply, FailedAttempt>> {
        let answer = ready!(Pin::new(&mut self.ticket).poll(cx));
        Poll::Ready(self.flight.take().settle(answer))
    }
}

/// An attempt under way; tells its node how it ended, once, whatever happens.
pub(super) struct Flight {
    link: Arc<Link>,
    /// Absent when the call named its node.
    pub(super) candidate: Option<Arc<Candidate>>,
    pub(super) begun: Instant,
    is_over: bool,
}

impl Flight {
    pub(super) fn begin(link: Arc<Link>, candidate: Option<Arc<Candidate>>, now: Instant) -> Self {
        if let Some(candidate) = &candidate {
            candidate.begin();
        }
        Self { link, candidate, begun: now, is_over: false }
    }

    /// Ends it if it was answered with a value.
    pub(super) fn settle(mut self, answer: Answer) -> Result<EncodedReply, FailedAttempt> {
        match answer {
            Answer::Reply { metadata, body, at } => {
                let latency = at.saturating_duration_since(self.begun);
                self.finish(Outcome::Success { latency }, at);
                Ok(EncodedReply { metadata, body, link: Arc::clone(&self.link) })
            }
            answer => Err(FailedAttempt { answer, flight: self }),
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome, now: Instant) {
        if let Some(candidate) = &self.candidate
            && !std::mem::replace(&mut self.is_over, true)
        {
            candidate.finish(outcome, now);
        }
    }

    pub(super) fn address(&self) -> String {
        self.link.address().to_owned()
    }

    /// Leaves one behind that tells nothing any more.
    fn take(&mut self) -> Self {
        let is_over = std::mem::replace(&mut self.is_over, true);
        let (link, candidate) = (Arc::clone(&self.link), self.candidate.take());
        Self { link, candidate, begun: self.begun, is_over }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.is_over {
            self.finish(Outcome::Cancelled, Instant::now());
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("node", &self.flight.address()).finish_non_exhaustive()
    }
}

impl fmt::Debug for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt").field("answer", &self.answer).finish_non_exhaustive()
    }
}
