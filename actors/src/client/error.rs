//! Why a call failed, and whether repeating it is safe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::options::CallTarget;
use crate::registry::RegistryError;
use crate::selector::PickError;
use crate::status::Status;
use crate::transport::TransportError;

/// Why a call failed.
///
/// [`is_retryable`](Self::is_retryable) and [`executed`](Self::executed) are what a caller branches
/// on; callboard has done so already, within the call's retries.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::client::{CallError, Executed};
///
/// let endpoint = "Greeter.Hello";
/// let timeout = Duration::from_secs(5);
/// let late = CallError::Timeout { endpoint, timeout, executed: Executed::Maybe };
/// assert!(!late.is_retryable(), "it may have been executed");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The handler answered with a status.
    #[error("{0}")]
    Status(Status),
    /// The registry knows no service of this name.
    #[error(
        "no service is called {service:?}: check the name, that it runs, and that both sides use the same registry"
    )]
    NotFound {
        /// The name that was asked for.
        service: String,
    },
    /// The service is known, but no node of it can be called now.
    #[error("no node of service {service:?} can be called: {reason}")]
    NoneAvailable {
        /// The service's name.
        service: String,
        /// Why each of them cannot.
        reason: String,
    },
    /// The registry could not be asked, and nothing was known from before.
    #[error("cannot look up service {service:?}")]
    Registry {
        /// The service's name.
        service: String,
        /// What the registry said.
        #[source]
        source: RegistryError,
    },
    /// There was no answer within the call's timeout.
    #[error("no answer from {endpoint} within {timeout:?}; it {executed} been executed")]
    Timeout {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// The timeout of the whole call, retries included.
        timeout: Duration,
        /// Whether the handler may have run.
        executed: Executed,
    },
    /// The node cancelled the call.
    #[error("the call of {endpoint} was cancelled")]
    Cancelled {
        /// The endpoint that was called.
        endpoint: &'static str,
    },
    /// The node has more to do than it can; it did not execute the call.
    #[error("{node} is overloaded: {detail}")]
    Overloaded {
        /// The node's address.
        node: String,
        /// When it is worth trying again.
        retry_after: Duration,
        /// What the node said.
        detail: String,
    },
    /// The node is shutting down, and no other node took the call; it was not executed.
    #[error("{node} is shutting down and no other node took the call")]
    Draining {
        /// The node's address.
        node: String,
    },
    /// The request, or the reply, exceeds a limit.
    #[error("the message is too large: {detail}")]
    TooLarge {
        /// Sizes and limits.
        detail: String,
        /// Whether the handler has run, as it has when it is the reply.
        executed: Executed,
    },
    /// The request cannot be encoded, or was not understood, or the reply was not.
    #[error("codec: {detail}")]
    Codec {
        /// What was wrong, and on which side.
        detail: String,
        /// Whether the handler may have run.
        executed: Executed,
    },
    /// The node, or every node of the service, has no such endpoint.
    #[error("{node} has no endpoint {endpoint}: check its name and the service's version")]
    UnknownEndpoint {
        /// The node's address, or the service where no node of it has the endpoint.
        node: String,
        /// The endpoint that was called.
        endpoint: &'static str,
    },
    /// The node, and every other one that was tried, runs a version that knows no streams.
    #[error("{node} runs a version that knows no streams: update it, or stream to another node")]
    NoStreams {
        /// The node's address.
        node: String,
    },
    /// The connection could not be made, or broke; the call {executed} been executed.
    #[error("connection to {node} failed; the call {executed} been executed")]
    Connection {
        /// The node's address.
        node: String,
        /// Whether the handler may have run.
        executed: Executed,
        /// What happened to the connection.
        #[source]
        source: Arc<TransportError>,
    },
    /// This system is stopping or has stopped.
    #[error("this system has been stopped")]
    Stopped,
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

// A handler that calls another service may pass its failure on with `?`.
impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        error.to_status("callboard")
    }
}

/// Whether the handler has run.
///
/// ```
/// use callboard_actors::client::{CallError, Executed};
///
/// let error = CallError::NotFound { service: "greeter".into() };
/// assert_eq!(error.executed(), Executed::No);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Executed {
    /// Certainly not: repeating is safe.
    No,
    /// Nobody can tell: repeating is safe for idempotent endpoints only.
    Maybe,
    /// It has.
    Yes,
}

impl fmt::Display for Executed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "has not",
            Self::Maybe => "may have",
            Self::Yes => "has",
        })
    }
}

impl CallError {
    /// Whether the handler may have run.
    pub fn executed(&self) -> Executed {
        match self {
            Self::Status(_) => Executed::Yes,
            Self::Timeout { executed, .. }
            | Self::Codec { executed, .. }
            | Self::TooLarge { executed, .. }
            | Self::Connection { executed, .. } => *executed,
            Self::Cancelled { .. } => Executed::Maybe,
            _ => Executed::No,
        }
    }

    /// Whether the same call may succeed when it is repeated later, and repeating it is safe.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoneAvailable { .. } | Self::Overloaded { .. } | Self::Draining { .. } => true,
            Self::Registry { source, .. } => source.is_retryable(),
            Self::Timeout { executed, .. } | Self::Connection { executed, .. } => {
                *executed == Executed::No
            }
            _ => false,
        }
    }

    /// A status, as a remote caller would see it; the handler's own where there is one.
    pub fn to_status(&self, id: &str) -> Status {
        let code = match self {
            Self::Status(status) => return status.clone(),
            Self::NotFound { .. } | Self::UnknownEndpoint { .. } => 404,
            Self::Timeout { .. } => 408,
            Self::TooLarge { .. } => 413,
            Self::Overloaded { .. } => 429,
            Self::Cancelled { .. } => 499,
            Self::Codec { .. } => 400,
            Self::NoStreams { .. } => 501,
            Self::NoneAvailable { .. }
            | Self::Registry { .. }
            | Self::Draining { .. }
            | Self::Connection { .. }
            | Self::Stopped => 503,
        };
        Status::new(id, code, self.to_string())
    }

    pub(crate) fn from_pick(error: &PickError, service: &str, target: CallTarget) -> Self {
        match error {
            PickError::UnknownEndpoint { .. } => Self::UnknownEndpoint {
                node: format!("service {service:?}"),
                endpoint: target.endpoint,
            },
            _ => Self::NoneAvailable { service: service.to_owned(), reason: error.to_string() },
        }
    }
}
