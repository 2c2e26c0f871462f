//! The typed side of a handler, behind the engine's port.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use actix::prelude::{Actor, Handler};
use actix_rt::ArbiterHandle;
use callboard_actors::Context;
use callboard_actors::broker::{EventSink, Interest};
use callboard_actors::inbox::{DueTurns, Inbox, InboxStatus, Job, JobKey};
use callboard_actors::message::Refusal;
use callboard_actors::node::HandlerParts;
use callboard_actors::registry::EndpointInfo;
use callboard_actors::server::{Arrival, HandlerPort, Lane};
use callboard_actors::supervisor::{Child, SupervisorRef};
use rand::RngExt;
use tokio::time::Instant;

use super::backstage::Backstage;
use super::delivery::{Delivery, decode};
use super::job::{Responder, TypedJob, WayBack};
use super::lane::TypedLane;
use super::local::{LocalEndpoint, LocalFailure, LocalReply, LocalWay};
use super::spares::Spares;
use super::subscription::SinkOf;
use super::wrapped::serve;
use super::{HandlerBuilder, HandlerHome, Placement};
use crate::codec::{Codec, Codecs};
use crate::middleware::Middleware;
use crate::schema::{fingerprint_in, type_name};
use crate::system::SystemPlace;

/// A handler and its actors' inboxes.
pub(super) struct TypedPort<A: Actor<Context = Context<A>>> {
    pub(super) service: String,
    placement: Placement,
    infos: Vec<EndpointInfo>,
    is_internal: bool,
    pub(super) endpoints: Vec<Arc<dyn AnyEndpoint<A>>>,
    subscriptions: Vec<(Interest, SinkOf<A>)>,
    /// For each endpoint, then for each subscription: the system's, then its own.
    pub(super) middleware: Vec<Arc<[Arc<dyn Middleware>]>>,
    pub(super) inboxes: Vec<Inbox<A>>,
    pub(super) backstage: Arc<Backstage>,
    pub(super) codecs: Codecs,
    pub(super) arbiters: Vec<ArbiterHandle>,
    own: std::sync::Weak<Self>,
}

/// An endpoint of an actor, without its request's type.
pub(super) trait AnyEndpoint<A: Actor<Context = Context<A>>>: Send + Sync {
    /// Decodes a request, and puts it where an answered one was, if any is at hand or in the inbox;
    /// one that cannot be decoded is refused.
    fn job(
        &self,
        codec: Codec,
        arrival: Arrival,
        spares: (&mut Spares<A>, &Inbox<A>),
    ) -> Option<Box<dyn Job<A>>>;

    /// Decodes a request and has the actor of this index handle it inside middleware.
    fn serve_wrapped(&self, port: &Arc<TypedPort<A>>, actor: usize, codec: Codec, arrival: Arrival);

    /// Whether the client of a stream sends anything after its opening message.
    fn takes_items(&self) -> bool;

    /// A [`LocalEndpoint`] of its request's type.
    fn local(&self, port: Arc<TypedPort<A>>) -> Arc<dyn Any + Send + Sync>;
}

pub(super) struct TypedEndpoint<A, M: Delivery> {
    index: usize,
    terms: M::Terms,
    types: PhantomData<fn(A) -> M>,
}

impl<A, M: Delivery> TypedEndpoint<A, M> {
    pub(super) fn new(index: usize, terms: M::Terms) -> Self {
        Self { index, terms, types: PhantomData }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn stay(&self, message: &M) -> M::Stay {
        message.stay(self.terms)
    }
}

impl<A: Actor<Context = Context<A>>, M: Delivery> TypedEndpoint<A, M> {
    /// What is run around its handling, the outermost first.
    pub(super) fn middleware<'a>(&self, port: &'a TypedPort<A>) -> &'a [Arc<dyn Middleware>] {
        &port.middleware[self.index]
    }

    /// Whether anything is.
    pub(super) fn is_wrapped(&self, port: &TypedPort<A>) -> bool {
        !self.middleware(port).is_empty()
    }
}

impl<A, M: Delivery> Clone for TypedEndpoint<A, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, M: Delivery> Copy for TypedEndpoint<A, M> {}

/// Creates a handler's port and what starts its actors.
pub(super) fn build<A: Actor<Context = Context<A>>>(
    mut builder: HandlerBuilder<A>,
    factory: impl Fn() -> A + Send + Sync + 'static,
    home: &HandlerHome,
    system: &SystemPlace,
) -> HandlerParts {
    let name = type_name::<A>();
    let arbiters = &home.arbiters;
    let count = match builder.placement {
        Placement::Single => 1,
        Placement::Pool(count) => count,
        Placement::PerArbiter => arbiters.len(),
    };
    // Subscriptions come after all endpoints.
    let (mut subscriptions, mut own) = (Vec::new(), builder.middleware);
    for plan in builder.subscriptions {
        builder.inbox.concurrency.push(plan.concurrency);
        own.push(plan.middleware);
        subscriptions.push((plan.interest, plan.sink));
    }
    let factory = Arc::new(factory);
    let (mut children, mut inboxes) = (Vec::new(), Vec::new());
    for index in 0..count {
        let factory = Arc::clone(&factory);
        let child = Child::new(format!("{name} {index}"), move || factory());
        let child = child.on(arbiters[index % arbiters.len()].clone()).forgive_request_panics();
        let child = child.provide(system.clone());
        let (child, inbox) = child.with_inbox(builder.inbox.clone());
        children.push(child);
        inboxes.push(inbox);
    }
    let middleware = own.into_iter().map(|own| {
        home.middleware.iter().cloned().chain(own).collect::<Arc<[Arc<dyn Middleware>]>>()
    });
    let port = Arc::new_cyclic(|weak| TypedPort {
        service: home.service.clone(),
        placement: builder.placement,
        infos: builder.infos,
        is_internal: builder.is_internal,
        endpoints: builder.endpoints,
        subscriptions,
        middleware: middleware.collect(),
        inboxes,
        backstage: Arc::default(),
        codecs: home.codecs.clone(),
        arbiters: arbiters.clone(),
        own: weak.clone(),
    });
    let start = Box::new(move |supervisor: SupervisorRef| {
        Box::pin(async move {
            for child in children {
                supervisor.start_child(child).await?;
            }
            Ok(())
        }) as callboard_actors::registry::BoxFuture<'static, _>
    });
    HandlerParts { name, port, start }
}

impl<A: Actor<Context = Context<A>>> TypedPort<A> {
    /// Which actor gets a request that came on the arbiter of `home`.
    #[inline]
    pub(super) fn choose(&self, home: usize, next: &mut usize) -> usize {
        match self.placement {
            Placement::Single => 0,
            Placement::PerArbiter => home,
            Placement::Pool(count) => self.choose_of(count, next),
        }
    }

    /// The one with less to do of two, of which one is the next in turn.
    fn choose_of(&self, count: usize, next: &mut usize) -> usize {
        *next = (*next + 1) % count;
        let other = rand::rng().random_range(0..count);
        let is_less = self.inboxes[other].queued() < self.inboxes[*next].queued();
        if is_less { other } else { *next }
    }
}

impl<A: Actor<Context = Context<A>>> TypedPort<A> {
    /// Queues an event for the actor of this index, which is woken unless it is to be `due`.
    pub(super) fn push_event(
        &self,
        actor: usize,
        job: Box<dyn Job<A>>,
        due: Option<&mut DueTurns>,
    ) {
        let (inbox, now) = (&self.inboxes[actor], Instant::now());
        match due {
            Some(due) => inbox.push_due(job, now, due),
            None => inbox.push_one(job, now),
        }
    }

    /// Runs a future on the arbiter of the actor of this index.
    pub(super) fn spawn(&self, actor: usize, future: impl Future<Output = ()> + Send + 'static) {
        self.arbiters[actor % self.arbiters.len()].spawn(future);
    }
}

impl<A: Actor<Context = Context<A>>> HandlerPort for TypedPort<A> {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.infos
    }

    fn advertised(&self) -> &[EndpointInfo] {
        if self.is_internal { &[] } else { &self.infos }
    }

    fn subscriptions(&self) -> Vec<(Interest, Arc<dyn EventSink>)> {
        let Some(own) = self.own.upgrade() else { return Vec::new() };
        let places = self.endpoints.len()..;
        let subscriptions = places.zip(&self.subscriptions).map(|(place, (interest, sink))| {
            (interest.clone(), sink(Arc::clone(&own), place, Arc::clone(&interest.topic)))
        });
        subscriptions.collect()
    }

    fn takes_items(&self, endpoint: usize) -> bool {
        self.endpoints.get(endpoint).is_none_or(|endpoint| endpoint.takes_items())
    }

    fn codec(&self, content_type: &str) -> Option<u16> {
        self.codecs.find(content_type).map(|(number, _)| number)
    }

    fn codec_for(&self, endpoint: usize, content_type: &str) -> Result<u16, Refusal> {
        let (number, codec) = self.codecs.find(content_type).ok_or(Refusal::UnknownContentType)?;
        let own = self.infos.get(endpoint).and_then(EndpointInfo::fingerprint);
        match fingerprint_in(content_type) {
            // A type without a fingerprint is not known to be the caller's either.
            other @ Some(_) if own != other && !codec.describes_itself() => {
                Err(Refusal::OtherTypes)
            }
            _ => Ok(number),
        }
    }

    fn lane(&self) -> Box<dyn Lane> {
        let own = self.own.upgrade().expect("whoever calls this holds the port");
        Box::new(TypedLane::new(own))
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        self.inboxes.iter().map(Inbox::status).collect()
    }

    fn local(&self, endpoint: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        let own = self.own.upgrade()?;
        Some(self.endpoints.get(endpoint)?.local(own))
    }
}

impl<A, M> AnyEndpoint<A> for TypedEndpoint<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    fn job(
        &self,
        codec: Codec,
        arrival: Arrival,
        (spares, inbox): (&mut Spares<A>, &Inbox<A>),
    ) -> Option<Box<dyn Job<A>>> {
        let spare = if TypedJob::<A, M>::IS_LENT { spares.take(self.index, inbox) } else { None };
        // Found before there is anything to put there: it is written to its place at once then.
        let spare = spare.and_then(|spare| spare.spare()?.downcast().ok());
        let mut job = spare.unwrap_or_else(|| Box::new(TypedJob::lent(self.index)));
        let (message, slot) = decode::<M>(codec, arrival)?;
        let (origin, id) = slot.key();
        let stay = self.stay(&message);
        let way = WayBack { responder: Responder::Remote { slot, codec }, stay };
        job.fill(message, way, JobKey { origin, id: id.0 });
        Some(job)
    }

    fn serve_wrapped(
        &self,
        port: &Arc<TypedPort<A>>,
        actor: usize,
        codec: Codec,
        arrival: Arrival,
    ) {
        let Some((mut message, mut slot)) = decode::<M>(codec, arrival) else { return };
        if let Some(caller) = slot.peer() {
            message.context_mut().peer.set(caller);
        }
        let (origin, id) = slot.key();
        let key = JobKey { origin, id: id.0 };
        let (port, endpoint) = (Arc::clone(port), *self);
        let backstage = Arc::clone(&port.backstage);
        let wrapped = async move {
            let submit = |message, reply| endpoint.push(&port, actor, (message, reply, key));
            serve(&port.service, endpoint.middleware(&port), message, submit).await
        };
        let wrapped = backstage.enter(key, wrapped);
        // Middleware is asynchronous and may wait for anything, so it runs beside the connection.
        // A panic in it drops the reply slot, which answers.
        actix_rt::spawn(async move {
            match wrapped.await {
                Some(Ok(reply)) => M::reply(&mut slot, codec, (&*reply, reply.metadata())),
                Some(Err(LocalFailure::Status(status))) => slot.status(&status),
                Some(Err(LocalFailure::Refused(refusal, _))) => slot.refuse(refusal, None),
                Some(Err(LocalFailure::TimedOut(error))) => {
                    slot.status(&error.to_status(M::ENDPOINT));
                }
                None => slot.refuse(Refusal::Cancelled, None),
            }
        });
    }

    fn takes_items(&self) -> bool {
        M::takes_items()
    }

    fn local(&self, port: Arc<TypedPort<A>>) -> Arc<dyn Any + Send + Sync> {
        let inboxes: Vec<_> = port.inboxes.iter().map(Inbox::status).collect();
        let (backstage, is_wrapped) = (Arc::clone(&port.backstage), self.is_wrapped(&port));
        let way = LocalWay::new(*self, port);
        Arc::new(LocalEndpoint::<M>::new(way, is_wrapped, inboxes, backstage))
    }
}

impl<A, M> TypedEndpoint<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    pub(super) fn pack(&self, message: M, responder: Responder<M>, key: JobKey) -> Box<dyn Job<A>> {
        let way = WayBack { responder, stay: self.stay(&message) };
        Box::new(TypedJob::new(message, way, key, self.index))
    }

    /// Hands a message that comes out of middleware to an actor.
    pub(super) fn push(
        &self,
        port: &TypedPort<A>,
        actor: usize,
        (message, reply, key): (M, LocalReply<M>, JobKey),
    ) {
        let job = self.pack(message, Responder::Local(reply), key);
        port.inboxes[actor].push_one(job, Instant::now());
    }
}
