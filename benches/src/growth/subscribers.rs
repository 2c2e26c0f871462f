//! Subscribers: what an event costs that all of them acknowledge.
//!
//! Publisher and subscribers share a process and a thread, so that the cost is that of all sides;
//! with the broker `direct` they talk over TCP, and each node has a connection.

use std::time::{Duration, Instant};

use callboard::TopicRef;
use callboard::actors::broker::MemoryBroker;
use callboard::config::RegistryKind;
use callboard::prelude::*;

use super::Subject;
use super::series::FOR_ALL;
use crate::alone::Alone;
use crate::echo::Echo;
use crate::figure::Figure;
use crate::micro::rounds::{Way, figures, interleave};
use crate::topic::{self, Said};

/// One to a thousand.
pub const SUBJECT: Subject = Subject { name: "subscribers", sizes: &[1, 10, 100, 1_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    let runner = actix_rt::System::new();
    let subscribers = usize::try_from(count).expect("a number of actors");
    let all = runner.block_on(Publishers::start(subscribers));
    let way = |name: &str, publisher: &ServiceSystem| {
        let (runner, topic) = (&runner, publisher.topic::<Said>());
        Way::new(name, move || runner.block_on(publish(&topic, subscribers)))
    };
    let ways = vec![
        way("an event, each on a node of its own", &all.apart),
        way("an event, all on one node", &all.together),
        way("an event, all in the publisher's process", &all.within),
    ];
    let samples = interleave(ROUNDS, ways);
    let mut figures = figures("subscribers", ("subscribers", count), &samples);
    for figure in &mut figures {
        figure.unit.push_str(FOR_ALL);
    }
    figures
}

/// An event to subscribers that have a node each, alone.
pub(super) fn alone(alone: &Alone) -> Figure {
    let runner = actix_rt::System::new();
    let subscribers = usize::try_from(alone.size).expect("a number of actors");
    let (nodes, publisher) = runner.block_on(async {
        let nodes = nodes(subscribers).await;
        let publisher = publisher(&topic::list(&nodes)).await;
        (nodes, publisher)
    });
    let topic = publisher.topic::<Said>();
    let figure = alone.repeat(|| runner.block_on(publish(&topic, subscribers)));
    drop(nodes);
    figure
}

/// So many, with a subscriber each.
async fn nodes(count: usize) -> Vec<ServiceSystem> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(topic::node(1, None).await);
    }
    nodes
}

/// Nanoseconds per event. As many are published as make sense for so many subscribers, not as many
/// as fit a time: of those that take long none or two would.
async fn publish(topic: &TopicRef<Said>, subscribers: usize) -> f64 {
    // The connections are there afterwards.
    topic::publish(topic, Echo::new(0), subscribers).await;
    let (begun, each) = (Instant::now(), (DELIVERIES / subscribers as u64).clamp(5, 500));
    let publishers: Vec<_> = (0..UNDER_WAY)
        .map(|_| {
            let topic = topic.clone();
            actix_rt::spawn(async move {
                for id in 0..each {
                    topic::publish(&topic, Echo::new(id), subscribers).await;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no publisher panics");
    }
    begun.elapsed().as_nanos() as f64 / (UNDER_WAY * each) as f64
}

/// Who publishes to as many subscribers each.
struct Publishers {
    apart: ServiceSystem,
    together: ServiceSystem,
    within: ServiceSystem,
    /// They live as long as whoever publishes to them.
    _nodes: Vec<ServiceSystem>,
}

impl Publishers {
    async fn start(count: usize) -> Self {
        let mut nodes = nodes(count).await;
        let apart = publisher(&topic::list(&nodes)).await;
        let node = topic::node(count, None).await;
        let together = publisher(&topic::list([&node])).await;
        nodes.push(node);
        let within = ServiceSystem::new("speaker")
            .without_environment()
            .configure(|config| config.registry = RegistryKind::Memory)
            .broker(MemoryBroker::new());
        let within = topic::subscribers(within, count, None).start().await.expect(STARTS);
        Self { apart, together, within, _nodes: nodes }
    }
}

async fn publisher(addresses: &str) -> ServiceSystem {
    let list = format!("{}={addresses}", topic::SERVICE);
    ServiceSystem::new("speaker")
        .without_environment()
        .timeout(Duration::from_secs(60))
        .configure(|config| {
            config.registry = RegistryKind::Static;
            config.registry_address = Some(list);
        })
        .start()
        .await
        .expect(STARTS)
}

const STARTS: &str = "the publisher starts";

/// Events at once; with one, waiting would be measured.
const UNDER_WAY: u64 = 4;

/// Deliveries of each of them, more or less.
const DELIVERIES: u64 = 5_000;

const ROUNDS: usize = 5;
