//! The contract of brokers, kept by the one in memory; the direct one is tested with its node.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;

use super::{
    Acknowledgement, Acknowledger, Broker, BrokerError, Delivery, EventSink, Interest,
    MemoryBroker, Publisher, Subscription,
};
use crate::registry::BoxFuture;
use crate::testing::broker::{self, Harness, Nodes};

/// Brokers in memory, of which some have a fault.
#[derive(Clone, Copy)]
struct Memory(Option<Fault>);

/// What is wrong with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Each member of a group gets each event.
    NoGroups,
    /// One event in fifty is acknowledged by nobody's handler.
    Loses,
    /// One event in fifty is delivered twice.
    Repeats,
    /// Whatever a subscriber answers counts as success.
    Flatters,
    /// Subscriptions go on after they were closed.
    NeverCloses,
}

struct Faulty(MemoryBroker, Fault);

impl Harness for Memory {
    fn nodes(&self) -> BoxFuture<'_, Nodes> {
        let broker = MemoryBroker::new();
        let broker: Arc<dyn Broker> = match self.0 {
            Some(fault) => Arc::new(Faulty(broker, fault)),
            None => Arc::new(broker),
        };
        Box::pin(async { Nodes::new([broker.clone(), broker.clone(), broker]) })
    }
}

impl Broker for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn publisher(&self, topic: &str) -> Arc<dyn Publisher> {
        self.0.publisher(topic)
    }

    fn subscribe(
        &self,
        mut interest: Interest,
        sink: Arc<dyn EventSink>,
    ) -> BoxFuture<'_, Result<Box<dyn Subscription>, BrokerError>> {
        let fault = self.1;
        if fault == Fault::NoGroups && interest.check().is_ok() {
            interest.group = None;
        }
        let events = AtomicU32::new(0);
        let spoilt = move |delivery: Delivery| {
            let is_its_turn = events.fetch_add(1, Ordering::Relaxed) % 50 == 49;
            match fault {
                Fault::Loses if is_its_turn => delivery.acknowledger.acknowledge(),
                Fault::Repeats if is_its_turn => {
                    let (topic, event) = (Arc::clone(&delivery.topic), delivery.event.clone());
                    let acknowledger = Acknowledger::new(|_| {});
                    sink.deliver(Delivery { topic, event, acknowledger });
                    sink.deliver(delivery);
                }
                Fault::Flatters => {
                    let Delivery { topic, event, acknowledger } = delivery;
                    let own = Acknowledger::new(|_: Acknowledgement| acknowledger.acknowledge());
                    sink.deliver(Delivery { topic, event, acknowledger: own });
                }
                _ => sink.deliver(delivery),
            }
        };
        let subscribed = self.0.subscribe(interest, Arc::new(spoilt));
        Box::pin(async move {
            let subscription = subscribed.await?;
            if fault == Fault::NeverCloses {
                std::mem::forget(subscription);
                return Ok(Box::new(Forgotten) as Box<dyn Subscription>);
            }
            Ok(subscription)
        })
    }
}

/// A subscription that cannot be ended.
struct Forgotten;

impl Subscription for Forgotten {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    broker::all(&Memory(None)).await;
}

#[tokio::test(start_paused = true)]
async fn the_contract_finds_every_fault() {
    crate::contain::quiet_contained_panics();
    for fault in
        [Fault::NoGroups, Fault::Loses, Fault::Repeats, Fault::Flatters, Fault::NeverCloses]
    {
        let checked = AssertUnwindSafe(broker::all(&Memory(Some(fault)))).catch_unwind().await;
        assert!(checked.is_err(), "{fault:?} was not found");
    }
}
