//! The typed side of a subscription.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::{Actor, Handler};
use callboard_actors::broker::{
    Acknowledgement, Acknowledger, Delivery, EncodedEvent, EventSink, Interest, TOPIC_PREFIX,
};
use callboard_actors::client::{CallError, thread_hint};
use callboard_actors::contain::{Panic, contain};
use callboard_actors::inbox::{DueTurns, Job, JobKey, Progress};
use callboard_actors::message::Refusal;
use callboard_actors::server::refusal_text;
use callboard_actors::{Context, Deadline, Status};
use tokio::sync::oneshot;

use super::job::respond;
use super::port::TypedPort;
use crate::codec::Codec;
use crate::event::{self, Event, Topic};
use crate::middleware::{CallInfo, CallKind, Middleware, Side, run_chain};
use crate::request::Annotated;

/// What a handler subscribes to, before its port exists.
pub(super) struct SubscriptionPlan<A: Actor<Context = Context<A>>> {
    pub(super) interest: Interest,
    pub(super) concurrency: usize,
    pub(super) middleware: Vec<Arc<dyn Middleware>>,
    pub(super) sink: SinkOf<A>,
}

/// Makes the sink of a subscription, given its place among what the handler answers.
pub(super) type SinkOf<A> = fn(Arc<TypedPort<A>>, usize, Arc<str>) -> Arc<dyn EventSink>;

impl<A: Actor<Context = Context<A>>> SubscriptionPlan<A> {
    pub(super) fn new<T: Topic>() -> Self
    where
        A: Handler<Event<T>>,
        <A as Handler<Event<T>>>::Result: 'static,
    {
        Self {
            interest: Interest::new(T::NAME).types(T::schema().fingerprint()),
            concurrency: usize::MAX,
            middleware: Vec::new(),
            sink: |port, index, topic| {
                let (undecodable, types) = (AtomicU64::new(0), PhantomData::<fn() -> T>);
                Arc::new(TypedSink { port, index, topic, undecodable, types })
            },
        }
    }
}

/// Takes the events of one subscription.
struct TypedSink<A: Actor<Context = Context<A>>, T> {
    port: Arc<TypedPort<A>>,
    index: usize,
    topic: Arc<str>,
    undecodable: AtomicU64,
    types: PhantomData<fn() -> T>,
}

impl<A, T> EventSink for TypedSink<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Event<T>>,
    <A as Handler<Event<T>>>::Result: 'static,
    T: Topic,
{
    fn has_room(&self) -> bool {
        self.port.inboxes.iter().any(|inbox| inbox.has_room())
    }

    fn deliver(&self, delivery: Delivery) {
        self.take(delivery, None);
    }

    fn deliver_of_batch(&self, delivery: Delivery, due: &mut DueTurns) {
        self.take(delivery, Some(due));
    }
}

impl<A, T> TypedSink<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Event<T>>,
    <A as Handler<Event<T>>>::Result: 'static,
    T: Topic,
{
    fn take(&self, delivery: Delivery, due: Option<&mut DueTurns>) {
        let Delivery { topic, event, acknowledger } = delivery;
        let (codec, event) = match self.readable(event) {
            Ok(readable) => readable,
            Err(refusal) => {
                self.warn(refusal_text(refusal));
                return acknowledger.refuse(refusal);
            }
        };
        // The user's `Deserialize` may panic; whoever brings the event must not.
        match contain(|| event::decode::<T>(codec, &event.body)) {
            Ok(Ok(message)) => {
                let event = Event::new(message, topic, event.metadata);
                self.hand_over(event, acknowledger, due);
            }
            Ok(Err(error)) => self.cannot_decode(&error.to_string(), acknowledger),
            Err(_) => self.cannot_decode("decoding it panicked", acknowledger),
        }
    }

    fn hand_over(&self, event: Event<T>, acknowledger: Acknowledger, due: Option<&mut DueTurns>) {
        let home = thread_hint() % self.port.inboxes.len();
        let actor = self.port.choose(home, &mut home.clone());
        if self.port.middleware[self.index].is_empty() {
            let job = pack::<A, T>(self.index, event, acknowledger);
            return self.port.push_event(actor, job, due);
        }
        if !self.port.inboxes[actor].has_room() {
            // What waits inside middleware is not in the queue, so the queue is asked before.
            return acknowledger.refuse(Refusal::Overloaded { retry_after: RETRY_AFTER });
        }
        let wrapped =
            wrapped::<A, T>(Arc::clone(&self.port), self.index, actor, event, acknowledger);
        // A panic in middleware drops the acknowledger, which answers.
        self.port.spawn(actor, wrapped);
    }

    /// The event in a form that this subscriber can read, and its codec.
    fn readable(&self, event: EncodedEvent) -> Result<(Codec, EncodedEvent), Refusal> {
        let own = T::schema().fingerprint();
        // A type without a fingerprint is not known to be the publisher's either.
        let event = if event.types.is_some() && event.types != own {
            // From within the process it can still be written otherwise; a publisher elsewhere is
            // told, and sends it again.
            event.in_other_form().map_err(|_| Refusal::OtherTypes)?
        } else {
            event
        };
        // The fingerprint has been looked at.
        let plain = event.content_type.split(';').next().filter(|_| event.types.is_some());
        let found = self.port.codecs.find(plain.unwrap_or(event.content_type));
        let (_, codec) = found.ok_or(Refusal::UnknownContentType)?;
        Ok((codec, event))
    }

    fn cannot_decode(&self, reason: &str, acknowledger: Acknowledger) {
        self.warn(reason);
        acknowledger.fail();
    }

    /// Says what is wrong with an event; ever more rarely.
    fn warn(&self, reason: &str) {
        let count = self.undecodable.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(topic = %self.topic, count, reason, "an event could not be decoded");
        }
    }
}

/// Handles an event inside middleware.
async fn wrapped<A, T>(
    port: Arc<TypedPort<A>>,
    index: usize,
    actor: usize,
    event: Event<T>,
    acknowledger: Acknowledger,
) where
    A: Actor<Context = Context<A>> + Handler<Event<T>>,
    <A as Handler<Event<T>>>::Result: 'static,
    T: Topic,
{
    let info = CallInfo {
        side: Side::Server,
        kind: CallKind::Event,
        service: format!("{TOPIC_PREFIX}{}", event.topic()),
        endpoint: T::NAME,
        metadata: event.metadata().clone(),
        deadline: None,
        peer: String::new(),
    };
    let last = |info: &CallInfo| {
        let (told, answer) = oneshot::channel();
        let tell = Acknowledger::new(move |answer| {
            // Middleware may have stopped waiting.
            let _ = told.send(answer);
        });
        let job = pack::<A, T>(index, event.with(info.metadata.clone()), tell);
        port.push_event(actor, job, None);
        async move { for_middleware::<T>(answer.await.unwrap_or(Acknowledgement::Failed)) }
    };
    match run_chain(&port.middleware[index], info, last).await {
        Ok(()) => acknowledger.acknowledge(),
        Err(CallError::Overloaded { retry_after, .. }) => {
            acknowledger.refuse(Refusal::Overloaded { retry_after });
        }
        Err(_) => acknowledger.fail(),
    }
}

/// Middleware knows the errors of calls.
fn for_middleware<T: Topic>(answer: Acknowledgement) -> Result<(), CallError> {
    match answer {
        Acknowledgement::Acknowledged => Ok(()),
        Acknowledgement::Failed => {
            Err(Status::internal(T::NAME, "the event was not handled").into())
        }
        Acknowledgement::Refused => Err(CallError::Overloaded {
            node: "this node".into(),
            retry_after: RETRY_AFTER,
            detail: "the subscriber's queue is full".into(),
        }),
    }
}

/// An event on its way through an actor.
struct EventJob<A, T> {
    event: Option<Event<T>>,
    acknowledger: Option<Acknowledger>,
    index: usize,
    actor: PhantomData<fn() -> A>,
}

fn pack<A, T>(index: usize, event: Event<T>, acknowledger: Acknowledger) -> Box<dyn Job<A>>
where
    A: Actor<Context = Context<A>> + Handler<Event<T>>,
    <A as Handler<Event<T>>>::Result: 'static,
    T: Topic,
{
    let (event, acknowledger) = (Some(event), Some(acknowledger));
    Box::new(EventJob { event, acknowledger, index, actor: PhantomData })
}

impl<A, T> Job<A> for EventJob<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Event<T>>,
    <A as Handler<Event<T>>>::Result: 'static,
    T: Topic,
{
    fn key(&self) -> JobKey {
        // Nobody cancels an event.
        JobKey { origin: u64::MAX, id: 0 }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn endpoint(&self) -> usize {
        self.index
    }

    fn run(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Progress<A> {
        let Some(event) = self.event.take() else { return Progress::Done };
        // The acknowledger stays behind, so that a panic here can be answered.
        let result = actor.handle(event, ctx);
        let Some(acknowledger) = self.acknowledger.take() else { return Progress::Done };
        let answer = move |result: Result<Annotated<()>, Status>| match result {
            Ok(_) => acknowledger.acknowledge(),
            Err(status) => {
                tracing::debug!(topic = T::NAME, %status, "an event was not handled");
                acknowledger.fail();
            }
        };
        respond(T::NAME, result, answer, None, ctx)
    }

    fn panicked(&mut self, _: &Panic) {
        // The supervisor logs what happened.
        if let Some(acknowledger) = self.acknowledger.take() {
            acknowledger.fail();
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if let Some(acknowledger) = self.acknowledger.take() {
            acknowledger.refuse(refusal);
        }
    }
}

/// When a publisher that was refused may try again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(10);
