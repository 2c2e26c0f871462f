//! Calls that are made on a connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::room::Room;
use super::{CALLS_LIMIT, KnownRoute, Outbox, QUEUE_LIMIT, State};
use crate::client::CallTarget;
use crate::message::{Body, BodyForm, Outgoing, RequestId, Route, RouteSlot};
use crate::metadata::Metadata;
use crate::selector::Candidate;
use crate::transport::TransportError;
use crate::transport::in_flight::{
    Answer, Counted, Failure, Gathered, InFlight, Patience, ReplyBuffer,
};

/// A call as it is sent.
#[derive(Clone, Copy)]
pub(crate) struct OutgoingCall<'a> {
    pub(crate) target: &'a CallTarget,
    pub(crate) patience: Patience,
    /// What is left of it now.
    pub(crate) time_left: Option<Duration>,
    pub(crate) metadata: &'a Metadata,
    pub(crate) body: &'a dyn Body,
    /// The first of the body's forms that the node is not known not to take.
    pub(crate) form: BodyForm,
}

/// A call that has been encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Where it ends in the stream of bytes.
    pub(super) end: u64,
    pub(super) form: BodyForm,
}

/// A body in a further form.
struct OtherForm<'a>(&'a dyn Body, BodyForm);

impl Body for OtherForm<'_> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.0.encode_as(self.1, buffer)
    }
}

impl OutgoingCall<'_> {
    /// The form in which a node with this record takes a body, which is best in this content type;
    /// none if it is known to take none.
    pub(crate) fn form_for(
        candidate: &Candidate,
        (endpoint, content_type): (&str, &str),
        body: &dyn Body,
    ) -> Option<BodyForm> {
        let has_other_types =
            body.types().is_some_and(|own| candidate.has_other_types(endpoint, own));
        if !has_other_types && candidate.takes(content_type) {
            return Some(BodyForm::PREFERRED);
        }
        let mut form = BodyForm::PREFERRED.next();
        while form <= BodyForm::LAST {
            if candidate.takes(body.alternative(form)?) {
                return Some(form);
            }
            form = form.next();
        }
        None
    }
}

/// What a request is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    OneWay,
    Stream,
}

/// Why a call was not sent; it has not been executed.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// As many calls are in flight, or as many bytes queued, as may be; see [`Outbox::room`].
    Full,
    /// The connection is over.
    Closed,
    /// The call itself is at fault; boxed, so that what is returned fits into registers.
    Invalid(Box<TransportError>),
}

impl Outbox {
    /// Sends a call that is counted for its node; what its [ticket](Ticket::new) is made of.
    ///
    /// Who has a waker already spares the first poll of the ticket.
    pub(crate) fn call(
        &self,
        call: &OutgoingCall<'_>,
        counted: Option<Counted<'_>>,
        waker: Option<&Waker>,
    ) -> Result<(RequestId, BodyForm), NotSent> {
        let sent = {
            let mut state = self.state.lock();
            state.check_room()?;
            let id = state.calls.reserve();
            let Written { end, form } = state.encode_call(id, Kind::Call, call)?;
            state.calls.insert(&call.patience, end, counted, waker.cloned());
            self.figures.in_flight.store(state.calls.len(), Ordering::Release);
            self.encoded(&state);
            (id, form)
        };
        self.schedule();
        Ok(sent)
    }

    /// Sends a call whose answer is gathered with others; its number, and the form it was sent in.
    pub(crate) fn gather(
        &self,
        call: &OutgoingCall<'_>,
        gathered: Gathered,
    ) -> Result<(RequestId, BodyForm), NotSent> {
        let (id, form) = {
            let mut state = self.state.lock();
            state.check_room()?;
            let id = state.calls.reserve();
            let Written { end, form } = state.encode_call(id, Kind::Call, call)?;
            state.calls.insert_gathered(&call.patience, end, gathered);
            self.figures.in_flight.store(state.calls.len(), Ordering::Release);
            self.encoded(&state);
            (id, form)
        };
        self.schedule();
        Ok((id, form))
    }

    /// Gives a call up, and cancels it at the peer if it has not been answered.
    pub(crate) fn give_up(&self, id: RequestId) {
        let was_waiting = {
            let mut state = self.state.lock();
            let was_waiting = state.calls.forget(id, Instant::now);
            self.figures.in_flight.store(state.calls.len(), Ordering::Release);
            state.wake_waiters(1);
            state.rest_if_over();
            was_waiting
        };
        if was_waiting {
            // A cancellation is small and fits any frame; on a broken connection it is moot.
            let _ = self.send(Outgoing::Cancel { id });
        }
    }

    /// Resolves when there may be room for a call, or the connection is over.
    pub(crate) fn room(&self) -> Room<'_> {
        Room { outbox: self, place: None }
    }

    /// Sends a call that nobody waits for.
    pub(crate) fn one_way(&self, call: &OutgoingCall<'_>) -> Result<(), NotSent> {
        {
            let mut state = self.state.lock();
            state.check_queue(QUEUE_LIMIT)?;
            // The number is free to be used again: nothing is ever answered to it.
            state.encode_call(RequestId(0), Kind::OneWay, call)?;
            self.encoded(&state);
        }
        self.schedule();
        Ok(())
    }

    /// Takes note that the peer takes no requests of this content type at this endpoint, until the
    /// next connection.
    pub(crate) fn refuse_route(&self, endpoint: &str, content_type: &str) {
        let mut state = self.state.lock();
        if let Some(index) = state.route(endpoint, content_type) {
            state.routes[index].is_refused = true;
        }
    }

    /// Calls that wait for an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.figures.in_flight.load(Ordering::Acquire)
    }

    /// Lets `note` write down the answers that arrived together, all under one lock.
    pub(crate) fn answer<T>(&self, now: Instant, note: impl FnOnce(&mut InFlight) -> T) -> T {
        let mut state = self.state.lock();
        let noted = note(&mut state.calls);
        state.calls.settle(now);
        self.figures.in_flight.store(state.calls.len(), Ordering::Release);
        noted
    }

    /// Ends calls whose deadline has passed; collects whom to wake.
    pub(crate) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        self.answer(now, |calls| calls.expire(now, wakers));
    }
}

impl State {
    /// Whether one more call may be sent.
    pub(super) fn check_room(&self) -> Result<(), NotSent> {
        self.check_queue(CALLS_LIMIT)?;
        if self.calls.len() < self.max_in_flight { Ok(()) } else { Err(NotSent::Full) }
    }

    fn check_queue(&self, limit: usize) -> Result<(), NotSent> {
        if self.is_over {
            Err(NotSent::Closed)
        } else if self.queued() < limit {
            Ok(())
        } else {
            Err(NotSent::Full)
        }
    }

    #[inline]
    pub(super) fn encode_call(
        &mut self,
        id: RequestId,
        kind: Kind,
        call: &OutgoingCall<'_>,
    ) -> Result<Written, NotSent> {
        match self.route(call.target.endpoint, call.target.content_type) {
            Some(index) if call.form.is_preferred() && !self.routes[index].is_refused => {
                let end = self.encode_on(index, None, (id, kind), call, call.body)?;
                Ok(Written { end, form: call.form })
            }
            _ => self.encode_first(id, kind, call),
        }
    }

    /// The same where the peer does not know the route yet, or the body may have to take another
    /// form.
    #[cold]
    fn encode_first(
        &mut self,
        id: RequestId,
        kind: Kind,
        call: &OutgoingCall<'_>,
    ) -> Result<Written, NotSent> {
        let CallTarget { endpoint, mut content_type, .. } = *call.target;
        let mut form = call.form;
        if !form.is_preferred()
            && let Some(other) = call.body.alternative(form)
        {
            content_type = other;
        }
        let mut known = self.route(endpoint, content_type);
        while known.is_some_and(|index| self.routes[index].is_refused) && form < BodyForm::LAST {
            let Some(other) = call.body.alternative(form.next()) else { break };
            (form, content_type) = (form.next(), other);
            known = self.route(endpoint, content_type);
        }
        let fresh =
            known.is_none().then_some(KnownRoute { endpoint, content_type, is_refused: false });
        let define = fresh.map(KnownRoute::to_route);
        let index = known.unwrap_or(self.routes.len());
        let other = OtherForm(call.body, form);
        let body: &dyn Body = if form.is_preferred() { call.body } else { &other };
        let end = self.encode_on(index, define.as_ref(), (id, kind), call, body)?;
        self.routes.extend(fresh);
        Ok(Written { end, form })
    }

    #[inline]
    fn encode_on(
        &mut self,
        index: usize,
        define: Option<&Route>,
        (id, kind): (RequestId, Kind),
        call: &OutgoingCall<'_>,
        body: &dyn Body,
    ) -> Result<u64, NotSent> {
        let route = u32::try_from(index).map_or(RouteSlot(u32::MAX), RouteSlot);
        if route.0 >= RouteSlot::MAX {
            let error = TransportError::Encode("too many endpoints on one connection".into());
            return Err(NotSent::Invalid(Box::new(error)));
        }
        let message = Outgoing::Request {
            id,
            one_way: kind == Kind::OneWay,
            stream: kind == Kind::Stream,
            route,
            define,
            time_left: call.time_left,
            metadata: call.metadata,
            body,
        };
        let Some(encoder) = &mut self.encoder else { return Err(NotSent::Closed) };
        encoder.encode(message).map_err(|error| NotSent::Invalid(Box::new(error)))
    }

    /// Which slot stands for this.
    fn route(&self, endpoint: &str, content_type: &str) -> Option<usize> {
        // A connection sees few endpoints, so looking through them beats hashing. Names are
        // constants, so nearly always the same one is in the same place.
        let same = |one: &str, other: &str| std::ptr::eq(one, other) || one == other;
        self.routes.iter().position(|route| {
            same(route.endpoint, endpoint) && same(route.content_type, content_type)
        })
    }

    /// Gives memory back when the last call of a connection that is over has been taken; nothing
    /// else would, until the next connection rests.
    fn rest_if_over(&mut self) {
        if self.is_over {
            self.calls.rest();
        }
    }

    pub(super) fn wake_waiters(&mut self, room: usize) {
        if self.waiters.is_empty() || self.queued() >= CALLS_LIMIT {
            return;
        }
        for _ in 0..room {
            let Some((_, waker)) = self.waiters.pop_first() else { return };
            waker.wake();
        }
    }
}

/// A call that has been sent; resolves to its answer.
///
/// Dropping it cancels the call at the peer.
pub(crate) struct Ticket {
    outbox: Arc<Outbox>,
    id: RequestId,
    form: BodyForm,
    is_over: bool,
}

impl Ticket {
    /// Creates the ticket of a call that was sent on this connection.
    #[inline]
    pub(crate) fn new(outbox: &Arc<Outbox>, (id, form): (RequestId, BodyForm)) -> Self {
        Self { outbox: Arc::clone(outbox), id, form, is_over: false }
    }

    /// The form in which the body was sent, and the reply will be.
    pub(crate) fn form(&self) -> BodyForm {
        self.form
    }

    /// Resolves when the reply has been put into `reply`, or to why there is none.
    #[inline]
    pub(crate) fn poll_reply(
        &mut self,
        cx: &Context<'_>,
        reply: &mut ReplyBuffer,
    ) -> Poll<Result<(), Box<Failure>>> {
        let result = {
            let mut state = self.outbox.state.lock();
            let result = ready!(state.calls.look(self.id, cx.waker(), reply));
            state.wake_waiters(1);
            state.rest_if_over();
            result
        };
        self.is_over = true;
        Poll::Ready(result)
    }

    /// The connection that the call was sent on.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

impl Future for Ticket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut reply = ReplyBuffer::new();
        let result = ready!(self.poll_reply(cx, &mut reply));
        Poll::Ready(match result {
            Ok(()) => Answer::Reply { metadata: reply.take_metadata(), body: reply.take_body() },
            Err(failure) => Answer::Failed(failure),
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_over {
            self.outbox.give_up(self.id);
        }
    }
}
