//! The workload of publish and subscribe: echoes that nobody sends back.

use std::time::Duration;

use callboard::config::RegistryKind;
use callboard::prelude::*;
use callboard::{SystemBuilder, TopicRef};

use crate::echo::Echo;

/// What is published.
#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "echo")]
pub struct Said(pub Echo);

/// The service that stands for the topic, in lists of the registry `static`.
pub const SERVICE: &str = "topic:echo";

/// Acknowledges what it hears.
#[derive(Debug, Default)]
pub struct Listener;

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event<Said>> for Listener {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Said>, _: &mut Context<Self>) -> Self::Result {
        if event.0.text.is_empty() { Err(Status::bad_request("echo", "empty")) } else { Ok(()) }
    }
}

/// A queue group; in those lists its members are under the topic's name, `@`, and this.
pub const GROUP: &str = "listeners";

/// Adds so many subscribers to a system, members of a group or not.
pub fn subscribers(system: SystemBuilder, count: usize, group: Option<&str>) -> SystemBuilder {
    (0..count).fold(system, |system, _| {
        system.handler(Listener::default, |handler| {
            let handler = handler.event::<Said>();
            match group {
                Some(group) => handler.group(group),
                None => handler,
            }
        })
    })
}

/// Starts a node with so many subscribers, as [`subscribers`] adds them, on the present arbiter.
///
/// # Panics
/// When it cannot be started.
pub async fn node(count: usize, group: Option<&str>) -> ServiceSystem {
    let system = ServiceSystem::new("listener").without_environment().configure(|config| {
        config.registry = RegistryKind::Memory;
        // A list tells where it is, not the registry.
        config.settle_time = Duration::ZERO;
    });
    subscribers(system, count, group).start().await.expect("the subscriber starts")
}

/// The publisher's list of these nodes.
pub fn list<'a>(nodes: impl IntoIterator<Item = &'a ServiceSystem>) -> String {
    let addresses: Vec<_> = nodes.into_iter().map(|system| system.node().address.clone()).collect();
    addresses.join(",")
}

/// Publishes an event.
///
/// # Panics
/// When not all of so many subscribers acknowledge it.
pub async fn publish(topic: &TopicRef<Said>, echo: Echo, subscribers: usize) {
    let published = topic.publish(&Said(echo)).await.expect("it can be published");
    let all = published.acknowledged as usize == subscribers && published.is_complete();
    assert!(all, "of {subscribers} subscribers {published:?}");
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[actix::test]
    async fn an_event_is_acknowledged_by_every_subscriber_and_one_of_a_group() {
        let nodes = [node(1, None).await, node(2, None).await];
        let group = [node(1, Some(GROUP)).await, node(1, Some(GROUP)).await];
        let (addresses, members) = (list(&nodes), list(&group));
        let publisher = ServiceSystem::new("speaker")
            .without_environment()
            .configure(|config| {
                config.registry = RegistryKind::Static;
                config.registry_address =
                    Some(format!("{SERVICE}={addresses};{SERVICE}@{GROUP}={members}"));
            })
            .start();
        let publisher = publisher.await.unwrap();
        let topic = publisher.topic::<Said>();
        timeout(PATIENCE, publish(&topic, Echo::new(1), 4)).await.unwrap();
        publisher.stop().await;
    }

    const PATIENCE: Duration = Duration::from_secs(20);
}
