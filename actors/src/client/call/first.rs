//! The first attempt of a call, where nothing has to be waited for.
//!
//! As a rule it neither reads the clock nor allocates. Whatever is not plain is left to
//! [`Call`](super::Call), which begins anew and says what is wrong.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::RNG;
use crate::client::attempt::Attempt;
use crate::client::caller::{Caller, RemoteService};
use crate::client::error::CallError;
use crate::client::options::{CallOptions, CallTarget, invalid};
use crate::message::Body;
use crate::now::Now;
use crate::selector::{Candidate, Snapshot};
use crate::transport::in_flight::Patience;
use crate::transport::outbox::{NotSent, Outbox, OutgoingCall};

/// A call of which nothing has happened yet.
#[derive(Clone, Copy)]
pub(in crate::client) struct First<'a> {
    pub(in crate::client) caller: &'a Caller,
    pub(in crate::client) service: &'a RemoteService,
    pub(in crate::client) target: CallTarget,
    pub(in crate::client) options: &'a CallOptions,
    pub(in crate::client) body: &'a dyn Body,
}

impl First<'_> {
    /// Sends the request, and has `waker` woken at the end of the attempt.
    pub(in crate::client) fn call(self, waker: &Waker) -> Result<Option<Attempt>, CallError> {
        self.send(|outbox, call, candidate| {
            outbox.call(call, Some(candidate), Some(waker)).map(Attempt::new)
        })
    }

    /// Sends a one-way request; false when something has to be waited for.
    pub(in crate::client) fn post(self) -> Result<bool, CallError> {
        Ok(self.send(|outbox, call, _| outbox.one_way(call))?.is_some())
    }

    fn send<T>(
        self,
        hand_over: impl FnOnce(&Arc<Outbox>, &OutgoingCall<'_>, &Arc<Candidate>) -> Result<T, NotSent>,
    ) -> Result<Option<T>, CallError> {
        // Who looks at each attempt is served by the longer way.
        if !self.caller.options().attempts.is_empty() {
            return Ok(None);
        }
        match self.service.nodes() {
            Some(nodes) if self.caller.direct(self.service, self.options).is_none() => {
                nodes.look(|snapshot| self.send_to_one_of(snapshot, hand_over))
            }
            _ => Ok(None),
        }
    }

    fn send_to_one_of<T>(
        self,
        snapshot: &Snapshot,
        hand_over: impl FnOnce(&Arc<Outbox>, &OutgoingCall<'_>, &Arc<Candidate>) -> Result<T, NotSent>,
    ) -> Result<Option<T>, CallError> {
        let now = Now::unread();
        let Some((patience, time_left)) = self.options.patience(&now) else { return Ok(None) };
        let pick = self.options.pick(self.target, self.caller.options());
        let picked = RNG.with_borrow_mut(|rng| snapshot.pick(&pick, rng, now).ok());
        let Some(candidate) = picked else { return Ok(None) };
        let node = candidate.node();
        let link = candidate.links.of(self.caller.link_place(), &node.id, &node.address);
        if link.is_draining() {
            return Ok(None);
        }
        let CallTarget { endpoint, content_type, .. } = self.target;
        let time_left = Some(time_left);
        let (metadata, body) = (&self.options.metadata, self.body);
        let Some(form) = OutgoingCall::form_for(candidate, (endpoint, content_type), body) else {
            snapshot.unpick(&pick);
            return Ok(None);
        };
        let call =
            OutgoingCall { endpoint, content_type, patience, time_left, metadata, body, form };
        match hand_over(link.outbox(), &call, candidate) {
            Ok(sent) => Ok(Some(sent)),
            Err(NotSent::Full | NotSent::Closed) => {
                snapshot.unpick(&pick);
                Ok(None)
            }
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }
}

impl CallOptions {
    /// How long a call that begins now waits, and how much of that is left; `None` if no time is.
    fn patience(&self, now: &Now) -> Option<(Patience, Duration)> {
        if self.limit.is_none() {
            let given = Patience::Within(self.timeout);
            return (!self.timeout.is_zero()).then_some((given, self.timeout));
        }
        let now = now.instant();
        let deadline = self.deadline_at(now);
        (!deadline.has_passed_at(now))
            .then(|| (Patience::Until(deadline), deadline.time_left_at(now)))
    }
}
