//! What the properties look with: subscribers that write down what they get.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Harness;
use crate::broker::{
    Acknowledger, Broker, Delivery, EncodedEvent, EventSink, Interest, Published, Subscription,
};
use crate::deadline::Deadline;
use crate::message::Refusal;

/// What a subscriber does with its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Acknowledge,
    Fail,
    /// Forgets them, which is to fail.
    Drop,
    Refuse,
    /// Keeps them, and says nothing.
    Keep,
}

/// A subscriber that writes down what it gets.
pub(super) struct Probe {
    manner: Manner,
    got: Mutex<Vec<Delivery>>,
    kept: Mutex<Vec<Acknowledger>>,
    changed: Notify,
}

impl Probe {
    pub(super) fn new(manner: Manner) -> Arc<Self> {
        let (got, kept, changed) = (Mutex::default(), Mutex::default(), Notify::new());
        Arc::new(Self { manner, got, kept, changed })
    }

    /// A probe that subscribes to the topic of all properties.
    pub(super) async fn on(
        broker: &Arc<dyn Broker>,
        group: Option<&str>,
        manner: Manner,
    ) -> (Arc<Self>, Box<dyn Subscription>) {
        let probe = Self::new(manner);
        let interest = Interest { group: group.map(Into::into), ..Interest::new(TOPIC) };
        let subscription = broker.subscribe(interest, Arc::clone(&probe) as Arc<dyn EventSink>);
        (probe, subscription.await.expect("it can be subscribed to"))
    }

    /// The bodies of what it has got but for first attempts, in order.
    pub(super) fn bodies(&self) -> Vec<String> {
        let bodies =
            self.got.lock().iter().map(|delivery| text(&delivery.event)).collect::<Vec<_>>();
        bodies.into_iter().filter(|body| body != FIRST).collect()
    }

    /// The events that it has got but for first attempts, in order.
    pub(super) fn events(&self) -> Vec<(Arc<str>, EncodedEvent)> {
        let got = self.got.lock();
        let events = got.iter().filter(|delivery| text(&delivery.event) != FIRST);
        events.map(|delivery| (Arc::clone(&delivery.topic), delivery.event.clone())).collect()
    }

    /// Waits until it has got this many.
    pub(super) async fn until(&self, harness: &dyn Harness, count: usize) {
        let deadline = harness.patience();
        let arrived = timeout(deadline, async {
            loop {
                let changed = self.changed.notified();
                if self.bodies().len() >= count {
                    return;
                }
                changed.await;
            }
        });
        let arrived = arrived.await.is_ok();
        assert!(arrived, "{} of {count} events came within {deadline:?}", self.bodies().len());
    }
}

impl EventSink for Probe {
    fn has_room(&self) -> bool {
        self.manner != Manner::Refuse
    }

    fn deliver(&self, delivery: Delivery) {
        let Delivery { topic, event, acknowledger } = delivery;
        // The first attempts are there to find out who subscribes.
        let manner = if text(&event) == FIRST { Manner::Acknowledge } else { self.manner };
        let done = Acknowledger::new(|_| {});
        self.got.lock().push(Delivery { topic, event, acknowledger: done });
        match manner {
            Manner::Acknowledge => acknowledger.acknowledge(),
            Manner::Fail => acknowledger.fail(),
            Manner::Drop => drop(acknowledger),
            Manner::Refuse => {
                let retry_after = Duration::from_millis(1);
                acknowledger.refuse(Refusal::Overloaded { retry_after });
            }
            Manner::Keep => self.kept.lock().push(acknowledger),
        }
        self.changed.notify_waiters();
    }
}

/// Publishes until this many subscribers are reached.
pub(super) async fn until_reached(harness: &dyn Harness, broker: &Arc<dyn Broker>, count: u32) {
    let deadline = Deadline::within(harness.patience());
    loop {
        let published = publish(harness, broker, FIRST).await;
        if published.subscribers() == count {
            return;
        }
        let within = harness.patience();
        assert!(
            !deadline.has_passed(),
            "not {count} subscribers within {within:?} but {published:?}"
        );
        // Nothing tells when another node has heard of a subscription.
        sleep(POLL).await;
    }
}

/// Publishes a text under the topic of all properties.
pub(super) async fn publish(
    harness: &dyn Harness,
    broker: &Arc<dyn Broker>,
    body: &str,
) -> Published {
    publish_within(harness, broker, body, harness.patience()).await
}

/// The same with less patience.
pub(super) async fn publish_within(
    harness: &dyn Harness,
    broker: &Arc<dyn Broker>,
    body: &str,
    patience: Duration,
) -> Published {
    let event = EncodedEvent::new(harness.content_type(), format!("\"{body}\""));
    let published = broker.publisher(TOPIC).publish(event, patience).await;
    published.unwrap_or_else(|error| panic!("publishing {body} failed: {error}"))
}

fn text(event: &EncodedEvent) -> String {
    String::from_utf8_lossy(&event.body).trim().trim_matches('"').to_owned()
}

/// The topic of all properties.
pub(super) const TOPIC: &str = "user.created";

/// The body of events that find out who subscribes.
const FIRST: &str = "first";

const POLL: Duration = Duration::from_millis(20);
