//! What a call is asked to be, and what it comes to.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::attempt_middleware::AttemptChain;
use super::error::{CallError, Executed};
use super::retry::RetryBudgetOptions;
use super::rule::RetryRule;
use super::shard::ConnectionOptions;
use crate::deadline::Deadline;
use crate::message::BodyForm;
use crate::metadata::Metadata;
use crate::selector::{Filter, Pick, Strategy};
use crate::transport::TransportError;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTarget {
    /// E.g. `Greeter.Hello`.
    pub endpoint: &'static str,
    /// How request and reply are encoded.
    pub content_type: &'static str,
    /// Whether it may be repeated although it may have been executed.
    pub is_idempotent: bool,
}

/// How a call is made.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// Time for the call, all attempts included.
    pub timeout: Duration,
    /// When the answer is of no use any more, whatever the timeout says.
    pub limit: Option<Deadline>,
    /// Attempts after the first for what may have been executed, or was refused for overload.
    pub retries: u32,
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// A rule for retries in place of the caller's; boxed, as few calls have one.
    pub rule: Option<Box<RetryRule>>,
    /// What it wants of its node; boxed, as few calls want anything and all are moved around.
    pub choice: Option<Box<Choice>>,
}

/// Defaults of calls.
///
/// ```
/// use callboard_actors::client::CallerOptions;
///
/// assert_eq!(CallerOptions::default().retries, 1);
/// ```
#[derive(Debug, Clone)]
pub struct CallerOptions {
    /// Time for a call, retries included; default 5 s.
    pub timeout: Duration,
    /// Attempts after the first; default 1.
    pub retries: u32,
    /// How one of several nodes is chosen; default power of two choices on peak-EWMA latency.
    pub strategy: Strategy,
    /// What the nodes of all calls must be like, beside what each call says; default anything.
    pub filters: Vec<Filter>,
    /// Whether services are not looked up, because their names are addresses; default no.
    pub is_named: bool,
    /// What is retried beside what is anyway, by calls without a rule of their own; default
    /// nothing.
    pub rule: Option<RetryRule>,
    /// What is run around each attempt of a call; default nothing.
    pub attempts: AttemptChain,
    /// Connections to each node from each client arbiter; default 1, as one carries many calls.
    pub connections_per_arbiter: usize,
    /// Limits of retries per service.
    pub budget: RetryBudgetOptions,
    /// Limits of connections.
    pub connection: ConnectionOptions,
}

impl Default for CallerOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            retries: 1,
            strategy: Strategy::default(),
            filters: Vec::new(),
            is_named: false,
            rule: None,
            attempts: AttemptChain::default(),
            connections_per_arbiter: 1,
            budget: RetryBudgetOptions::default(),
            connection: ConnectionOptions::default(),
        }
    }
}

impl CallerOptions {
    /// Whether nothing is asked of nodes, or done with each attempt, that a call does not ask for.
    pub(super) fn is_plain(&self) -> bool {
        let is_custom = matches!(self.strategy, Strategy::Custom(_));
        self.filters.is_empty() && self.attempts.is_empty() && !self.is_named && !is_custom
    }

    /// The options of a call, but for what only the call itself can say.
    pub(super) fn of_call(&self, timeout: Duration) -> CallOptions {
        let (retries, metadata) = (self.retries, Metadata::new());
        CallOptions { timeout, limit: None, retries, rule: None, metadata, choice: None }
    }
}

/// What a call wants of its node.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Equal keys go to the same node, with a strategy that heeds them.
    pub key: Option<String>,
    /// What the node must be like, whatever the caller's filters say; see
    /// [`Caller::choice`](super::Caller::choice).
    pub filters: Vec<Filter>,
    /// How one of several nodes is chosen; default the caller's.
    pub strategy: Option<Strategy>,
    /// Calls the node at this address, whatever the registry says.
    pub node: Option<String>,
}

impl CallOptions {
    /// When a call that begins at `now` is over.
    pub fn deadline_at(&self, now: Instant) -> Deadline {
        Deadline::after(now, self.timeout).earlier(self.limit)
    }

    /// The address of the node that is wanted.
    pub(super) fn node(&self) -> Option<&str> {
        self.choice.as_ref()?.node.as_deref()
    }

    /// What is asked of the selector; a call that wants nothing of its node has the `defaults`.
    pub(super) fn pick<'a>(&'a self, target: CallTarget, defaults: &'a CallerOptions) -> Pick<'a> {
        let CallerOptions { strategy, filters, .. } = defaults;
        let endpoint = Some(target.endpoint);
        let plain = Pick { strategy, endpoint, filters, ..Pick::default() };
        match &self.choice {
            None => plain,
            Some(choice) => Pick {
                strategy: choice.strategy.as_ref().unwrap_or(strategy),
                key: choice.key.as_deref(),
                filters: &choice.filters,
                ..plain
            },
        }
    }

    /// Whether any node would take a request like this.
    ///
    /// # Errors
    /// [`CallError::TooLarge`]: the metadata exceed their limits.
    pub fn check(&self) -> Result<(), CallError> {
        TransportError::check_metadata(&self.metadata).map_err(|error| invalid(&error))
    }
}

/// A handler's value, encoded.
#[derive(Debug, Clone)]
pub struct EncodedReply {
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// In the content type of the request.
    pub body: Bytes,
}

/// A handler's value, and who gave it.
#[derive(Debug, Clone)]
pub struct NodeReply {
    /// The address of the node that answered.
    pub node: String,
    /// The form that request and reply have.
    pub form: BodyForm,
    /// What it answered.
    pub reply: EncodedReply,
}

/// The request itself cannot be sent; no node would take it.
pub(super) fn invalid(error: &TransportError) -> CallError {
    let detail = format!("the request was not sent: {error}");
    match error {
        TransportError::TooLarge { .. } | TransportError::Metadata { .. } => {
            CallError::TooLarge { detail, executed: Executed::No }
        }
        _ => CallError::Codec { detail, executed: Executed::No },
    }
}
