//! How a call on a connection ended.
//!
//! Pure.

use std::sync::Arc;

use bytes::Bytes;

use super::Timing;
use crate::message::Refusal;
use crate::metadata::Metadata;
use crate::selector::Candidate;
use crate::status::Status;
use crate::transport::TransportError;

/// How a call on a connection ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The handler's value.
    Reply { metadata: Metadata, body: Bytes },
    /// Anything else; boxed, because it is rare and the other is moved around.
    Failed(Box<Failure>),
}

/// Why a call has no reply, and what its caller needs to go on.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// The node it counted for.
    pub(crate) candidate: Option<Arc<Candidate>>,
    /// Unknown when the connection ended before it had a look at the call.
    pub(crate) timing: Option<Timing>,
}

impl Failure {
    /// That of a call which is not known any more.
    pub(crate) const GONE: Self = Self { cause: Cause::TimedOut, candidate: None, timing: None };
}

/// What a call ended with, when not with a value.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The handler's status.
    Status(Box<Status>),
    /// The node did not execute it.
    Refused { refusal: Refusal, status: Box<Status> },
    /// The connection ended first.
    Broken { was_sent: bool, error: Arc<TransportError> },
    /// The deadline passed first.
    TimedOut,
}
