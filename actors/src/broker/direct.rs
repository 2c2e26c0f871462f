//! The broker without a broker: publishers send events straight to the subscribers' nodes.
//!
//! A subscription is a record in the registry, like any service: the name is `topic:` and the
//! topic, the version is the queue group or [`BROADCAST`]. A publisher follows that service like
//! any other, and asks each node that subscribes, and one node of each group, to deliver the event.
//! So events travel over the connections of calls, with their deadlines and limits, and survive an
//! outage of the registry as calls do.

mod announce;
mod deliver;
mod directory;
mod publish;
mod route;
mod under_way;

use std::fmt;
use std::sync::{Arc, OnceLock};

use self::announce::{Announced, Announcements};
pub use self::directory::{DirectDirectory, Directory, Mailbox, Subscriber};
use self::publish::DirectPublisher;
use super::desk::{ContentTypes, EventDesk};
use super::topics::Place;
use super::{
    Broker, BrokerError, BrokerHome, BrokerPlace, EncodedEvent, EventSink, Interest, Published,
    Publisher, Subscription,
};
use crate::client::CallError;
use crate::deadline::Deadline;
use crate::registry::{BoxFuture, NodeInfo};
use crate::server::HandlerPort;

/// Sends events over the connections between nodes; the default.
///
/// | | |
/// |---|---|
/// | delivery | at most once to each subscriber; the publisher is told of each that did not get it |
/// | order | of one publisher's events that wait for each other: kept; else not |
/// | who is away | misses what is published meanwhile |
/// | a subscriber that is full | refuses; the publisher is told; another member of its group gets it |
///
/// ```
/// use std::sync::Arc;
///
/// use callboard_actors::broker::{Broker, DirectBroker};
///
/// let types: &'static [&'static str] = &["application/json"];
/// assert_eq!(DirectBroker::new(Arc::new(types)).name(), "direct");
/// ```
#[derive(Clone)]
pub struct DirectBroker {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    name: &'static str,
    pub(super) desk: EventDesk,
    pub(super) home: OnceLock<BrokerHome>,
    /// Once the node listens.
    place: OnceLock<BrokerPlace>,
    directory: Box<dyn Directory>,
    courier: Option<Box<dyn Courier>>,
    announcements: Announcements,
}

/// Brings events to subscribers that understand another protocol than our own.
pub trait Courier: Send + Sync + 'static {
    /// Brings an event to a subscriber, once.
    ///
    /// # Cancellation
    /// The event may have been delivered or not.
    ///
    /// # Errors
    /// The subscriber did not get it, or may not have; [`CallError::executed`] says which. It is
    /// brought to another member of the group only in the first case.
    fn deliver(&self, letter: Letter) -> BoxFuture<'_, Result<Published, CallError>>;
}

/// An event for one subscriber of another protocol.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The topic it is published under.
    pub topic: Arc<str>,
    /// The subscriber's record.
    pub node: Arc<NodeInfo>,
    /// The event.
    pub event: EncodedEvent,
    /// When it is of no use any more.
    pub deadline: Deadline,
}

impl DirectBroker {
    /// Creates a broker for one node, which understands these content types.
    pub fn new(content_types: Arc<dyn ContentTypes>) -> Self {
        Self::with(NAME, content_types, DirectDirectory, None)
    }

    /// Creates one of another name, that finds subscribers elsewhere in the registry, and has them
    /// brought their events otherwise.
    pub fn with(
        name: &'static str,
        content_types: Arc<dyn ContentTypes>,
        directory: impl Directory,
        courier: Option<Box<dyn Courier>>,
    ) -> Self {
        let shared = Shared {
            name,
            desk: EventDesk::new(name, content_types),
            home: OnceLock::new(),
            place: OnceLock::new(),
            directory: Box::new(directory),
            courier,
            announcements: Announcements::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Broker for DirectBroker {
    fn name(&self) -> &'static str {
        self.shared.name
    }

    fn port(&self) -> Option<Arc<dyn HandlerPort>> {
        Some(Arc::new(self.shared.desk.clone()))
    }

    fn attach(&self, home: BrokerHome) {
        if self.shared.home.set(home).is_err() {
            tracing::error!("a direct broker belongs to one system; another one was given it too");
        }
    }

    fn serve(&self, place: BrokerPlace) {
        // The one that came first is that of the home.
        let _ = self.shared.place.set(place);
    }

    fn publisher(&self, topic: &str) -> Arc<dyn Publisher> {
        Arc::new(DirectPublisher::new(Arc::clone(&self.shared), topic))
    }

    fn subscribe(
        &self,
        interest: Interest,
        sink: Arc<dyn EventSink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BrokerError>> {
        Box::pin(async move {
            let home = self.shared.home.get().ok_or(BrokerError::Stopped)?;
            let not_serving = BrokerError::NotServing { broker: self.name() };
            let place = self.shared.place.get().ok_or(not_serving)?;
            // Before the first event can come.
            let own = self.shared.desk.place(&interest, sink)?;
            let directory = &*self.shared.directory;
            let announced = self
                .shared
                .announcements
                .add(directory, &self.shared.desk, (home, place), interest)
                .await?;
            Ok(Box::new(DirectSubscription { announced, place: own }) as Box<dyn Subscription>)
        })
    }
}

struct DirectSubscription {
    // Dropped last: no event is lost between the two.
    announced: Announced,
    place: Place,
}

impl Subscription for DirectSubscription {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Self { announced, place } = *self;
            announced.withdraw().await;
            drop(place);
        })
    }
}

impl fmt::Debug for DirectBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectBroker").field("desk", &self.shared.desk).finish_non_exhaustive()
    }
}

/// What the names of services begin with that stand for topics; as in Go Micro.
pub const TOPIC_PREFIX: &str = "topic:";

/// The version of subscriptions without a queue group; as in Go Micro.
pub const BROADCAST: &str = "ff.http.broadcast";

const NAME: &str = "direct";
