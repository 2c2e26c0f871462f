//! The system: a node of a service, and the way to all others.

mod assemble;
mod builder;
mod home;
mod inside;
mod run;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use actix::prelude::Actor;
use callboard_actors::Context;
use callboard_actors::broker::{Broker, Publisher};
use callboard_actors::client::Caller;
use callboard_actors::node::NodeRef;
use callboard_actors::registry::NodeInfo;
use callboard_actors::supervisor::{Exit, Supervisor, SupervisorRef};
use callboard_actors::transport::Hello;
use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::ServiceRef;
use crate::codec::{Form, Forms};
use crate::error::Error;
use crate::event::{PublishBuilder, Subscriber, Topic, TopicRef};
use crate::handler::{Delivery, HandlerBuilder, HandlerHome, HandlerPlan, LocalEndpoint};
use crate::middleware::Middleware;

pub use self::builder::SystemBuilder;
use self::home::Home;
pub use self::inside::SystemContext;
pub(crate) use self::inside::SystemPlace;

/// A running node and its client; cheap to clone, usable from any thread and executor.
///
/// Made by [`ServiceSystem::new`], which begins to describe it. Dropping the last handle does not
/// stop it. Its handlers find it in their context, see [`SystemContext`].
///
/// ```no_run
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # async fn example() -> Result<(), callboard::Error> {
/// let system = ServiceSystem::new("greeter.client").start().await?;
/// let reply = system.service("greeter").send(Hello { name: "John".into() }).await?;
/// system.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceSystem {
    inner: Arc<Inner>,
}

struct Inner {
    node: NodeRef,
    service: String,
    hello: Arc<Hello>,
    local: LocalTable,
    /// For those that are added.
    handlers: HandlerHome,
    client_middleware: Arc<[Arc<dyn Middleware>]>,
    home: Arc<Home>,
    /// Places for messages that nobody waits for and that cannot leave at once.
    detached: Arc<Semaphore>,
    /// Of calls that do not say otherwise.
    forms: Forms,
    /// The ways to topics that have been published to, by name; bounded by [`TOPICS_MOST`].
    topics: RwLock<HashMap<Box<str>, Arc<dyn Publisher>>>,
}

/// Handlers of this process by their `LocalEndpoint`'s type.
type LocalTable = HashMap<TypeId, Arc<dyn Any + Send + Sync>, BuildHasherDefault<TypeHasher>>;

impl ServiceSystem {
    /// Begins to describe a system that runs the service `name`.
    ///
    /// Without any handler it serves nothing, listens nowhere and is not registered, a client, until it
    /// [subscribes](Self::subscribe).
    #[allow(clippy::new_ret_no_self, reason = "reads as one sentence: ServiceSystem::new(…).run()")]
    pub fn new(name: impl Into<String>) -> SystemBuilder {
        SystemBuilder::new(name.into())
    }

    /// A service by its name; nothing is looked up until the first call.
    pub fn service(&self, name: &str) -> ServiceRef {
        ServiceRef::new(self.clone(), self.caller().service(name))
    }

    /// A topic, for those who publish often.
    pub fn topic<T: Topic>(&self) -> TopicRef<T> {
        TopicRef::new(self.clone(), T::NAME)
    }

    /// Begins to publish an event; awaiting it tells how many subscribers took it.
    ///
    /// Subscribers in the same process are reached without sockets.
    ///
    /// # Cancellation
    /// Dropping the future takes nothing back: the event reaches all subscribers, some or none.
    pub fn publish<'a, T: Topic>(&self, event: &'a T) -> PublishBuilder<'a, T> {
        self.topic().publish(event)
    }

    /// Subscribes an actor while the system runs; resolves once publishers can find it.
    ///
    /// As at the start: `factory` makes its actors, and makes them anew after a panic; `describe`
    /// says which [events](HandlerBuilder::event) they hear, of which queue group, how many may
    /// wait and how many actors there are; the system's middleware wraps them; and when they fail
    /// too often the node gives up. It hears events until what is returned is
    /// [closed](crate::event::Subscriber::close) or dropped, or the system stops.
    ///
    /// ```no_run
    /// # use callboard::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, Topic)]
    /// # #[topic(name = "user.created")]
    /// # struct UserCreated { name: String }
    /// # #[derive(Default)]
    /// # struct Mailer;
    /// # impl Actor for Mailer { type Context = Context<Self>; }
    /// # impl Handler<Event<UserCreated>> for Mailer {
    /// #     type Result = Result<(), Status>;
    /// #     fn handle(&mut self, _: Event<UserCreated>, _: &mut Context<Self>) -> Self::Result { Ok(()) }
    /// # }
    /// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
    /// let mailer = system
    ///     .subscribe(Mailer::default, |h| h.event::<UserCreated>().group("mailer").queue(100))
    ///     .await?;
    /// mailer.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With the brokers `direct` and `http` events come in where the system listens. One that was
    /// started without handlers listens and is registered from its first subscriber on, at the
    /// [address](crate::SystemBuilder::address) and with the labels that it was given; it goes on when
    /// that subscriber is closed. It has no `Debug` endpoints.
    ///
    /// # Cancellation
    /// What has been started is ended; a system that has begun to listen goes on.
    ///
    /// # Errors
    /// The handler answers requests too, which the system must know when it starts, or hears
    /// nothing; the system cannot listen at its address; the registry or the broker did not take it
    /// within the start timeout (10 s by default); the system stops. Nothing of it is left then, but
    /// that the system may have begun to listen, and the next subscriber goes on from there.
    pub async fn subscribe<A: Actor<Context = Context<A>>>(
        &self,
        factory: impl Fn() -> A + Send + Sync + 'static,
        describe: impl FnOnce(HandlerBuilder<A>) -> HandlerBuilder<A>,
    ) -> Result<Subscriber, Error> {
        let home = &self.inner.handlers;
        let plan = HandlerPlan::new(factory, describe(HandlerBuilder::new()));
        let handler = plan.build(home, &SystemPlace::of(self.clone()));
        let supervisor = Supervisor::builder(&handler.name).intensity(home.intensity);
        Ok(Subscriber::new(self.inner.node.subscribe(handler, supervisor).await?))
    }

    /// The broker that brings events, for those who subscribe without an actor.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        self.inner.node.broker()
    }

    /// The name of the service that this system runs.
    pub fn name(&self) -> &str {
        &self.inner.service
    }

    /// The node's record; the address is empty for a client.
    pub fn node(&self) -> &NodeInfo {
        self.inner.node.node()
    }

    /// The root of the supervision tree.
    pub fn supervisor(&self) -> &SupervisorRef {
        self.inner.node.root()
    }

    /// Connections of clients open now.
    pub fn connections(&self) -> usize {
        self.inner.node.server().connections()
    }

    /// Stops in order: deregisters, tells clients, finishes what was accepted, stops the actors.
    ///
    /// Takes the settle time (500 ms by default) and at most the drain timeout (10 s by default)
    /// more. Repeating it waits for the same end.
    ///
    /// # Cancellation
    /// The system stops all the same.
    pub async fn stop(&self) -> Exit {
        self.inner.node.stop().await
    }

    /// Makes a stop that is under way go straight to its end.
    pub fn hurry(&self) {
        self.inner.node.hurry();
    }

    /// How the system ended, once it has.
    pub async fn ended(&self) -> Exit {
        self.inner.node.ended().await
    }

    pub(crate) fn caller(&self) -> &Caller {
        self.inner.node.caller()
    }

    pub(crate) fn publisher(&self, topic: &str) -> Arc<dyn Publisher> {
        if let Some(publisher) = self.inner.topics.read().get(topic) {
            return Arc::clone(publisher);
        }
        let publisher = self.broker().publisher(topic);
        let mut topics = self.inner.topics.write();
        if topics.len() >= TOPICS_MOST {
            // Whoever publishes to one of them often holds it.
            topics.clear();
        }
        Arc::clone(topics.entry(topic.into()).or_insert(publisher))
    }

    pub(crate) fn hello(&self) -> &Arc<Hello> {
        &self.inner.hello
    }

    /// How what says nothing of it itself is encoded, where its types have this fingerprint.
    pub(crate) fn form(&self, fingerprint: Option<u64>) -> &Form {
        self.inner.forms.of(fingerprint)
    }

    pub(crate) fn client_middleware(&self) -> &[Arc<dyn Middleware>] {
        &self.inner.client_middleware
    }

    /// The handler of an endpoint in this process, while it may be called.
    pub(crate) fn local<M: Delivery>(&self, service: &str) -> Option<&LocalEndpoint<M>> {
        let is_served = self.inner.service == service && self.is_serving();
        if is_served { self.handler() } else { None }
    }

    /// Whether its own handlers may be called.
    pub(crate) fn is_serving(&self) -> bool {
        !self.inner.node.server().is_draining()
    }

    /// The handler of an endpoint in this process, also while the system stops.
    pub(crate) fn handler<M: Delivery>(&self) -> Option<&LocalEndpoint<M>> {
        self.inner.local.get(&TypeId::of::<LocalEndpoint<M>>())?.downcast_ref()
    }

    /// Leave to let one more message wait that nobody waits for.
    pub(crate) fn detached_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.detached).try_acquire_owned().ok()
    }

    /// Runs a future on the system's own threads; false when it has ended.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.inner.home.arbiter().spawn(future)
    }
}

impl fmt::Debug for ServiceSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSystem")
            .field("service", &self.inner.service)
            .field("node", self.node())
            .finish_non_exhaustive()
    }
}

/// Type ids are random already.
#[derive(Default)]
struct TypeHasher(u64);

impl Hasher for TypeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }
}

/// Topics remembered at most.
const TOPICS_MOST: usize = 1024;

/// Messages without a waiting caller that may wait for a connection.
const DETACHED_MOST: usize = 1024;
