//! What a call is asked to be, and what it comes to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::{CallError, Executed};
use super::link::Link;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::selector::{Filter, Strategy};
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
    /// When the answer is of no use any more; covers all attempts.
    pub deadline: Deadline,
    /// The time given at the beginning, for messages.
    pub timeout: Duration,
    /// Attempts after the first for what may have been executed, or was refused for overload.
    pub retries: u32,
    /// Pairs beside the body.
    pub metadata: Metadata,
    /// Equal keys go to the same node, with a strategy that heeds them.
    pub key: Option<String>,
    /// What the node must be like.
    pub filters: Vec<Filter>,
    /// How one of several nodes is chosen; default the caller's.
    pub strategy: Option<Strategy>,
    /// Calls the node at this address, whatever the registry says.
    pub node: Option<String>,
}

impl CallOptions {
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
    pub(super) link: Arc<Link>,
}

impl EncodedReply {
    /// The address of the node that answered.
    pub fn node(&self) -> &str {
        self.link.address()
    }
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
