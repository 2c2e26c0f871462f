//! The broker of one process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use super::tally::Tally;
use super::topics::{Place, To, Topics};
use super::{
    Broker, BrokerError, EncodedEvent, EventSink, Interest, Published, Publisher, Subscription,
};
use crate::deadline::Deadline;
use crate::registry::BoxFuture;

/// Brings events from and to the systems that share it; clones are the same broker.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use callboard_actors::broker::{Broker, Delivery, EncodedEvent, Interest, MemoryBroker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), callboard_actors::broker::BrokerError> {
/// let broker = MemoryBroker::new();
/// let print = |delivery: Delivery| {
///     println!("{:?}", delivery.event.body);
///     delivery.acknowledger.acknowledge();
/// };
/// let subscription = broker.subscribe(Interest::new("user.created"), Arc::new(print)).await?;
/// let event = EncodedEvent::new("text/plain", "John");
/// let publisher = broker.publisher("user.created");
/// let published = publisher.publish(event, Duration::from_secs(1)).await?;
/// assert_eq!(published.acknowledged, 1);
/// subscription.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    topics: Topics,
}

impl MemoryBroker {
    /// Creates a broker without subscribers.
    pub fn new() -> Self {
        Self { topics: Topics::new(NAME) }
    }
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl Broker for MemoryBroker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn publisher(&self, topic: &str) -> Arc<dyn Publisher> {
        Arc::new(MemoryPublisher { topics: self.topics.clone(), topic: topic.into() })
    }

    fn subscribe(
        &self,
        interest: Interest,
        sink: Arc<dyn EventSink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BrokerError>> {
        let place = self.topics.add(&interest, sink);
        Box::pin(async { Ok(Box::new(place?) as Box<dyn Subscription>) })
    }
}

impl Subscription for Place {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        drop(self);
        Box::pin(async {})
    }
}

struct MemoryPublisher {
    topics: Topics,
    topic: Arc<str>,
}

impl Publisher for MemoryPublisher {
    fn publish(
        self: Arc<Self>,
        event: EncodedEvent,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Published, BrokerError>> {
        Box::pin(async move {
            Interest::new(Arc::clone(&self.topic)).check()?;
            let deadline = Deadline::within(timeout);
            let tally = Tally::new();
            self.topics.look(&self.topic, |topic| {
                topic.subscribers().publish(&event, To::All, &tally, EventSink::deliver);
            });
            tally.complete();
            // What is missing by then counts as failed.
            let _ = timeout_at(deadline.instant(), tally.wait()).await;
            Ok(tally.so_far())
        })
    }
}

impl fmt::Debug for MemoryPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPublisher").field("topic", &self.topic).finish_non_exhaustive()
    }
}

const NAME: &str = "memory";
