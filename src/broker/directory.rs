//! How subscriptions of Go Micro's HTTP broker are written in the registry, and read.
//!
//! | | 2016 | today |
//! |---|---|---|
//! | service | `topic:` and the topic | `micro.http.broker` |
//! | version | the queue, or `ff.http.broadcast` | the same |
//! | labels | `secure` | `secure`, `broker` = `http`, `topic` |
//!
//! Pure.

use std::sync::Arc;

use callboard_actors::broker::{
    BROADCAST, DirectDirectory, Directory, Interest, Mailbox, Subscriber, TOPIC_PREFIX,
};
use callboard_actors::registry::{NodeInfo, Service};

use crate::codec::Generation;

/// Announces each subscription as both generations do.
pub(super) struct GoMicroDirectory;

impl Directory for GoMicroDirectory {
    fn services(&self, topic: &str) -> Vec<String> {
        vec![format!("{TOPIC_PREFIX}{topic}"), SERVICE.to_owned()]
    }

    fn records(&self, interest: &Interest, node: &NodeInfo, number: u64) -> Vec<Service> {
        let topic = &*interest.topic;
        let version = interest.group.as_deref().unwrap_or(BROADCAST);
        let own = format!("{}.{number}", node.id);
        // Both are one subscriber to a publisher that sees both.
        let early = NodeInfo::new(format!("broker-{own}"), &node.address).label(OWN, &own);
        let current = NodeInfo::new(format!("{topic}-{own}"), &node.address).label(OWN, own);
        let current = current.label(BROKER, HTTP).label(TOPIC, topic);
        let record = |service: String, record: NodeInfo| {
            let incarnation = node.incarnation;
            let record = NodeInfo { incarnation, ..record }.label(SECURE, "false");
            Service::new(service, version).node(record)
        };
        vec![record(format!("{TOPIC_PREFIX}{topic}"), early), record(SERVICE.to_owned(), current)]
    }

    fn subscriber(&self, topic: &str, version: &str, node: &NodeInfo) -> Option<Subscriber> {
        if let Some(direct) = DirectDirectory.subscriber(topic, version, node) {
            return Some(direct);
        }
        // There is no encryption yet.
        let is_plain = node.metadata.get(SECURE).is_none_or(|secure| secure != "true");
        let is_meant = node.metadata.get(TOPIC).is_none_or(|own| own == topic);
        (is_plain && is_meant).then(|| Subscriber {
            group: (version != BROADCAST).then(|| Arc::from(version)),
            mailbox: Mailbox::Foreign,
            key: node.metadata.get(OWN).unwrap_or(&node.id).clone(),
        })
    }
}

/// The generation that a subscriber's record is of.
pub(super) fn generation(node: &NodeInfo) -> Generation {
    let is_current = node.metadata.get(BROKER).is_some_and(|broker| broker == HTTP);
    if is_current { Generation::Current } else { Generation::Early }
}

/// Whether a subscriber is one of callboard's, which reads whatever callboard writes.
pub(super) fn is_ours(node: &NodeInfo) -> bool {
    node.metadata.contains_key(OWN)
}

/// The service of all subscribers today.
const SERVICE: &str = "micro.http.broker";

const BROKER: &str = "broker";
const HTTP: &str = "http";
const SECURE: &str = "secure";
const TOPIC: &str = "topic";

/// The label that tells that two records are of one subscription.
const OWN: &str = "callboard-subscription";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_announced_as_both_generations_do() {
        let node = NodeInfo::new("mailer-1", "127.0.0.1:9311");
        let interest = Interest::new("gm.topic").group("workers");
        let records = GoMicroDirectory.records(&interest, &node, 3);
        let names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
        assert_eq!(names, GoMicroDirectory.services("gm.topic"));
        let own = |index: usize| &records[index].nodes[0];
        assert_eq!(own(0).id, "broker-mailer-1.3");
        assert_eq!(own(0).metadata["secure"], "false");
        assert_eq!(own(1).id, "gm.topic-mailer-1.3");
        assert_eq!((&*own(1).metadata["broker"], &*own(1).metadata["topic"]), ("http", "gm.topic"));
        assert!(records.iter().all(|record| record.version == "workers"));
        let read =
            |index: usize| GoMicroDirectory.subscriber("gm.topic", "workers", own(index)).unwrap();
        assert_eq!(read(0), read(1), "one subscriber");
        assert_eq!(
            (generation(own(0)), generation(own(1))),
            (Generation::Early, Generation::Current)
        );
        assert_eq!(GoMicroDirectory.subscriber("another", "workers", own(1)), None);
    }

    #[test]
    fn what_go_micro_and_the_direct_broker_announce_is_read() {
        let early = NodeInfo::new("broker-1.2", "127.0.0.1:9311").label("secure", "false");
        let read = |version, node: &NodeInfo| GoMicroDirectory.subscriber("t", version, node);
        let subscriber = read(BROADCAST, &early).unwrap();
        assert_eq!((subscriber.group, subscriber.mailbox), (None, Mailbox::Foreign));
        let encrypted = early.clone().label("secure", "true");
        assert_eq!(read(BROADCAST, &encrypted), None);
        let native = NodeInfo::new("a.1", "127.0.0.1:1").label("broker", "direct");
        assert_eq!(read("q", &native).unwrap().mailbox, Mailbox::Native);
    }
}
