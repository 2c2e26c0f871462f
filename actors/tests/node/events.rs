//! Events between nodes over the direct broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::broker::{
    BROADCAST, BrokerError, Delivery, EncodedEvent, EventSink, Interest, OtherForm, Published,
};
use callboard_actors::message::Refusal;
use callboard_actors::node::{NodeParts, NodeRef, start};
use callboard_actors::registry::{
    BoxFuture, MemoryRegistry, Registry, RegistryError, Service, Watch, WatchScope,
};
use callboard_actors::testing::broker::{self, Harness, Nodes};
use callboard_actors::transport::MemoryTransport;
use tokio::time::{Instant, pause, sleep};

use crate::rig::{TYPES, client, server};

/// Nodes in one network; each has an arbiter, and a clock, in common with the test.
struct Direct;

impl Harness for Direct {
    fn nodes(&self) -> BoxFuture<'_, Nodes> {
        let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
        let started = actix_rt::spawn(async move {
            let mut nodes = Vec::new();
            for id in ["a", "b", "c"] {
                nodes.push(start(server(&registry, &network, id)).await.unwrap());
            }
            nodes
        });
        Box::pin(async {
            let nodes: Vec<NodeRef> = started.await.unwrap();
            let brokers = [0, 1, 2].map(|index| Arc::clone(nodes[index].broker()));
            Nodes::guarded(brokers, nodes)
        })
    }

    fn content_type(&self) -> &'static str {
        TYPES[0]
    }
}

#[actix::test]
async fn direct_keeps_the_contract() {
    pause();
    broker::all(&Direct).await;
}

fn event(body: &'static str) -> (EncodedEvent, Duration) {
    (EncodedEvent::new("text/plain", body), Duration::from_secs(5))
}

fn acknowledge(delivery: Delivery) {
    delivery.acknowledger.acknowledge();
}

const ONE: Published = Published { acknowledged: 1, failed: 0, refused: 0 };

#[actix::test]
async fn a_subscription_is_a_record_of_the_topic_and_goes_with_it() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let broker = node.broker();
    let topic = || Interest::new("user.created");
    let all = broker.subscribe(topic(), Arc::new(acknowledge)).await.unwrap();
    let more = broker.subscribe(topic(), Arc::new(acknowledge)).await.unwrap();
    let group = broker.subscribe(topic().group("mailer"), Arc::new(acknowledge)).await.unwrap();
    let records = registry.get("topic:user.created".into()).await.unwrap();
    let versions: Vec<_> = records.iter().map(|record| record.version.as_str()).collect();
    assert_eq!(versions, [BROADCAST, "mailer"]);
    assert!(records.iter().all(|record| record.nodes.len() == 1), "equal ones share a record");
    assert!(records.iter().all(|record| record.nodes[0].address == node.node().address));

    // Leases are renewed.
    sleep(Duration::from_secs(120)).await;
    assert_eq!(registry.get("topic:user.created".into()).await.unwrap().len(), 2);

    all.close().await;
    assert_eq!(registry.get("topic:user.created".into()).await.unwrap().len(), 2, "one is left");
    drop(more);
    group.close().await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(registry.get("topic:user.created".into()).await.unwrap(), []);
    assert_eq!(registry.list().await.unwrap().len(), 1, "the node itself stays");
}

#[actix::test]
async fn a_node_that_serves_nothing_publishes_but_cannot_subscribe() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let interest = Interest::new("user.created");
    let _own = node.broker().subscribe(interest.clone(), Arc::new(acknowledge)).await.unwrap();
    let other = start(client(&registry, &network, "b")).await.unwrap();
    let refused = other.broker().subscribe(interest, Arc::new(acknowledge)).await;
    assert!(matches!(refused.err(), Some(BrokerError::NotServing { .. })));
    let (john, timeout) = event("John");
    let published = other.broker().publisher("user.created").publish(john, timeout).await;
    assert_eq!(published.unwrap(), ONE);
}

#[actix::test]
async fn a_dead_member_is_passed_over_and_a_dead_subscriber_is_told_of() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let publisher = start(client(&registry, &network, "p")).await.unwrap();
    let mut subscriptions = Vec::new();
    for id in ["a", "b"] {
        let node = start(server(&registry, &network, id)).await.unwrap();
        for interest in [Interest::new("all"), Interest::new("one").group("mailer")] {
            let subscribed = node.broker().subscribe(interest, Arc::new(acknowledge)).await;
            subscriptions.push(subscribed.unwrap());
        }
    }
    let (all, one) = (publisher.broker().publisher("all"), publisher.broker().publisher("one"));
    let publish = async |topic: &Arc<dyn callboard_actors::broker::Publisher>| {
        let (john, timeout) = event("John");
        topic.clone().publish(john, timeout).await.unwrap()
    };
    assert_eq!(publish(&all).await, Published { acknowledged: 2, ..Published::default() });
    assert_eq!(publish(&one).await, ONE);
    network.partition("p", "a");
    // The connection is given up first; until then nobody knows whether an event has arrived.
    for _ in 0..10 {
        if publish(&all).await.failed == 0 {
            break;
        }
    }
    assert_eq!(publish(&all).await, Published { acknowledged: 1, failed: 0, refused: 1 });
    for _ in 0..10 {
        assert_eq!(publish(&one).await, ONE, "the other member takes it");
    }
}

#[actix::test]
async fn what_is_published_survives_an_outage_of_the_registry() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let interest = Interest::new("user.created");
    let _own = node.broker().subscribe(interest, Arc::new(acknowledge)).await.unwrap();
    let publisher = start(client(&registry, &network, "p")).await.unwrap();
    let topic = publisher.broker().publisher("user.created");
    let (john, timeout) = event("John");
    assert_eq!(topic.clone().publish(john, timeout).await.unwrap(), ONE);
    registry.outage();
    sleep(Duration::from_secs(120)).await;
    let (jane, timeout) = event("Jane");
    assert_eq!(topic.clone().publish(jane, timeout).await.unwrap(), ONE);
}

/// A registry that learns of nodes one by one.
struct Gradual {
    registry: MemoryRegistry,
    complete: Instant,
}

impl Registry for Gradual {
    fn name(&self) -> &'static str {
        "gradual"
    }

    fn complete_at(&self) -> Option<Instant> {
        (self.complete > Instant::now()).then_some(self.complete)
    }

    fn register(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Answer<()>> {
        self.registry.register(service, ttl)
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Answer<()>> {
        self.registry.renew(service, ttl)
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Answer<()>> {
        self.registry.deregister(service)
    }

    fn get(&self, name: String) -> BoxFuture<'_, Answer<Vec<Service>>> {
        self.registry.get(name)
    }

    fn list(&self) -> BoxFuture<'_, Answer<Vec<Service>>> {
        self.registry.list()
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Answer<Box<dyn Watch>>> {
        self.registry.watch(scope)
    }
}

type Answer<T> = Result<T, RegistryError>;

#[actix::test]
async fn the_first_event_waits_until_the_registry_knows_all_who_were_there_before() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let complete = Instant::now() + Duration::from_millis(300);
    let gradual = Gradual { registry: registry.clone(), complete };
    let parts = NodeParts { registry: Arc::new(gradual), ..client(&registry, &network, "p") };
    let publisher = start(parts).await.unwrap();
    let (first, second) = (
        start(server(&registry, &network, "a")).await.unwrap(),
        start(server(&registry, &network, "b")).await.unwrap(),
    );
    let interest = || Interest::new("user.created");
    let _one = first.broker().subscribe(interest(), Arc::new(acknowledge)).await.unwrap();
    let (john, timeout) = event("John");
    let publishing = publisher.broker().publisher("user.created").publish(john, timeout);
    // What is told of the second one takes its time.
    let late = async {
        sleep(Duration::from_millis(200)).await;
        second.broker().subscribe(interest(), Arc::new(acknowledge)).await.unwrap()
    };
    let (published, _other) = tokio::join!(publishing, late);
    assert_eq!(published.unwrap().acknowledged, 2);
    assert!(Instant::now() >= complete);
    // From then on nothing is waited for.
    let (jane, timeout) = event("Jane");
    let before = Instant::now();
    let again = publisher.broker().publisher("user.created").publish(jane, timeout);
    assert_eq!(again.await.unwrap().acknowledged, 2);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

/// Another form, in which everything is loud.
fn loud() -> &'static OtherForm {
    let convert = |body: &[u8]| Ok(Bytes::from(body.to_ascii_uppercase()));
    Box::leak(Box::new(OtherForm::new(TYPES[1], convert)))
}

/// A subscriber that refuses what was written with these types, and notes the rest.
fn picky(refuses: Option<u64>, heard: &Arc<Mutex<Vec<Bytes>>>) -> Arc<dyn EventSink> {
    let heard = Arc::clone(heard);
    Arc::new(move |delivery: Delivery| {
        if refuses.is_some() && delivery.event.types == refuses {
            return delivery.acknowledger.refuse(Refusal::OtherTypes);
        }
        heard.lock().unwrap().push(delivery.event.body);
        delivery.acknowledger.acknowledge();
    })
}

#[actix::test]
async fn an_event_is_sent_in_the_form_that_the_record_or_the_subscriber_asks_for() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let publisher = start(client(&registry, &network, "p")).await.unwrap();
    let interest = || Interest::new("user.created");
    // The record tells of the same types, of others, of none; the last one finds out by itself.
    let subscribers =
        [("a", Some(1), None), ("b", Some(2), None), ("c", None, None), ("d", None, Some(1))];
    let mut own = Vec::new();
    for (id, types, refuses) in subscribers {
        let node = start(server(&registry, &network, id)).await.unwrap();
        let heard = Arc::default();
        let sink = picky(refuses, &heard);
        let subscribed = node.broker().subscribe(interest().types(types), sink).await.unwrap();
        own.push((node, heard, subscribed));
    }
    let topic = publisher.broker().publisher("user.created");
    let event = EncodedEvent { types: Some(1), ..EncodedEvent::new("text/plain; types=1", "John") };
    let patience = Duration::from_secs(5);
    // Twice, as the second time it is known what was learnt the first time.
    for _ in 0..2 {
        let event = EncodedEvent { other: Some(loud()), ..event.clone() };
        let told = topic.clone().publish(event, patience).await.unwrap();
        assert_eq!(told, Published { acknowledged: 4, ..Published::default() });
    }
    let told = own.iter().map(|(_, heard, _)| heard.lock().unwrap().clone());
    let expected = ["John", "JOHN", "John", "JOHN"].map(|text| vec![Bytes::from(text); 2]);
    assert!(told.eq(expected), "{:?}", own.iter().map(|one| &one.1).collect::<Vec<_>>());
    // Without another form who cannot read it refuses it.
    let told = topic.clone().publish(event, patience).await.unwrap();
    assert_eq!(told, Published { acknowledged: 3, failed: 0, refused: 1 });
}

#[actix::test]
async fn the_only_group_is_asked_member_by_member_and_each_in_its_own_form() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let publisher = start(client(&registry, &network, "p")).await.unwrap();
    let interest = || Interest::new("user.created").group("mailer");
    let mut own = Vec::new();
    for (id, refuses) in [("a", None), ("b", Some(1)), ("c", Some(1))] {
        let node = start(server(&registry, &network, id)).await.unwrap();
        let heard = Arc::default();
        let subscribed = node.broker().subscribe(interest(), picky(refuses, &heard)).await.unwrap();
        own.push((node, heard, subscribed));
    }
    let topic = publisher.broker().publisher("user.created");
    let event = EncodedEvent { types: Some(1), ..EncodedEvent::new("text/plain; types=1", "John") };
    let patience = Duration::from_secs(5);
    for _ in 0..9 {
        let event = EncodedEvent { other: Some(loud()), ..event.clone() };
        assert_eq!(topic.clone().publish(event, patience).await.unwrap(), ONE);
    }
    let heard = |index: usize| own[index].1.lock().unwrap().clone();
    assert_eq!([0, 1, 2].map(|index| heard(index).len()), [3, 3, 3], "they take turns");
    assert!(heard(1).iter().chain(&heard(2)).all(|body| body == "JOHN"));
    // Two do not take it like this, so that it is the third one's, whoever's turn it is.
    for _ in 0..9 {
        assert_eq!(topic.clone().publish(event.clone(), patience).await.unwrap(), ONE);
    }
    assert_eq!([0, 1, 2].map(|index| heard(index).len()), [12, 3, 3]);
    // Nor does anybody who is gone.
    network.partition("p", "a");
    for _ in 0..10 {
        if topic.clone().publish(event.clone(), patience).await.unwrap().failed == 0 {
            break;
        }
    }
    for _ in 0..9 {
        let refused = Published { refused: 1, ..Published::default() };
        assert_eq!(topic.clone().publish(event.clone(), patience).await.unwrap(), refused);
    }
    let event = EncodedEvent { other: Some(loud()), ..event };
    assert_eq!(topic.clone().publish(event, patience).await.unwrap(), ONE);
}
