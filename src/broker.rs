//! Brokers: how events reach their subscribers.
//!
//! | `--broker` | type | |
//! |---|---|---|
//! | `direct` | [`DirectBroker`] | from node to node, over the connections of calls; the default |
//! | `http` | [`http_broker`] | Go Micro's HTTP broker, of 2016 and of today |
//! | `memory` | [`MemoryBroker`] | within one process |
//! | | [`Broker`] | yours |
//!
//! Most programs publish with [`ServiceSystem::publish`](crate::ServiceSystem::publish) and subscribe
//! with [`HandlerBuilder::event`](crate::handler::HandlerBuilder::event), whichever broker there is.

mod courier;
mod directory;
pub(crate) mod envelope;
pub(crate) mod outcome;

pub use callboard_actors::broker::{
    Acknowledgement, Acknowledger, Broker, BrokerError, Delivery, DirectBroker, EncodedEvent,
    EventSink, Interest, MemoryBroker, OtherForm, Published, Publisher, Subscription,
};

pub(crate) use self::courier::EARLY_PATH;
use self::courier::HttpCourier;
use self::directory::GoMicroDirectory;
use crate::codec::{Codec, Codecs};

/// A broker that publishes to Go Micro's services, and is published to by them.
///
/// Subscriptions are announced as both generations of Go Micro do it; events for them come in over
/// the node's own port. Nodes of callboard that use the broker `direct` are published to as well.
/// `codecs` are those beside the built-in ones.
///
/// ```no_run
/// use callboard::ServiceSystem;
/// use callboard::broker::http_broker;
///
/// let system = ServiceSystem::new("greeter").broker(http_broker(&[]));
/// ```
pub fn http_broker(codecs: &[Codec]) -> DirectBroker {
    http(&Codecs::with(codecs))
}

pub(crate) fn http(codecs: &Codecs) -> DirectBroker {
    let courier = Box::new(HttpCourier::default());
    DirectBroker::with("http", std::sync::Arc::new(codecs.clone()), GoMicroDirectory, Some(courier))
}
