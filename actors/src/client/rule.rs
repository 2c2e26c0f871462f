//! When a caller wants to try again, in its own words.
//!
//! Pure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::CallError;

/// A caller's own rule for retries, beside what is retried anyway.
///
/// What was certainly not executed is tried on other nodes without being asked about. The rule
/// decides about every other failure, also of what has been executed; the number of retries, the
/// retry budget and the deadline limit it.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::Status;
/// use callboard_actors::client::{CallError, RetryRule};
///
/// let rule = RetryRule::new()
///     .retry(|error, _| matches!(error, CallError::Status(status) if status.code == 409))
///     .backoff(|attempt| Duration::from_millis(10) * attempt);
/// assert!(rule.wants(&Status::conflict("stock", "try again").into(), 1));
/// assert_eq!(rule.wait(3), Some(Duration::from_millis(30)));
/// ```
#[derive(Clone, Default)]
pub struct RetryRule {
    retry: Option<Arc<Retry>>,
    backoff: Option<Arc<Backoff>>,
}

type Retry = dyn Fn(&CallError, u32) -> bool + Send + Sync;
type Backoff = dyn Fn(u32) -> Duration + Send + Sync;

impl RetryRule {
    /// A rule that adds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Retries what this says; it is given the error, and the number of attempts so far.
    #[must_use]
    pub fn retry(
        mut self,
        retry: impl Fn(&CallError, u32) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry = Some(Arc::new(retry));
        self
    }

    /// Waits so long before a retry of this rule; it is given the number of attempts so far.
    ///
    /// By default the wait is random, of at most 10 ms after the first attempt, doubled with each
    /// further one, 1 s at most.
    #[must_use]
    pub fn backoff(mut self, backoff: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        self.backoff = Some(Arc::new(backoff));
        self
    }

    /// Whether it ever asks for a retry.
    pub fn retries(&self) -> bool {
        self.retry.is_some()
    }

    /// Whether a failure is worth another attempt.
    pub fn wants(&self, error: &CallError, attempts: u32) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry(error, attempts))
    }

    /// How long to wait before that, if the rule says so.
    pub fn wait(&self, attempts: u32) -> Option<Duration> {
        self.backoff.as_ref().map(|backoff| backoff(attempts))
    }
}

impl fmt::Debug for RetryRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryRule")
            .field("retry", &self.retry.is_some())
            .field("backoff", &self.backoff.is_some())
            .finish()
    }
}
