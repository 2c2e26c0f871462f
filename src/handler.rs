//! How a user's actor becomes a handler: endpoints, placement, limits.
//!
//! User types enter here: a body is decoded into a [`Request`], the actor handles
//! it, and the reply is encoded straight into the connection's send queue.

mod backstage;
mod delivery;
mod job;
mod lane;
mod local;
mod port;
mod spares;
mod streaming;
mod subscription;
mod wrapped;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use actix::prelude::{Actor, Handler};
use callboard_actors::Context;
use callboard_actors::inbox::InboxOptions;
pub use callboard_actors::inbox::Overflow;
use callboard_actors::node::HandlerParts;
use callboard_actors::registry::EndpointInfo;
use callboard_actors::stream::StreamWindow;
use callboard_actors::supervisor::Intensity;

use crate::codec::Codecs;
use crate::event::{Event, Topic};
use crate::middleware::Middleware;
use crate::request::{Endpoint, Request};
use crate::schema::EndpointSchema;
use crate::stream::{StreamEndpoint, Streaming};
use crate::system::SystemPlace;

pub(crate) use self::delivery::Delivery;
pub(crate) use self::job::expired;
pub(crate) use self::local::{
    LocalAnswer, LocalEndpoint, LocalFailure, LocalOutcome, LocalResult, LocalSent,
};
use self::port::{AnyEndpoint, TypedEndpoint};
use self::subscription::SubscriptionPlan;

/// Says what a handler answers and how its actors are placed.
///
/// ```no_run
/// use callboard::prelude::*;
///
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # #[derive(Default)]
/// # struct Greeter;
/// # impl Actor for Greeter { type Context = Context<Self>; }
/// # impl Handler<Request<Hello>> for Greeter {
/// #     type Result = Reply<Hello>;
/// #     fn handle(&mut self, r: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> { Ok(r.into_inner().name) }
/// # }
/// let system = ServiceSystem::new("greeter")
///     .handler(Greeter::default, |h| h.request::<Hello>().concurrency(100).per_arbiter());
/// ```
pub struct HandlerBuilder<A: Actor<Context = Context<A>>> {
    endpoints: Vec<Arc<dyn AnyEndpoint<A>>>,
    infos: Vec<EndpointInfo>,
    subscriptions: Vec<SubscriptionPlan<A>>,
    /// Whether a subscription was added last.
    is_event_last: bool,
    middleware: Vec<Vec<Arc<dyn Middleware>>>,
    inbox: InboxOptions,
    placement: Placement,
    is_internal: bool,
    actor: PhantomData<fn() -> A>,
}

/// How many actors a handler has, and where.
///
/// ```
/// use callboard::handler::Placement;
///
/// assert_eq!(Placement::default(), Placement::Single);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// One actor: its state is one, and its requests are handled in order.
    #[default]
    Single,
    /// This many actors, spread over the arbiters; a request goes to the one with less to do of
    /// two.
    Pool(usize),
    /// One actor on each arbiter; a request is handled where its connection is.
    PerArbiter,
}

impl<A: Actor<Context = Context<A>>> HandlerBuilder<A> {
    pub(crate) fn new() -> Self {
        Self {
            endpoints: Vec::new(),
            infos: Vec::new(),
            subscriptions: Vec::new(),
            is_event_last: false,
            middleware: Vec::new(),
            inbox: InboxOptions::default(),
            placement: Placement::default(),
            is_internal: false,
            actor: PhantomData,
        }
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn request<T: Endpoint>(mut self) -> Self
    where
        A: Handler<Request<T>>,
        <A as Handler<Request<T>>>::Result: 'static,
    {
        let endpoint = TypedEndpoint::<A, Request<T>>::new(self.endpoints.len(), ());
        self.endpoints.push(Arc::new(endpoint));
        self.infos.push(T::schema().info());
        self.middleware.push(Vec::new());
        self.inbox.concurrency.push(usize::MAX);
        self.is_event_last = false;
        self
    }

    /// Adds an endpoint that is a stream; its client may send 1,024 items, or 1 MiB, ahead.
    ///
    /// A stream counts as one request for every limit, until its handler's result is there.
    #[must_use]
    pub fn stream<T: StreamEndpoint>(self) -> Self
    where
        A: Handler<Streaming<T>>,
        <A as Handler<Streaming<T>>>::Result: 'static,
    {
        self.stream_within::<T>(StreamWindow::default())
    }

    /// Adds an endpoint that is a stream, and says how much its client may send ahead.
    #[must_use]
    pub fn stream_within<T: StreamEndpoint>(mut self, window: StreamWindow) -> Self
    where
        A: Handler<Streaming<T>>,
        <A as Handler<Streaming<T>>>::Result: 'static,
    {
        let endpoint = TypedEndpoint::<A, Streaming<T>>::new(self.endpoints.len(), window);
        self.endpoints.push(Arc::new(endpoint));
        self.infos.push(EndpointSchema::cached_stream::<T>().info());
        self.middleware.push(Vec::new());
        self.inbox.concurrency.push(usize::MAX);
        self.is_event_last = false;
        self
    }

    /// Subscribes to the topic of an event; each of the handler's subscriptions gets each event
    /// once, whichever of its actors handles it.
    #[must_use]
    pub fn event<T: Topic>(mut self) -> Self
    where
        A: Handler<Event<T>>,
        <A as Handler<Event<T>>>::Result: 'static,
    {
        self.subscriptions.push(SubscriptionPlan::new::<T>());
        self.is_event_last = true;
        self
    }

    /// Subscribes to this topic instead, with the event added last.
    ///
    /// # Panics
    /// Before any event has been added.
    #[must_use]
    pub fn topic(mut self, name: &str) -> Self {
        self.last_subscription("topic").interest.topic = name.into();
        self
    }

    /// Makes the event added last one of a queue group: of all subscribers of the group, on any
    /// node, one gets each event.
    ///
    /// # Panics
    /// Before any event has been added.
    #[must_use]
    pub fn group(mut self, name: &str) -> Self {
        self.last_subscription("group").interest.group = Some(name.into());
        self
    }

    fn last_subscription(&mut self, what: &str) -> &mut SubscriptionPlan<A> {
        let last = self.subscriptions.last_mut().filter(|_| self.is_event_last);
        last.unwrap_or_else(|| panic!("{what}() follows the event() that it changes"))
    }

    /// Limits how many requests of the endpoint, or events, added last are handled at the same
    /// time.
    ///
    /// Counts for each actor; default no limit. Further ones wait in the queue. Zero is taken for
    /// one.
    ///
    /// # Panics
    /// Before any endpoint or event has been added.
    #[must_use]
    pub fn concurrency(mut self, limit: usize) -> Self {
        let last = if self.is_event_last {
            self.subscriptions.last_mut().map(|last| &mut last.concurrency)
        } else {
            self.inbox.concurrency.last_mut()
        };
        *last.expect("concurrency() follows the request() that it limits") = limit.max(1);
        self
    }

    /// Wraps the endpoint or event added last; inside the system's own middleware.
    ///
    /// # Panics
    /// Before any endpoint or event has been added.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        let last = if self.is_event_last {
            self.subscriptions.last_mut().map(|last| &mut last.middleware)
        } else {
            self.middleware.last_mut()
        };
        last.expect("middleware() follows the request() that it wraps").push(Arc::new(middleware));
        self
    }

    /// Adds a label to the endpoint added last, for the registry.
    ///
    /// # Panics
    /// Before any endpoint has been added.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let last = self.infos.last_mut();
        last.expect("metadata() follows the request() that it describes")
            .metadata
            .insert(name.into(), value.into());
        self
    }

    /// Keeps all endpoints of this handler out of the node's record.
    ///
    /// They are served like others. But callers are told by the record what a node answers, and
    /// so reach them only where they say which [node](crate::CallBuilder::node) they mean, over HTTP,
    /// and from within the process.
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.is_internal = true;
        self
    }

    /// Requests and events that may wait for each actor; default 1,024. Further ones are refused as
    /// overloaded.
    #[must_use]
    pub fn queue(mut self, capacity: usize) -> Self {
        self.inbox.capacity = capacity.max(1);
        self
    }

    /// Which one is refused when the queue is full; default the new one.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.inbox.overflow = overflow;
        self
    }

    /// Runs `count` actors, each with a state of its own; zero is taken for one.
    #[must_use]
    pub fn pool(mut self, count: usize) -> Self {
        self.placement = Placement::Pool(count.max(1));
        self
    }

    /// Runs one actor on each arbiter, each with a state of its own.
    #[must_use]
    pub fn per_arbiter(mut self) -> Self {
        self.placement = Placement::PerArbiter;
        self
    }
}

/// A handler before its node's arbiters are known.
pub(crate) struct HandlerPlan {
    pub(crate) placement: Placement,
    build: Box<Build>,
}

type Build = dyn FnOnce(&HandlerHome, &SystemPlace) -> HandlerParts + Send;

/// Where handlers live, and what they have in common.
#[derive(Clone)]
pub(crate) struct HandlerHome {
    pub(crate) service: String,
    pub(crate) arbiters: Vec<actix_rt::ArbiterHandle>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) codecs: Codecs,
    pub(crate) intensity: Intensity,
}

impl HandlerPlan {
    pub(crate) fn new<A: Actor<Context = Context<A>>>(
        factory: impl Fn() -> A + Send + Sync + 'static,
        builder: HandlerBuilder<A>,
    ) -> Self {
        let placement = builder.placement;
        let build = Box::new(move |home: &HandlerHome, system: &SystemPlace| {
            port::build(builder, factory, home, system)
        });
        Self { placement, build }
    }

    /// Makes its parts; its actors find their system in `system`.
    pub(crate) fn build(self, home: &HandlerHome, system: &SystemPlace) -> HandlerParts {
        (self.build)(home, system)
    }
}

impl<A: Actor<Context = Context<A>>> fmt::Debug for HandlerBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuilder")
            .field("endpoints", &self.infos)
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}
