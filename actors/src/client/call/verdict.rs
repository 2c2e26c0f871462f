//! What follows from an attempt that was not answered with a value.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::{Call, RNG};
use crate::client::attempt::{FailedAttempt, Flight};
use crate::client::caller::RemoteService;
use crate::client::error::{CallError, Executed};
use crate::deadline::Deadline;
use crate::message::Refusal;
use crate::selector::Outcome;
use crate::server::STATUS_ID;
use crate::status::Status;
use crate::transport::TransportError;
use crate::transport::in_flight::Answer;

/// What follows from a failure.
pub(super) enum Next {
    /// Try again at once, on another node.
    Retry(CallError),
    /// Try again after a pause.
    Pause(Duration, CallError),
    Fail(CallError),
}

impl Call<'_> {
    /// What follows from an answer that is not a value.
    pub(super) fn judge(&mut self, failed: FailedAttempt) -> Next {
        let FailedAttempt { answer, mut flight } = failed;
        let now = Instant::now();
        match answer {
            // Never here: `Flight::settle` has taken it out.
            Answer::Reply { .. } => Next::Fail(self.timeout_of(Executed::Maybe)),
            // The handler was cut short at the very deadline at which this gives up.
            Answer::Status(status)
                if status.code == 408 && self.options.deadline.has_passed_at(now) =>
            {
                flight.finish(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Answer::Status(status) => {
                flight.finish(Outcome::Success { latency: now - flight.begun }, now);
                Next::Fail(from_status(*status))
            }
            Answer::TimedOut => {
                flight.finish(Outcome::Failure, now);
                Next::Fail(self.timeout_of(Executed::Maybe))
            }
            Answer::Broken { was_sent, error } => self.broken(was_sent, error, flight),
            Answer::Refused { refusal, status } => {
                self.refused(refusal, status.detail, flight, now)
            }
        }
    }

    fn broken(&mut self, was_sent: bool, source: Arc<TransportError>, mut flight: Flight) -> Next {
        let executed = if was_sent { Executed::Maybe } else { Executed::No };
        let error = CallError::Connection { node: flight.address(), executed, source };
        if !was_sent {
            return self.not_executed(error, flight, Outcome::Unreachable);
        }
        flight.finish(Outcome::Unreachable, Instant::now());
        if self.target.is_idempotent && self.takes_retry() {
            self.tried.extend(flight.candidate.take());
            return Next::Retry(error);
        }
        Next::Fail(error)
    }

    fn refused(
        &mut self,
        refusal: Refusal,
        detail: String,
        mut flight: Flight,
        now: Instant,
    ) -> Next {
        let node = flight.address();
        let fine = Outcome::Success { latency: now - flight.begun };
        let (outcome, error) = match refusal {
            Refusal::Draining => {
                return self.not_executed(CallError::Draining { node }, flight, Outcome::Draining);
            }
            Refusal::Overloaded { retry_after } => {
                return self.overloaded(node, retry_after, detail, flight);
            }
            Refusal::UnknownEndpoint => {
                (fine, CallError::UnknownEndpoint { node, endpoint: self.target.endpoint })
            }
            Refusal::TooLarge => (fine, CallError::TooLarge { detail, executed: Executed::No }),
            Refusal::Expired => (Outcome::Overloaded, self.timeout_of(Executed::No)),
            Refusal::Cancelled => {
                (Outcome::Cancelled, CallError::Cancelled { endpoint: self.target.endpoint })
            }
            Refusal::UnknownContentType | Refusal::Undecodable | Refusal::Other => {
                (fine, CallError::Codec { detail, executed: Executed::No })
            }
        };
        flight.finish(outcome, now);
        Next::Fail(error)
    }

    fn overloaded(
        &mut self,
        node: String,
        retry_after: Duration,
        detail: String,
        mut flight: Flight,
    ) -> Next {
        flight.finish(Outcome::Overloaded, Instant::now());
        let error = CallError::Overloaded { node, retry_after, detail };
        if !self.takes_retry() {
            return Next::Fail(error);
        }
        self.tried.extend(flight.candidate.take());
        Next::Pause(retry_after.min(PAUSE_MOST), error)
    }

    /// A request that no handler has seen is tried elsewhere, as long as there is time.
    pub(super) fn not_executed(
        &mut self,
        error: CallError,
        mut flight: Flight,
        outcome: Outcome,
    ) -> Next {
        flight.finish(outcome, Instant::now());
        let Some(candidate) = flight.candidate.take() else { return Next::Fail(error) };
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
                let until = Deadline::within(pause).earlier(Some(self.options.deadline));
                self.last = Some(error);
                self.caller.shard().sleep(until).await;
                Ok(())
            }
        }
    }
}

/// The handler's own status, or what the node says when it cannot send the handler's reply.
fn from_status(status: Status) -> CallError {
    if status.code == 413 && status.id == STATUS_ID {
        return CallError::TooLarge { detail: status.detail, executed: Executed::Yes };
    }
    CallError::Status(status)
}

impl RemoteService {
    fn allows_retry(&self, now: Instant) -> bool {
        self.budget.lock().allows(self.calls.load(Ordering::Relaxed), now)
    }
}

/// Attempts of one call at most, whatever the reason.
const ATTEMPTS_MOST: u32 = 32;

/// Upper bound of the first pause, and of every pause, between attempts.
const PAUSE_LEAST: Duration = Duration::from_millis(5);
const PAUSE_MOST: Duration = Duration::from_secs(1);
