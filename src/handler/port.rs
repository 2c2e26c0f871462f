//! The typed side of a handler, behind the engine's port.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use actix::prelude::{Actor, Handler};
use actix_rt::ArbiterHandle;
use callboard_actors::client::thread_hint;
use callboard_actors::contain::contain;
use callboard_actors::inbox::{Inbox, InboxStatus, Job, JobKey};
use callboard_actors::message::Refusal;
use callboard_actors::node::HandlerParts;
use callboard_actors::registry::EndpointInfo;
use callboard_actors::server::{Arrival, HandlerPort, Lane, ReplySlot};
use callboard_actors::supervisor::{Child, SupervisorRef};
use callboard_actors::{Context, Metadata};
use rand::RngExt;
use tokio::time::Instant;

use super::backstage::Backstage;
use super::job::{RequestJob, Responder};
use super::lane::TypedLane;
use super::local::{LOCAL_ORIGIN, LocalEndpoint, LocalFailure, LocalReply};
use super::wrapped::serve;
use super::{HandlerBuilder, HandlerHome, Placement};
use crate::codec::{Codec, Codecs, EncodedReply, decode_request};
use crate::middleware::Middleware;
use crate::request::{Endpoint, Request, RequestContext};
use crate::schema::{fingerprint_in, type_name};

/// A handler and its actors' inboxes.
pub(super) struct TypedPort<A: Actor<Context = Context<A>>> {
    pub(super) service: String,
    placement: Placement,
    infos: Vec<EndpointInfo>,
    is_internal: bool,
    pub(super) endpoints: Vec<Arc<dyn AnyEndpoint<A>>>,
    /// For each endpoint: the system's, then its own.
    pub(super) middleware: Vec<Arc<[Arc<dyn Middleware>]>>,
    pub(super) inboxes: Vec<Inbox<A>>,
    pub(super) backstage: Arc<Backstage>,
    pub(super) codecs: Codecs,
    arbiters: Vec<ArbiterHandle>,
    own: std::sync::Weak<Self>,
}

/// An endpoint of an actor, without its request's type.
pub(super) trait AnyEndpoint<A: Actor<Context = Context<A>>>: Send + Sync {
    /// Decodes a request; one that cannot be is refused.
    fn job(&self, codec: Codec, arrival: Arrival) -> Option<Box<dyn Job<A>>>;

    /// Decodes a request and has the actor of this index handle it inside middleware.
    fn serve_wrapped(&self, port: &Arc<TypedPort<A>>, actor: usize, codec: Codec, arrival: Arrival);

    /// A [`LocalEndpoint`] of its request's type.
    fn local(&self, port: Arc<TypedPort<A>>) -> Arc<dyn Any + Send + Sync>;
}

pub(super) struct TypedEndpoint<A, T> {
    index: usize,
    types: PhantomData<fn(A) -> T>,
}

impl<A, T> TypedEndpoint<A, T> {
    pub(super) fn new(index: usize) -> Self {
        Self { index, types: PhantomData }
    }
}

/// Creates a handler's port and what starts its actors.
pub(super) fn build<A: Actor<Context = Context<A>>>(
    builder: HandlerBuilder<A>,
    factory: impl Fn() -> A + Send + Sync + 'static,
    home: &HandlerHome,
) -> HandlerParts {
    let name = type_name::<A>();
    let arbiters = &home.arbiters;
    let count = match builder.placement {
        Placement::Single => 1,
        Placement::Pool(count) => count,
        Placement::PerArbiter => arbiters.len(),
    };
    let factory = Arc::new(factory);
    let (mut children, mut inboxes) = (Vec::new(), Vec::new());
    for index in 0..count {
        let factory = Arc::clone(&factory);
        let child = Child::new(format!("{name} {index}"), move || factory());
        let child = child.on(arbiters[index % arbiters.len()].clone()).forgive_request_panics();
        let (child, inbox) = child.with_inbox(builder.inbox.clone());
        children.push(child);
        inboxes.push(inbox);
    }
    let middleware = builder.middleware.into_iter().map(|own| {
        home.middleware.iter().cloned().chain(own).collect::<Arc<[Arc<dyn Middleware>]>>()
    });
    let port = Arc::new_cyclic(|weak| TypedPort {
        service: home.service.clone(),
        placement: builder.placement,
        infos: builder.infos,
        is_internal: builder.is_internal,
        endpoints: builder.endpoints,
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
    pub(super) fn choose(&self, home: usize, next: &mut usize) -> usize {
        match self.placement {
            Placement::Single => 0,
            Placement::PerArbiter => home,
            Placement::Pool(count) => {
                *next = (*next + 1) % count;
                let other = rand::rng().random_range(0..count);
                if self.inboxes[other].queued() < self.inboxes[*next].queued() {
                    other
                } else {
                    *next
                }
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>> HandlerPort for TypedPort<A> {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.infos
    }

    fn advertised(&self) -> &[EndpointInfo] {
        if self.is_internal { &[] } else { &self.infos }
    }

    fn codec(&self, content_type: &str) -> Option<u16> {
        self.codecs.find(content_type).map(|(number, _)| number)
    }

    fn codec_for(&self, endpoint: usize, content_type: &str) -> Result<u16, Refusal> {
        let (number, codec) = self.codecs.find(content_type).ok_or(Refusal::UnknownContentType)?;
        let own = self.infos.get(endpoint).and_then(EndpointInfo::fingerprint);
        match (own, fingerprint_in(content_type)) {
            (Some(own), Some(other)) if own != other && !codec.describes_itself() => {
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

impl<A, T> AnyEndpoint<A> for TypedEndpoint<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Request<T>>,
    <A as Handler<Request<T>>>::Result: 'static,
    T: Endpoint,
{
    fn job(&self, codec: Codec, arrival: Arrival) -> Option<Box<dyn Job<A>>> {
        let (request, slot) = decode::<T>(codec, arrival)?;
        let (origin, id) = slot.key();
        let responder = Responder::Remote { slot, codec };
        Some(self.pack(request, responder, JobKey { origin, id: id.0 }))
    }

    fn serve_wrapped(
        &self,
        port: &Arc<TypedPort<A>>,
        actor: usize,
        codec: Codec,
        arrival: Arrival,
    ) {
        let Some((request, mut slot)) = decode::<T>(codec, arrival) else { return };
        let (origin, id) = slot.key();
        let key = JobKey { origin, id: id.0 };
        let (port, index) = (Arc::clone(port), self.index);
        let backstage = Arc::clone(&port.backstage);
        let wrapped = async move {
            let inbox = &port.inboxes[actor];
            let submit = move |request, reply| {
                let job = Self::new(index).pack(request, Responder::Local(reply), key);
                inbox.push_one(job, Instant::now());
            };
            serve(&port.service, &port.middleware[index], request, submit).await
        };
        let wrapped = backstage.enter(key, wrapped);
        // Middleware is asynchronous and may wait for anything, so it runs beside the connection.
        // A panic in it drops the reply slot, which answers.
        actix_rt::spawn(async move {
            match wrapped.await {
                Some(Ok(value)) => {
                    slot.reply(&Metadata::new(), &EncodedReply::<T> { codec, value: &value });
                }
                Some(Err(LocalFailure::Status(status))) => slot.status(&status),
                Some(Err(LocalFailure::Refused(refusal, _))) => slot.refuse(refusal, None),
                Some(Err(LocalFailure::TimedOut(error))) => {
                    slot.status(&error.to_status(T::NAME));
                }
                None => slot.refuse(Refusal::Cancelled, None),
            }
        });
    }

    fn local(&self, port: Arc<TypedPort<A>>) -> Arc<dyn Any + Send + Sync> {
        let index = self.index;
        let inboxes: Vec<_> = port.inboxes.iter().map(Inbox::status).collect();
        let backstage = Arc::clone(&port.backstage);
        let submit = move |request: Request<T>, reply: LocalReply<T>, id, now| {
            let home = thread_hint() % port.inboxes.len();
            let actor = port.choose(home, &mut home.clone());
            let key = JobKey { origin: LOCAL_ORIGIN, id };
            let push = move |port: &TypedPort<A>, request, reply| {
                let job = Self::new(index).pack(request, Responder::Local(reply), key);
                port.inboxes[actor].push_one(job, now);
            };
            if port.middleware[index].is_empty() {
                return push(&port, request, reply);
            }
            let (port, backstage) = (Arc::clone(&port), Arc::clone(&port.backstage));
            let arbiter = port.arbiters[actor % port.arbiters.len()].clone();
            let wrapped = backstage.enter(key, async move {
                let submit = |request, reply| push(&port, request, reply);
                serve(&port.service, &port.middleware[index], request, submit).await
            });
            // On a handler's arbiter: the caller's thread may have no executor of its own.
            arbiter.spawn(async move {
                if let Some(result) = wrapped.await {
                    reply.end(result);
                }
            });
        };
        let cancel = move |origin, number| {
            backstage.cancel(origin, Some(number));
            for inbox in &inboxes {
                inbox.cancel(origin, Some(number));
            }
        };
        Arc::new(LocalEndpoint::<T>::new(submit, cancel))
    }
}

impl<A, T> TypedEndpoint<A, T>
where
    A: Actor<Context = Context<A>> + Handler<Request<T>>,
    <A as Handler<Request<T>>>::Result: 'static,
    T: Endpoint,
{
    fn pack(&self, request: Request<T>, responder: Responder<T>, key: JobKey) -> Box<dyn Job<A>> {
        Box::new(RequestJob {
            deadline: request.deadline(),
            request: Some(request),
            responder: Some(responder),
            key,
            endpoint: self.index,
            actor: PhantomData,
        })
    }
}

/// Decodes straight from the receive buffer; refuses what cannot be decoded.
fn decode<T: Endpoint>(codec: Codec, arrival: Arrival) -> Option<(Request<T>, ReplySlot)> {
    let Arrival { mut reply, deadline, metadata, peer, body, .. } = arrival;
    // The user's `Deserialize` may panic; the connection must not.
    let decoded = contain(|| decode_request::<T>(codec, &body));
    let failure = match decoded {
        Ok(Ok(message)) => {
            let context = RequestContext { endpoint: T::NAME, metadata, deadline, peer };
            return Some((Request::new(message, context), reply));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "decoding it panicked".to_owned(),
    };
    reply.refuse(Refusal::Undecodable, Some(&failure));
    None
}
