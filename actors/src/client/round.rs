//! Asking several nodes the same at once.
//!
//! Each connection keeps its call as it keeps any other; the answers go to one place, and no call
//! has a future, a timer or a waker of its own.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::FailedAttempt;
use super::caller::Caller;
use super::direct::DirectNode;
use super::error::CallError;
use super::link::{Link, LinkPlace};
use super::options::{CallTarget, invalid};
use crate::message::{Body, BodyForm, RequestId};
use crate::metadata::Metadata;
use crate::transport::in_flight::{Failure, Gathered, Gathering, Patience};
use crate::transport::outbox::{NotSent, OutgoingCall};

/// Calls to several nodes, each numbered in the order in which it was begun.
///
/// Nobody but its owner looks at the clock for them: what takes too long must be
/// [given up](Self::give_up).
pub(crate) struct Round<'a> {
    target: CallTarget,
    metadata: &'a Metadata,
    timeout: Duration,
    /// The same for all.
    place: LinkPlace,
    gathering: Arc<dyn Gathering>,
    sent: Vec<Option<(RequestId, BodyForm)>>,
}

impl<'a> Round<'a> {
    /// Prepares for so many nodes; what they answer goes to `gathering`.
    pub(crate) fn new(
        caller: &Caller,
        target: CallTarget,
        (metadata, timeout): (&'a Metadata, Duration),
        (gathering, nodes): (Arc<dyn Gathering>, usize),
    ) -> Self {
        let (place, sent) = (caller.link_place(), Vec::with_capacity(nodes));
        Self { target, metadata, timeout, place, gathering, sent }
    }

    /// Leaves a number out.
    pub(crate) fn skip(&mut self) {
        self.sent.push(None);
    }

    /// Asks a node, once; false when that cannot be done without waiting, and nothing has happened.
    ///
    /// # Errors
    /// The request cannot be sent as it is.
    pub(crate) fn ask(&mut self, node: &DirectNode, body: &dyn Body) -> Result<bool, CallError> {
        let sent = self.send(node, body);
        self.sent.push(sent.as_ref().ok().copied().flatten());
        sent.map(|sent| sent.is_some())
    }

    fn send(
        &self,
        node: &DirectNode,
        body: &dyn Body,
    ) -> Result<Option<(RequestId, BodyForm)>, CallError> {
        let link = self.link(node);
        if link.is_draining() || self.timeout.is_zero() {
            return Ok(None);
        }
        let call = OutgoingCall {
            target: &self.target,
            patience: Patience::Unlimited,
            time_left: Some(self.timeout),
            metadata: self.metadata,
            body,
            form: BodyForm::PREFERRED,
        };
        let number = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        let gathered = Gathered { gathering: Arc::clone(&self.gathering), number };
        match link.outbox().gather(&call, gathered) {
            Ok(sent) => Ok(Some(sent)),
            Err(NotSent::Full | NotSent::Closed) => Ok(None),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }

    /// The attempt at this node, which has failed; for [`Caller::go_on_node`].
    pub(crate) fn attempt(
        &self,
        node: &DirectNode,
        (number, failure): (u32, Box<Failure>),
    ) -> FailedAttempt {
        let sent = self.sent.get(number as usize).copied().flatten();
        let form = sent.map_or(BodyForm::PREFERRED, |(_, form)| form);
        FailedAttempt { failure, outbox: Arc::clone(self.link(node).outbox()), form }
    }

    /// Cancels the call of this number, unless it has ended.
    pub(crate) fn give_up(&self, node: &DirectNode, number: usize) {
        if let Some((id, _)) = self.sent.get(number).copied().flatten() {
            self.link(node).outbox().give_up(id);
        }
    }

    fn link<'b>(&self, node: &'b DirectNode) -> &'b Arc<Link> {
        node.links.of(self.place, "", &node.address)
    }
}
