//! Publish and subscribe: the port to brokers, and what runs in memory.
//!
//! A publisher names a topic, not a receiver. Every subscriber of the topic that belongs to no queue
//! group gets the event; of each queue group one member gets it. A subscriber acknowledges an event
//! by what its handler returns, and the publisher is told how many did.

mod delivery;
mod desk;
mod direct;
mod event;
mod forms;
mod frame;
mod memory;
mod tally;
mod topics;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{CallError, Caller};
use crate::heartbeat::HeartbeatOptions;
use crate::inbox::DueTurns;
use crate::registry::{BoxFuture, NodeInfo, Registry, RegistryError};
use crate::server::HandlerPort;
use crate::supervisor::SupervisorRef;

pub use self::delivery::{Acknowledgement, Acknowledger, Delivery};
pub use self::desk::{ContentTypes, EventDesk};
pub use self::direct::{
    BROADCAST, Courier, DirectBroker, DirectDirectory, Directory, Letter, Mailbox, Subscriber,
    TOPIC_PREFIX,
};
pub use self::event::{EncodedEvent, OtherForm};
pub use self::frame::{EventFrame, FrameError};
pub use self::memory::MemoryBroker;

/// Brings events from publishers to subscribers.
///
/// Object-safe and shared: one value serves a whole node, from any thread.
pub trait Broker: Send + Sync + 'static {
    /// The name used in settings and messages, e.g. `direct`.
    fn name(&self) -> &'static str;

    /// Where it is, for messages; empty when it is nowhere in particular.
    fn address(&self) -> String {
        String::new()
    }

    /// What a node must serve so that events reach its subscribers; nothing by default.
    fn port(&self) -> Option<Arc<dyn HandlerPort>> {
        None
    }

    /// Takes note of the node that it belongs to, once, before anything else is asked of it.
    fn attach(&self, home: BrokerHome) {
        drop(home);
    }

    /// Takes note of where its node can be reached, once, before anything is subscribed to; not
    /// called for a node that serves nothing, until an actor
    /// [subscribes](crate::node::NodeRef::subscribe).
    fn serve(&self, place: BrokerPlace) {
        drop(place);
    }

    /// The way to a topic, for those who publish often.
    fn publisher(&self, topic: &str) -> Arc<dyn Publisher>;

    /// Has `sink` get the events of a topic; publishers elsewhere learn of it a moment later.
    ///
    /// # Cancellation
    /// Dropping the future subscribes nothing, or ends what has been subscribed.
    ///
    /// # Errors
    /// See [`BrokerError`].
    fn subscribe(
        &self,
        interest: Interest,
        sink: Arc<dyn EventSink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BrokerError>>;
}

/// The way to one topic.
pub trait Publisher: Send + Sync {
    /// Brings an event to whoever subscribes to the topic now; waits until all have answered, for
    /// at most this long.
    ///
    /// That nobody subscribes is no error. Nothing is delivered twice: what may have been
    /// delivered is not sent again. To be awaited where tokio's timers work.
    ///
    /// # Cancellation
    /// The event may reach all subscribers, some or none.
    ///
    /// # Errors
    /// See [`BrokerError`]; no subscriber has got the event then.
    fn publish(
        self: Arc<Self>,
        event: EncodedEvent,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Published, BrokerError>>;
}

/// A running subscription; dropping it ends it, without waiting for that.
pub trait Subscription: Send + Sync {
    /// Ends it: once this resolves publishers do not count on it any more.
    ///
    /// What has been delivered before is still handled.
    ///
    /// # Cancellation
    /// It ends all the same.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Where a broker leaves events for one subscriber.
///
/// Every function that takes a [`Delivery`] is one that always has room.
pub trait EventSink: Send + Sync + 'static {
    /// Whether it would take one more event now; a hint for choosing among a group's members.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes an event over; must not block. What does not fit is
    /// [refused](Acknowledger::refuse).
    fn deliver(&self, delivery: Delivery);

    /// The same for one event of a batch: whom it wakes may have a turn with the others, once the
    /// batch has been delivered. Does no more than [`deliver`](Self::deliver), unless it says
    /// otherwise.
    fn deliver_of_batch(&self, delivery: Delivery, due: &mut DueTurns) {
        let _ = due;
        self.deliver(delivery);
    }
}

impl<F: Fn(Delivery) + Send + Sync + 'static> EventSink for F {
    fn deliver(&self, delivery: Delivery) {
        self(delivery);
    }
}

/// What is subscribed to.
///
/// ```
/// use callboard_actors::broker::Interest;
///
/// let all = Interest::new("user.created");
/// let one_of_us = Interest::new("user.created").group("mailer");
/// assert_ne!(all, one_of_us);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interest {
    /// The topic's name; compared byte for byte, there are no wildcards.
    pub topic: Arc<str>,
    /// The queue group, of which one member gets each event; none: it gets every event.
    pub group: Option<Arc<str>>,
    /// The fingerprint of the types as which it reads events; none: it takes them as they come.
    pub types: Option<u64>,
}

impl Interest {
    /// In every event of a topic.
    pub fn new(topic: impl Into<Arc<str>>) -> Self {
        Self { topic: topic.into(), group: None, types: None }
    }

    /// In those that fall to this member of a group.
    #[must_use]
    pub fn group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Of somebody who reads events as types of this fingerprint, so that publishers with other
    /// types send them in a form that says which field is which.
    #[must_use]
    pub fn types(mut self, fingerprint: impl Into<Option<u64>>) -> Self {
        self.types = fingerprint.into();
        self
    }

    /// Bytes that the names of a topic and of a group may have.
    pub const NAME_MOST: usize = 255;

    /// Whether the names are some that every broker can carry.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`]: one is empty, or longer than [`NAME_MOST`](Self::NAME_MOST).
    pub fn check(&self) -> Result<(), BrokerError> {
        check_name("topic", &self.topic)?;
        self.group.as_deref().map_or(Ok(()), |group| check_name("queue group", group))
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), BrokerError> {
    if (1..=Interest::NAME_MOST).contains(&name.len()) {
        return Ok(());
    }
    let reason =
        format!("its {what} has {} bytes; 1 to {} are allowed", name.len(), Interest::NAME_MOST);
    Err(BrokerError::Invalid { reason })
}

/// What became of an event.
///
/// A queue group counts as one subscriber. How much a broker knows of this is its own matter; the
/// manual has a table.
///
/// ```
/// use callboard_actors::broker::Published;
///
/// let published = Published { acknowledged: 2, failed: 1, refused: 0 };
/// assert_eq!(published.subscribers(), 3);
/// assert!(!published.is_complete());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Published {
    /// Subscribers whose handlers returned `Ok`.
    pub acknowledged: u32,
    /// Those that got it and failed: an error, a panic, a body they could not decode; and those of
    /// which it is not known, because the connection broke or the time was over.
    pub failed: u32,
    /// Those that did not get it: their queue was full, they were leaving, they do not know its
    /// codec, or the codec needs other types than theirs.
    pub refused: u32,
}

impl Published {
    /// Subscribers there were.
    pub fn subscribers(self) -> u32 {
        self.acknowledged + self.failed + self.refused
    }

    /// Whether all of them acknowledged it; also if there were none.
    pub fn is_complete(self) -> bool {
        self.failed == 0 && self.refused == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged = self.acknowledged.saturating_add(other.acknowledged);
        self.failed = self.failed.saturating_add(other.failed);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

/// What a broker needs of its node.
#[derive(Clone)]
pub struct BrokerHome {
    /// Calls other nodes.
    pub caller: Caller,
    /// Where subscriptions are announced and found.
    pub registry: Arc<dyn Registry>,
    /// How announcements are kept alive.
    pub heartbeat: HeartbeatOptions,
}

/// Where a broker's node can be reached.
#[derive(Debug, Clone)]
pub struct BrokerPlace {
    /// The node, with its address.
    pub node: NodeInfo,
    /// Supervises what announces subscriptions.
    pub supervisor: SupervisorRef,
}

impl fmt::Debug for BrokerHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerHome")
            .field("registry", &self.registry.name())
            .finish_non_exhaustive()
    }
}

/// Why a broker did not do what it was asked.
///
/// ```
/// use callboard_actors::broker::BrokerError;
///
/// let error = BrokerError::Invalid { reason: "its topic is empty".into() };
/// assert!(!error.is_retryable());
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Topic, group or event are not such as can be carried.
    #[error("the broker cannot carry this: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// As many topics or subscribers as there may be.
    #[error("broker {broker} has no room: {limit} {what} is the limit")]
    Full {
        /// The broker's name.
        broker: &'static str,
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The node listens nowhere, so no event can reach it.
    #[error(
        "broker {broker} cannot reach subscribers of a node that serves nothing; subscribe an actor, \
         or add a handler to the system"
    )]
    NotServing {
        /// The broker's name.
        broker: &'static str,
    },
    /// The broker cannot be reached.
    #[error("broker {broker} at {address} is unavailable: {reason}")]
    Unavailable {
        /// The broker's name.
        broker: &'static str,
        /// Where it was looked for.
        address: String,
        /// What failed.
        reason: String,
    },
    /// The registry that knows the subscribers failed.
    #[error("the subscribers cannot be looked up or announced")]
    Registry(#[source] RegistryError),
    /// The subscribers could not be asked.
    #[error("the event was not published")]
    Call(#[source] CallError),
    /// The node has stopped, or not started yet.
    #[error("the node is not running")]
    Stopped,
}

impl BrokerError {
    /// Whether repeating it later may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid { .. } | Self::Full { .. } | Self::NotServing { .. } | Self::Stopped => {
                false
            }
            Self::Unavailable { .. } => true,
            Self::Registry(error) => error.is_retryable(),
            Self::Call(error) => error.is_retryable(),
        }
    }
}

#[cfg(test)]
mod tests;
