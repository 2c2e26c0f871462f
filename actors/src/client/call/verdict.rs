//! What follows from an attempt that was not answered with a value.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::{Call, RNG};
use crate::client::attempt::FailedAttempt;
use crate::client::caller::RemoteService;
use crate::client::error::{CallError, Executed};
use crate::client::rule::RetryRule;
use crate::deadline::Deadline;
use crate::message::{BodyForm, Refusal};
use crate::selector::Candidate;
use crate::selector::Outcome;
use crate::server::STATUS_ID;
use crate::status::Status;
use crate::transport::TransportError;
use crate::transport::in_flight::Cause;

/// What follows from a failure.
pub(super) enum Next {
    /// Try again at once, on another node.
    Retry(CallError),
    /// Try again after a pause of at most this.
    Pause(Duration, CallError),
    /// Try again after exactly this.
    Wait(Duration, CallError),
    Fail(CallError),
}

impl Next {
    /// What the attempt came to.
    pub(super) fn error(&self) -> &CallError {
        match self {
            Self::Retry(error)
            | Self::Pause(_, error)
            | Self::Wait(_, error)
            | Self::Fail(error) => error,
        }
    }
}

/// Where an attempt was made.
struct Tried {
    node: String,
    candidate: Option<Arc<Candidate>>,
}

impl Tried {
    fn mark(&self, outcome: Outcome, now: Instant) {
        if let Some(candidate) = &self.candidate {
            candidate.mark(outcome, now);
        }
    }
}

impl Call<'_> {
    /// What follows from an answer that is not a value.
    pub(super) fn judge(&mut self, failed: FailedAttempt) -> Next {
        let rule = self.options.rule.as_deref().or(self.caller.options().rule.as_ref());
        match (self.verdict(failed), rule) {
            (Next::Fail(error), Some(rule)) => self.reconsider(error, rule),
            (next, _) => next,
        }
    }

    /// Asks the caller's own rule about a failure that would be final.
    fn reconsider(&mut self, error: CallError, rule: &RetryRule) -> Next {
        // Not `attempts`, which also counts those that found no connection.
        let attempts = 1 + self.options.retries - self.retries_left;
        let is_late = self.deadline.has_passed_at(Instant::now());
        if is_late || !rule.wants(&error, attempts) || !self.takes_retry() {
            return Next::Fail(error);
        }
        match rule.wait(attempts) {
            Some(wait) => Next::Wait(wait, error),
            None => Next::Pause(self.pause(), error),
        }
    }

    fn verdict(&mut self, failed: FailedAttempt) -> Next {
        let now = Instant::now();
        let (begun, node) = (failed.begun(now), failed.node());
        let (outbox, form) = (failed.outbox, failed.form);
        let failure = *failed.failure;
        let tried = Tried { node, candidate: failure.candidate };
        match failure.cause {
            // The handler was cut short at the very deadline at which this gives up.
            Cause::Status(status) if status.code == 408 && self.deadline.has_passed_at(now) => {
                tried.mark(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Cause::Status(status) => {
                tried.mark(Outcome::Success { latency: now - begun }, now);
                Next::Fail(from_status(*status))
            }
            Cause::TimedOut => {
                tried.mark(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Cause::Broken { was_sent, error } => self.broken(was_sent, error, tried),
            Cause::Refused { refusal, status } => {
                let fine = Outcome::Success { latency: now - begun };
                if self.may_change_form(refusal, form) {
                    outbox.refuse_route(self.target.endpoint, self.content_type(form));
                    tried.mark(fine, now);
                    let detail = status.detail;
                    Next::Retry(CallError::Codec { detail, executed: Executed::No })
                } else {
                    self.refused(refusal, status.detail, tried, fine)
                }
            }
        }
    }

    fn broken(&mut self, was_sent: bool, source: Arc<TransportError>, tried: Tried) -> Next {
        let executed = if was_sent { Executed::Maybe } else { Executed::No };
        let error = CallError::Connection { node: tried.node.clone(), executed, source };
        if !was_sent {
            return self.not_executed(error, tried.candidate, Outcome::Unreachable);
        }
        tried.mark(Outcome::Unreachable, Instant::now());
        if self.target.is_idempotent && self.takes_retry() {
            self.tried.extend(tried.candidate);
            return Next::Retry(error);
        }
        Next::Fail(error)
    }

    fn refused(&mut self, refusal: Refusal, detail: String, tried: Tried, fine: Outcome) -> Next {
        let node = tried.node.clone();
        let (outcome, error) = match refusal {
            Refusal::Draining => {
                let error = CallError::Draining { node };
                return self.not_executed(error, tried.candidate, Outcome::Draining);
            }
            Refusal::Overloaded { retry_after } => {
                return self.overloaded(retry_after, detail, tried);
            }
            Refusal::UnknownEndpoint => {
                (fine, CallError::UnknownEndpoint { node, endpoint: self.target.endpoint })
            }
            Refusal::TooLarge => (fine, CallError::TooLarge { detail, executed: Executed::No }),
            Refusal::Expired => (Outcome::Overloaded, self.timeout_of(Executed::No)),
            Refusal::Cancelled => {
                (Outcome::Cancelled, CallError::Cancelled { endpoint: self.target.endpoint })
            }
            Refusal::UnknownContentType
            | Refusal::OtherTypes
            | Refusal::Undecodable
            | Refusal::Other => (fine, CallError::Codec { detail, executed: Executed::No }),
        };
        tried.mark(outcome, Instant::now());
        Next::Fail(error)
    }

    /// Whether a request that was refused like this may be sent again in its next form.
    fn may_change_form(&self, refusal: Refusal, form: BodyForm) -> bool {
        let is_form = matches!(refusal, Refusal::UnknownContentType | Refusal::OtherTypes);
        let next = self.further.get(usize::from(form.0)).copied().flatten();
        is_form && next.is_some() && self.attempts < ATTEMPTS_MOST
    }

    fn content_type(&self, form: BodyForm) -> &'static str {
        let number = usize::from(form.0).checked_sub(1);
        let further = number.and_then(|number| self.further.get(number).copied().flatten());
        further.unwrap_or(self.target.content_type)
    }

    fn overloaded(&mut self, retry_after: Duration, detail: String, tried: Tried) -> Next {
        tried.mark(Outcome::Overloaded, Instant::now());
        let error = CallError::Overloaded { node: tried.node, retry_after, detail };
        if !self.takes_retry() {
            return Next::Fail(error);
        }
        self.tried.extend(tried.candidate);
        Next::Pause(retry_after.min(PAUSE_MOST), error)
    }

    /// A request that no handler has seen is tried elsewhere, as long as there is time.
    pub(super) fn not_executed(
        &mut self,
        error: CallError,
        candidate: Option<Arc<Candidate>>,
        outcome: Outcome,
    ) -> Next {
        let Some(candidate) = candidate else { return Next::Fail(error) };
        candidate.mark(outcome, Instant::now());
        let was_tried = self.tried.iter().any(|tried| Arc::ptr_eq(tried, &candidate));
        self.tried.push(candidate);
        if self.attempts >= ATTEMPTS_MOST || (was_tried && !self.takes_retry()) {
            Next::Fail(error)
        } else if was_tried {
            Next::Pause(self.pause(), error)
        } else {
            Next::Retry(error)
        }
    }

    /// Grows with each attempt.
    pub(super) fn pause(&self) -> Duration {
        (PAUSE_LEAST * (1 << self.attempts.min(8))).min(PAUSE_MOST)
    }

    fn takes_retry(&mut self) -> bool {
        if self.retries_left == 0 || !self.service.allows_retry(Instant::now()) {
            return false;
        }
        self.retries_left -= 1;
        true
    }

    pub(super) async fn go_on(&mut self, next: Next) -> Result<(), CallError> {
        match next {
            Next::Fail(error) => Err(error),
            Next::Retry(error) => {
                self.last = Some(error);
                Ok(())
            }
            Next::Pause(most, error) => {
                // Full jitter: callers that failed together do not come back together.
                let pause = RNG.with_borrow_mut(|rng| most.mul_f64(rng.random::<f64>()));
                self.sleep(pause, error).await;
                Ok(())
            }
            Next::Wait(wait, error) => {
                self.sleep(wait, error).await;
                Ok(())
            }
        }
    }

    async fn sleep(&mut self, pause: Duration, error: CallError) {
        let until = Deadline::within(pause).earlier(Some(self.deadline));
        self.last = Some(error);
        self.caller.shard().sleep(until).await;
    }
}

/// The handler's own status, or what the node says when it cannot send the handler's reply.
fn from_status(status: Status) -> CallError {
    if status.code == 413 && status.id == STATUS_ID {
        return CallError::TooLarge { detail: status.detail, executed: Executed::Yes };
    }
    CallError::Status(status)
}

impl Cause {
    /// What the client of a stream, which was accepted, is told.
    pub(crate) fn into_stream_error(self, node: String, endpoint: &'static str) -> CallError {
        let executed = Executed::Maybe;
        match self {
            Self::Status(status) if status.code == 408 && status.id == endpoint => {
                CallError::Timeout { endpoint, timeout: Duration::ZERO, executed }
            }
            Self::TimedOut => CallError::Timeout { endpoint, timeout: Duration::ZERO, executed },
            Self::Broken { error: source, .. } => CallError::Connection { node, executed, source },
            Self::Refused { refusal: Refusal::Cancelled, .. } => CallError::Cancelled { endpoint },
            Self::Status(status) | Self::Refused { status, .. } => from_status(*status),
        }
    }
}

impl RemoteService {
    fn allows_retry(&self, now: Instant) -> bool {
        let is_allowed = self.budget.lock().allows(self.calls(), now);
        if is_allowed {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        is_allowed
    }
}

/// Attempts of one call at most, whatever the reason.
const ATTEMPTS_MOST: u32 = 32;

/// Upper bound of the first pause, and of every pause, between attempts.
const PAUSE_LEAST: Duration = Duration::from_millis(5);
const PAUSE_MOST: Duration = Duration::from_secs(1);
