//! One message on its way through an actor.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::sync::Arc;

use actix::dev::MessageResponse;
use actix::prelude::{Actor, ActorFutureExt, Handler, Message, ResponseActFuture, ResponseFuture};
use callboard_actors::contain::Panic;
use callboard_actors::inbox::{Job, JobKey, Progress};
use callboard_actors::message::Refusal;
use callboard_actors::server::ReplySlot;
use callboard_actors::transport::Hello;
use callboard_actors::{Context, Deadline, Metadata, Status};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::delivery::{Delivery, Stay};
use super::local::LocalReply;
use crate::codec::Codec;
use crate::request::{Annotated, AnnotatedReply, Inner};
use crate::system::SystemPlace;

/// A message, its way back, and what an inbox wants to know of it.
pub(super) struct TypedJob<A, M: Delivery> {
    message: Option<M>,
    way: Option<WayBack<M>>,
    key: JobKey,
    endpoint: usize,
    /// Whether its memory goes back to a lane, which fills it anew.
    is_lent: bool,
    /// What the caller is told, until the job goes back to it.
    reply: Option<Answer<M::Value>>,
    actor: PhantomData<fn() -> A>,
}

impl<A, M: Delivery> TypedJob<A, M> {
    pub(super) fn new(message: M, way: WayBack<M>, key: JobKey, endpoint: usize) -> Self {
        let (message, way) = (Some(message), Some(way));
        Self { message, way, key, endpoint, is_lent: false, reply: None, actor: PhantomData }
    }

    /// Whether lanes use the memory of such a one again: it is not too much to be kept.
    pub(super) const IS_LENT: bool = size_of::<Self>() <= LENT_MOST;

    /// An empty one for a lane.
    pub(super) fn lent(endpoint: usize) -> Self {
        let (key, is_lent) = (JobKey { origin: 0, id: 0 }, Self::IS_LENT);
        let (message, way, reply) = (None, None, None);
        Self { message, way, key, endpoint, is_lent, reply, actor: PhantomData }
    }

    /// Puts a message where there is none.
    #[inline]
    pub(super) fn fill(&mut self, message: M, way: WayBack<M>, key: JobKey) {
        self.message = Some(message);
        self.way = Some(way);
        self.key = key;
    }
}

/// The way back to a caller; the message's stay ends behind the answer.
pub(super) struct WayBack<M: Delivery> {
    // Dropped first: what is dropped without an answer is answered so.
    pub(super) responder: Responder<M>,
    pub(super) stay: M::Stay,
}

/// Whom to answer.
pub(super) enum Responder<M: Delivery> {
    /// A caller behind a connection.
    Remote { slot: ReplySlot, codec: Codec },
    /// A caller in this process, or middleware.
    Local(LocalReply<M>),
}

impl<M: Delivery> Responder<M> {
    /// Who asks from elsewhere.
    fn caller(&self) -> Option<&Arc<Hello>> {
        match self {
            Self::Remote { slot, .. } => slot.peer(),
            Self::Local(_) => None,
        }
    }
}

impl<M: Delivery> WayBack<M> {
    fn answer(self, result: Result<Annotated<M::Value>, Status>) {
        match self.responder {
            Responder::Remote { mut slot, codec } => match result {
                Ok(reply) => M::reply(&mut slot, codec, (&*reply, reply.metadata())),
                Err(status) => slot.status(&status),
            },
            Responder::Local(local) => local.answer(result),
        }
    }

    /// Answers, and gives the job back.
    fn give_back(self, result: Answer<M::Value>, job: Box<dyn Send>) {
        match self.responder {
            Responder::Local(local) => local.give_back(result.map(Annotated::new), job),
            Responder::Remote { .. } => self.answer(result.map(Annotated::new)),
        }
    }

    fn refuse(self, refusal: Refusal, message: Option<M>) {
        match self.responder {
            Responder::Remote { mut slot, .. } => slot.refuse(refusal, None),
            Responder::Local(local) => local.refuse(refusal, message.map(M::into_payload)),
        }
    }
}

impl<A, M: Delivery> TypedJob<A, M> {
    /// Answers what needs no time, from where the way back is and with what is at `result`: moving
    /// them would cost more.
    fn answer_at_once(&mut self, result: &mut Option<Answer<M::Value>>) {
        match (self.way.as_mut().map(|way| &mut way.responder), &*result) {
            (Some(Responder::Remote { slot, codec }), Some(answer)) => {
                match answer {
                    Ok(value) => M::reply(slot, *codec, (value, &Metadata::new())),
                    Err(status) => slot.status(status),
                }
                self.way = None;
            }
            // The memory comes from another arbiter, and goes back there with the answer.
            (Some(Responder::Local(local)), _) if local.crosses() => self.reply = result.take(),
            _ => {
                if let (Some(way), Some(result)) = (self.way.take(), result.take()) {
                    way.answer(result.map(Annotated::new));
                }
            }
        }
    }
}

impl<A, M> Job<A> for TypedJob<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    fn key(&self) -> JobKey {
        self.key
    }

    fn deadline(&self) -> Option<Deadline> {
        self.message.as_ref()?.context_ref().due.begun()
    }

    fn begin(&mut self, now: Instant) {
        if let Some(message) = &self.message {
            message.context_ref().due.begin(now);
        }
    }

    fn endpoint(&self) -> usize {
        self.endpoint
    }

    fn run(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Progress<A> {
        // The way back stays behind, so that a panic here can be answered.
        let caller = self.way.as_ref().and_then(|way| {
            way.stay.begin();
            way.responder.caller()
        });
        let Some((result, deadline)) = deliver(&mut self.message, caller, actor, ctx) else {
            return Progress::Done;
        };
        let mut result = Some(result);
        if let Some(answer) = place_as::<_, Answer<M::Value>>(&mut result) {
            self.answer_at_once(answer);
            return Progress::Done;
        }
        let (Some(way), Some(result)) = (self.way.take(), result) else { return Progress::Done };
        respond(M::ENDPOINT, result, move |result| way.answer(result), deadline, ctx)
    }

    fn finish(mut self: Box<Self>) -> Option<Box<dyn Job<A>>> {
        if self.is_lent {
            debug_assert!(self.way.is_none(), "its answer is on its way, or with a future");
            return Some(self);
        }
        if let (Some(reply), Some(way)) = (self.reply.take(), self.way.take()) {
            way.give_back(reply, self);
        }
        None
    }

    fn spare(self: Box<Self>) -> Option<Box<dyn Any>> {
        Some(self)
    }

    fn panicked(&mut self, _: &Panic) {
        // The supervisor logs what happened; what a handler says in a panic is not for callers.
        if let Some(way) = self.way.take() {
            way.answer(Err(panicked(M::ENDPOINT)));
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if let Some(way) = self.way.take() {
            way.refuse(refusal, self.message.take());
        }
    }
}

/// Has the actor handle a message, which is taken from its place; its result, and until when one that
/// takes time may take. Nothing if it has been taken before.
pub(super) fn deliver<A, M>(
    place: &mut Option<M>,
    caller: Option<&Arc<Hello>>,
    actor: &mut A,
    ctx: &mut Context<A>,
) -> Option<(<A as Handler<M>>::Result, Option<Deadline>)>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    let message = place.as_mut()?;
    if message.context_ref().peer.is_unknown() {
        if let Some(caller) = caller {
            message.context_mut().peer.set(caller);
        } else if let Some(place) = ctx.provided::<SystemPlace>() {
            place.introduce(message.context_mut());
        }
    }
    // Where the answer is there when the handler returns nobody needs to know.
    let is_answer = is_answer::<<A as Handler<M>>::Result, M::Value>();
    let deadline = if is_answer { None } else { message.context_ref().deadline() };
    Some((actor.handle(place.take()?, ctx), deadline))
}

/// Answers at once when the result is there, else returns what will answer.
///
/// The types compared here are known when this is compiled, so one branch is all that is left. A
/// result that is none of them (`AtomicResponse`, a user's own) goes through the channel that
/// actix gives every response.
pub(super) fn respond<A, M, R>(
    endpoint: &'static str,
    result: <A as Handler<M>>::Result,
    answer: impl FnOnce(Result<Annotated<R>, Status>) + 'static,
    deadline: Option<Deadline>,
    ctx: &mut Context<A>,
) -> Progress<A>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Message<Result = Result<R, Status>>,
    R: Send + 'static,
{
    let result = match take_as::<_, Answer<R>>(result) {
        Ok(reply) => {
            answer(reply.map(Annotated::new));
            return Progress::Done;
        }
        Err(result) => result,
    };
    let result = match take_as::<_, ResponseFuture<Result<R, Status>>>(result) {
        Ok(future) => {
            return Progress::Free(Box::pin(async move {
                let reply = within(endpoint, deadline, future).await;
                answer(reply.map(Annotated::new));
            }));
        }
        Err(result) => result,
    };
    let result = match take_as::<_, AnnotatedReply<R>>(result) {
        Ok(AnnotatedReply(Inner::Ready(reply))) => {
            answer(reply);
            return Progress::Done;
        }
        Ok(AnnotatedReply(Inner::Later(future))) => {
            return Progress::Free(Box::pin(async move {
                answer(within(endpoint, deadline, future).await);
            }));
        }
        Err(result) => result,
    };
    let result = match take_as::<_, ResponseActFuture<A, Result<R, Status>>>(result) {
        Ok(future) => {
            let limited = WithDeadline {
                future,
                limit: deadline.map(|at| Box::pin(sleep_until(at.instant()))),
            };
            return Progress::Actor(Box::pin(limited.map(
                move |reply, _: &mut A, _: &mut Context<A>| {
                    let reply = reply.unwrap_or_else(|| Err(expired(endpoint)));
                    answer(reply.map(Annotated::new));
                },
            )));
        }
        Err(result) => result,
    };
    let (way_back, mut reply) = oneshot::channel();
    result.handle(ctx, Some(way_back));
    match reply.try_recv() {
        Ok(reply) => {
            answer(reply.map(Annotated::new));
            Progress::Done
        }
        // An atomic response is not cut short at its deadline: the actor waits for its end.
        Err(_) => Progress::Free(Box::pin(async move {
            // When the sender is gone what `answer` owns, dropped here, answers with a status.
            if let Ok(reply) = reply.await {
                answer(reply.map(Annotated::new));
            }
        })),
    }
}

/// What a handler that answers at once returns.
pub(super) type Answer<R> = Result<R, Status>;

/// Whether a handler's result is the answer itself.
fn is_answer<T: 'static, R: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<Answer<R>>()
}

/// What a future comes to until the deadline.
async fn within<R>(
    endpoint: &'static str,
    deadline: Option<Deadline>,
    future: impl Future<Output = Result<R, Status>>,
) -> Result<R, Status> {
    match deadline {
        Some(deadline) => {
            let reply = timeout_at(deadline.instant(), future).await;
            reply.unwrap_or_else(|_| Err(expired(endpoint)))
        }
        None => future.await,
    }
}

/// `value` as a `To`, if that is what it is.
pub(super) fn take_as<From: 'static, To: 'static>(value: From) -> Result<To, From> {
    let mut value = Some(value);
    if let Some(found) = place_as(&mut value).and_then(Option::take) {
        return Ok(found);
    }
    Err(value.expect("only the branch above takes it"))
}

/// The place of a value as that of a `To`, if that is what it is.
fn place_as<From: 'static, To: 'static>(place: &mut Option<From>) -> Option<&mut Option<To>> {
    (place as &mut dyn Any).downcast_mut()
}

/// Bytes of a request whose memory is used again.
const LENT_MOST: usize = 512;

/// What is answered in place of a handler that panicked.
pub(super) fn panicked(endpoint: &'static str) -> Status {
    Status::internal(endpoint, "the handler panicked")
}

/// What is answered in place of a handler that was cut short at the deadline.
pub(crate) fn expired(endpoint: &'static str) -> Status {
    Status::timeout(endpoint, "the deadline passed while the request was being handled")
}

/// An actor's future that ends at a deadline, with nothing.
struct WithDeadline<A: Actor, T: 'static> {
    future: ResponseActFuture<A, T>,
    limit: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl<A: Actor, T: 'static> actix::prelude::ActorFuture<A> for WithDeadline<A, T> {
    type Output = Option<T>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        if let std::task::Poll::Ready(value) = self.future.as_mut().poll(actor, ctx, task) {
            return std::task::Poll::Ready(Some(value));
        }
        match &mut self.limit {
            Some(limit) => std::future::Future::poll(limit.as_mut(), task).map(|()| None),
            None => std::task::Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
