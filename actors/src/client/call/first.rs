//! The first attempt of a call, where nothing has to be waited for.
//!
//! As a rule it neither reads the clock nor allocates. Whatever is not plain is left to
//! [`Call`](super::Call), which begins anew and says what is wrong.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::RNG;
use crate::client::attempt::Attempt;
use crate::client::caller::{Caller, RemoteService};
use crate::client::error::CallError;
use crate::client::options::{CallOptions, CallTarget, invalid};
use crate::message::{Body, BodyForm};
use crate::now::Now;
use crate::selector::{Candidate, PlainRoutes, Route, Snapshot};
use crate::transport::in_flight::{Counted, Patience};
use crate::transport::outbox::{NotSent, Outbox, OutgoingCall, Ticket};

/// A call of which nothing has happened yet.
pub(in crate::client) struct First<'a> {
    pub(in crate::client) caller: &'a Caller,
    pub(in crate::client) service: &'a RemoteService,
    pub(in crate::client) target: &'a CallTarget,
    pub(in crate::client) options: &'a CallOptions,
    pub(in crate::client) body: &'a dyn Body,
}

impl First<'_> {
    /// Sends the request, has `waker` woken at the end of the attempt, and puts that down at `place`.
    ///
    /// An attempt that were returned would be copied by everybody on its way, each time as a whole
    /// what has just been written in parts, for which a processor waits.
    #[inline]
    pub(in crate::client) fn call(
        &self,
        waker: &Waker,
        place: &mut Option<Attempt>,
    ) -> Result<(), CallError> {
        self.send(|outbox, call, counted| {
            let sent = outbox.call(call, Some(counted), Some(waker))?;
            *place = Some(Attempt::new(Ticket::new(outbox, sent)));
            Ok(())
        })
        .map(|_| ())
    }

    /// Sends a one-way request; false when something has to be waited for.
    pub(in crate::client) fn post(&self) -> Result<bool, CallError> {
        self.send(|outbox, call, _| outbox.one_way(call))
    }

    #[allow(clippy::inline_always, reason = "of 340 instructions 40 are spared")]
    #[inline(always)]
    fn send(
        &self,
        hand_over: impl FnOnce(&Arc<Outbox>, &OutgoingCall<'_>, Counted<'_>) -> Result<(), NotSent>,
    ) -> Result<bool, CallError> {
        let Some(nodes) = self.service.nodes() else { return Ok(false) };
        // First: a call without time takes no node's turn, nor its probe.
        let Some(time) = self.options.patience() else { return Ok(false) };
        let sent = nodes.look_and_note(|snapshot, routes| match self.plain(snapshot, routes) {
            Some(sole) => self.send_to(Counted::Later(sole), time, BodyForm::PREFERRED, hand_over),
            None => self.send_to_one_of(snapshot, routes, time, hand_over),
        });
        match sent {
            Ok(sent) => Ok(sent),
            Err(NotSent::Full | NotSent::Closed) => Ok(false),
            Err(NotSent::Invalid(error)) => Err(invalid(&error)),
        }
    }

    /// The only node, if an earlier call like this one found that nothing is to be decided.
    #[allow(clippy::inline_always, reason = "see `send`")]
    #[inline(always)]
    fn plain<'s>(
        &self,
        snapshot: &'s Snapshot,
        routes: &PlainRoutes,
    ) -> Option<&'s Arc<Candidate>> {
        if self.is_plain() && routes.has(&self.route()) { snapshot.sole() } else { None }
    }

    /// Whether nothing is asked of the node but that it answers.
    #[inline]
    fn is_plain(&self) -> bool {
        self.options.choice.is_none() && self.caller.is_plain()
    }

    #[inline]
    fn route(&self) -> Route {
        let CallTarget { endpoint, content_type, .. } = *self.target;
        Route { endpoint, content_type, types: self.body.types() }
    }

    #[inline(never)]
    fn send_to_one_of(
        &self,
        snapshot: &Snapshot,
        routes: &PlainRoutes,
        time: (Patience, Duration),
        hand_over: impl FnOnce(&Arc<Outbox>, &OutgoingCall<'_>, Counted<'_>) -> Result<(), NotSent>,
    ) -> Result<bool, NotSent> {
        // Who looks at each attempt is served by the longer way, and so is who names the node.
        let is_watched = !self.caller.options().attempts.is_empty();
        if is_watched || self.caller.direct(self.service, self.options).is_some() {
            return Ok(false);
        }
        let pick = self.options.pick(*self.target, self.caller.options());
        let picked = RNG.with_borrow_mut(|rng| snapshot.pick(&pick, rng, Now::unread()).ok());
        let Some(candidate) = picked else { return Ok(false) };
        let CallTarget { endpoint, content_type, .. } = *self.target;
        let Some(form) = OutgoingCall::form_for(candidate, (endpoint, content_type), self.body)
        else {
            snapshot.unpick(&pick);
            return Ok(false);
        };
        if form.is_preferred() && self.is_plain() && snapshot.sole().is_some() {
            routes.note(self.route());
        }
        let sent = self.send_to(Counted::Now(candidate), time, form, hand_over);
        if let Ok(false) | Err(NotSent::Full | NotSent::Closed) = sent {
            snapshot.unpick(&pick);
        }
        sent
    }

    #[allow(clippy::inline_always, reason = "see `send`")]
    #[inline(always)]
    fn send_to(
        &self,
        counted: Counted<'_>,
        (patience, time_left): (Patience, Duration),
        form: BodyForm,
        hand_over: impl FnOnce(&Arc<Outbox>, &OutgoingCall<'_>, Counted<'_>) -> Result<(), NotSent>,
    ) -> Result<bool, NotSent> {
        let (candidate, node) = (counted.candidate(), counted.candidate().node());
        let link = candidate.links.of(self.caller.link_place(), &node.id, &node.address);
        if link.is_draining() {
            return Ok(false);
        }
        let (target, time_left) = (self.target, Some(time_left));
        let (metadata, body) = (&self.options.metadata, self.body);
        let call = OutgoingCall { target, patience, time_left, metadata, body, form };
        hand_over(link.outbox(), &call, counted).map(|()| true)
    }
}

impl CallOptions {
    /// How long a call that begins now waits, and how much of that is left; `None` if no time is.
    #[inline]
    fn patience(&self) -> Option<(Patience, Duration)> {
        if self.limit.is_none() {
            let given = Patience::Within(self.timeout);
            return (!self.timeout.is_zero()).then_some((given, self.timeout));
        }
        let now = Instant::now();
        let deadline = self.deadline_at(now);
        (!deadline.has_passed_at(now))
            .then(|| (Patience::Until(deadline), deadline.time_left_at(now)))
    }
}
