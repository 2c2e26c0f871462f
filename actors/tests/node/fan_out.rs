//! One event for subscribers of every kind: in the publisher's process, elsewhere, in groups.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard_actors::broker::{
    Acknowledger, Delivery, EncodedEvent, EventSink, Interest, OtherForm, Published, Publisher,
    Subscription,
};
use callboard_actors::message::Refusal;
use callboard_actors::node::{NodeRef, start};
use callboard_actors::registry::MemoryRegistry;
use callboard_actors::transport::MemoryTransport;
use tokio::time::{Instant, pause, sleep, timeout};

use crate::rig::{client, server};

const PATIENCE: Duration = Duration::from_secs(5);

const NOBODY: Published = Published { acknowledged: 0, failed: 0, refused: 0 };

/// Nodes that can reach each other.
#[derive(Default)]
struct World {
    registry: MemoryRegistry,
    network: MemoryTransport,
    own: Vec<(NodeRef, Box<dyn Subscription>)>,
}

impl World {
    async fn node(&self, id: &str) -> NodeRef {
        start(server(&self.registry, &self.network, id)).await.unwrap()
    }

    async fn subscribe(&mut self, node: &NodeRef, group: Option<&str>, sink: Arc<dyn EventSink>) {
        let interest = Interest::new("user.created");
        let interest = match group {
            Some(group) => interest.group(group),
            None => interest,
        };
        let subscription = node.broker().subscribe(interest, sink).await.unwrap();
        self.own.push((node.clone(), subscription));
    }

    /// A node with one subscriber.
    async fn subscriber(&mut self, id: &str, group: Option<&str>, sink: Arc<dyn EventSink>) {
        let node = self.node(id).await;
        self.subscribe(&node, group, sink).await;
    }
}

fn acknowledge() -> Arc<dyn EventSink> {
    Arc::new(|delivery: Delivery| delivery.acknowledger.acknowledge())
}

fn refuse() -> Arc<dyn EventSink> {
    let retry_after = Duration::from_millis(1);
    Arc::new(move |delivery: Delivery| {
        delivery.acknowledger.refuse(Refusal::Overloaded { retry_after });
    })
}

/// A subscriber that keeps what it gets, and its answer.
#[derive(Default, Clone)]
struct Keeper(Arc<Mutex<Vec<Acknowledger>>>);

impl Keeper {
    fn sink(&self) -> Arc<dyn EventSink> {
        let kept = Arc::clone(&self.0);
        Arc::new(move |delivery: Delivery| kept.lock().unwrap().push(delivery.acknowledger))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn acknowledge_all(&self) {
        std::mem::take(&mut *self.0.lock().unwrap())
            .into_iter()
            .for_each(Acknowledger::acknowledge);
    }
}

async fn publish(topic: &Arc<dyn Publisher>) -> Published {
    let event = EncodedEvent::new("text/plain", "John");
    let publishing = Arc::clone(topic).publish(event, PATIENCE);
    timeout(PATIENCE * 3, publishing).await.expect("it ends in time").unwrap()
}

#[actix::test]
async fn every_kind_of_subscriber_counts_once_and_those_who_are_silent_as_failed() {
    pause();
    let mut world = World::default();
    let here = world.node("here").await;
    let (near, far) = (Keeper::default(), Keeper::default());
    world.subscribe(&here, None, acknowledge()).await;
    world.subscribe(&here, None, near.sink()).await;
    world.subscribe(&here, Some("own"), acknowledge()).await;
    world.subscriber("a", None, acknowledge()).await;
    world.subscriber("b", None, far.sink()).await;
    world.subscriber("c", Some("mailer"), acknowledge()).await;
    let topic = here.broker().publisher("user.created");
    // The first time the connections are made, the second time they are there.
    for round in 1..=2 {
        let begun = Instant::now();
        let told = publish(&topic).await;
        assert_eq!(told, Published { acknowledged: 4, failed: 2, refused: 0 }, "round {round}");
        let waited = begun.elapsed();
        assert!((PATIENCE..PATIENCE * 2).contains(&waited), "round {round}: {waited:?}");
        assert_eq!((near.len(), far.len()), (round, round));
    }
    // Answers to what is over change nothing for what comes.
    near.acknowledge_all();
    far.acknowledge_all();
    let publishing = actix_rt::spawn(async move { publish(&topic).await });
    sleep(Duration::from_millis(10)).await;
    assert_eq!((near.len(), far.len()), (1, 1));
    assert!(!publishing.is_finished(), "two are missing");
    near.acknowledge_all();
    sleep(Duration::from_millis(10)).await;
    assert!(!publishing.is_finished(), "one is missing");
    far.acknowledge_all();
    let told = timeout(Duration::from_millis(10), publishing).await.expect("all are there");
    assert_eq!(told.unwrap(), Published { acknowledged: 6, ..NOBODY });
}

#[actix::test]
async fn a_member_that_refuses_is_passed_over_beside_other_subscribers() {
    pause();
    let mut world = World::default();
    world.subscriber("a", None, acknowledge()).await;
    world.subscriber("b", Some("mailer"), refuse()).await;
    world.subscriber("c", Some("mailer"), acknowledge()).await;
    world.subscriber("d", None, refuse()).await;
    let publisher = start(client(&world.registry, &world.network, "p")).await.unwrap();
    let topic = publisher.broker().publisher("user.created");
    for _ in 0..4 {
        assert_eq!(publish(&topic).await, Published { acknowledged: 2, failed: 0, refused: 1 });
    }
}

#[actix::test]
async fn who_stops_waiting_holds_no_place_on_the_connections() {
    pause();
    let mut world = World::default();
    let kept = Keeper::default();
    world.subscriber("a", None, kept.sink()).await;
    world.subscriber("b", None, kept.sink()).await;
    let mut parts = client(&world.registry, &world.network, "p");
    parts.options.caller.connection.max_in_flight = 1;
    let publisher = start(parts).await.unwrap();
    let topic = publisher.broker().publisher("user.created");
    let second = Duration::from_secs(1);
    assert!(timeout(second, publish(&topic)).await.is_err(), "nobody answers");
    assert_eq!(kept.len(), 2);
    // Now with connections; what was given up before has made room.
    assert!(timeout(second, publish(&topic)).await.is_err(), "nobody answers");
    assert_eq!(kept.len(), 4);
    let publishing = actix_rt::spawn(async move { publish(&topic).await });
    sleep(second).await;
    assert_eq!(kept.len(), 6, "there was room");
    kept.acknowledge_all();
    let told = timeout(second, publishing).await.expect("both have answered").unwrap();
    assert_eq!(told, Published { acknowledged: 2, ..NOBODY });
}

#[actix::test]
async fn a_connection_that_breaks_counts_as_failed_at_once() {
    pause();
    let mut world = World::default();
    let kept = Keeper::default();
    world.subscriber("a", None, acknowledge()).await;
    world.subscriber("b", None, kept.sink()).await;
    let publisher = start(client(&world.registry, &world.network, "p")).await.unwrap();
    let topic = publisher.broker().publisher("user.created");
    let own = Arc::clone(&topic);
    let publishing = actix_rt::spawn(async move { publish(&own).await });
    sleep(Duration::from_millis(100)).await;
    kept.acknowledge_all();
    assert_eq!(publishing.await.unwrap(), Published { acknowledged: 2, ..NOBODY });
    let publishing = actix_rt::spawn(async move { publish(&topic).await });
    sleep(Duration::from_millis(100)).await;
    assert_eq!(kept.len(), 1);
    // The keepalive finds that nobody is there, before the time for the event is over.
    let begun = Instant::now();
    world.network.partition("p", "b");
    assert_eq!(publishing.await.unwrap(), Published { acknowledged: 1, failed: 1, refused: 0 });
    let waited = begun.elapsed();
    assert!(waited + Duration::from_millis(100) < PATIENCE, "{waited:?}");
}

#[actix::test]
async fn what_needs_another_form_or_is_too_large_does_not_hold_up_the_others() {
    pause();
    let mut world = World::default();
    world.subscriber("a", None, acknowledge()).await;
    world.subscriber("b", None, acknowledge()).await;
    let publisher = start(client(&world.registry, &world.network, "p")).await.unwrap();
    let topic = publisher.broker().publisher("user.created");
    assert_eq!(publish(&topic).await, Published { acknowledged: 2, ..NOBODY });
    let large = EncodedEvent::new("text/plain", vec![7; 8 * 1024 * 1024]);
    let error = Arc::clone(&topic).publish(large, PATIENCE).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    let unknown = EncodedEvent::new("text/unknown", "John");
    let told = Arc::clone(&topic).publish(unknown, PATIENCE).await.unwrap();
    assert_eq!(told, Published { refused: 2, ..NOBODY });
    // The nodes are known not to take it by now, and there is no way to write it otherwise.
    let other: &OtherForm =
        Box::leak(Box::new(OtherForm::new("text/plain", |_| Err("never".into()))));
    for _ in 0..2 {
        let odd = EncodedEvent { other: Some(other), ..EncodedEvent::new("text/unknown", "John") };
        let told = Arc::clone(&topic).publish(odd, PATIENCE).await.unwrap();
        assert_eq!(told, Published { refused: 2, ..NOBODY }, "each counts once");
    }
    let late = EncodedEvent::new("text/plain", "John");
    let told = Arc::clone(&topic).publish(late, Duration::ZERO).await.unwrap();
    assert_eq!(told, Published { refused: 2, ..NOBODY }, "there is no time to ask anybody");
    assert_eq!(publish(&topic).await, Published { acknowledged: 2, ..NOBODY });
}
