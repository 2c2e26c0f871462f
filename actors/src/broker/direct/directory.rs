//! How subscriptions are written in the registry.

use std::fmt;
use std::sync::Arc;

use super::{BROADCAST, TOPIC_PREFIX};
use crate::broker::Interest;
use crate::registry::{EndpointInfo, NodeInfo, Service};

/// How subscriptions are written in the registry, and how such records are read.
pub trait Directory: Send + Sync + 'static {
    /// The services whose nodes are the subscribers of a topic, perhaps among others.
    fn services(&self, topic: &str) -> Vec<String>;

    /// What the node announces for an interest; `number` differs between all that it announces.
    fn records(&self, interest: &Interest, node: &NodeInfo, number: u64) -> Vec<Service>;

    /// Who a node of such a service is to publishers of the topic; none if it is of no use to them.
    fn subscriber(&self, topic: &str, version: &str, node: &NodeInfo) -> Option<Subscriber>;
}

/// A record of a subscriber, as a publisher sees it.
///
/// ```
/// use callboard_actors::broker::{DirectDirectory, Directory, Mailbox};
/// use callboard_actors::registry::NodeInfo;
///
/// let node = NodeInfo::new("mailer-1.0", "127.0.0.1:9000").label("broker", "direct");
/// let subscriber = DirectDirectory.subscriber("user.created", "mailer", &node).unwrap();
/// assert_eq!(subscriber.mailbox, Mailbox::Native);
/// assert_eq!(subscriber.group.as_deref(), Some("mailer"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Its queue group.
    pub group: Option<Arc<str>>,
    /// Where events for it go.
    pub mailbox: Mailbox,
    /// Records with the same key in the same group are one subscriber.
    pub key: String,
}

/// Where events for a subscriber go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mailbox {
    /// To the desk of its node.
    Native,
    /// Where the broker's [courier](super::Courier) brings them.
    Foreign,
}

/// Writes a topic as a service and a queue group as its version.
///
/// In a written list, where nodes have no labels, no version stands for no group.
///
/// The example is at [`Subscriber`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectDirectory;

impl Directory for DirectDirectory {
    fn services(&self, topic: &str) -> Vec<String> {
        vec![format!("{TOPIC_PREFIX}{topic}")]
    }

    fn records(&self, interest: &Interest, node: &NodeInfo, number: u64) -> Vec<Service> {
        let version = interest.group.as_deref().unwrap_or(BROADCAST);
        let mut own = node.clone();
        // Registries know a node by its id alone, and this one is announced as a service too.
        own.id = format!("{}.{number}", node.id);
        own.metadata.insert(LABEL.into(), super::NAME.into());
        let name = format!("{TOPIC_PREFIX}{}", interest.topic);
        vec![Service::new(name, version).node(own)]
    }

    fn subscriber(&self, _: &str, version: &str, node: &NodeInfo) -> Option<Subscriber> {
        // A written list has no labels; Go Micro's records do.
        let is_written = node.metadata.is_empty();
        let is_ours = node.metadata.get(LABEL).is_some_and(|broker| broker == super::NAME);
        let is_ungrouped = version == BROADCAST || is_written && version.is_empty();
        (is_ours || is_written).then(|| Subscriber {
            group: (!is_ungrouped).then(|| version.into()),
            mailbox: Mailbox::Native,
            key: node.address.clone(),
        })
    }
}

/// Writes down as what types a subscriber reads events.
pub(super) fn note_types(node: &mut NodeInfo, types: Option<u64>) {
    match types {
        Some(types) => node.metadata.insert(TYPES.into(), format!("{types:016x}")),
        // A label of the node's own is not about its events.
        None => node.metadata.remove(TYPES),
    };
}

/// As what types a subscriber reads events, if its record tells.
pub(super) fn noted_types(node: &NodeInfo) -> Option<u64> {
    u64::from_str_radix(node.metadata.get(TYPES)?, 16).ok()
}

impl fmt::Debug for dyn Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

/// The label that says which broker brings events to a node.
const LABEL: &str = "broker";

/// The label of the fingerprint of the types as which a subscriber reads events; the same as that of
/// an endpoint.
const TYPES: &str = EndpointInfo::FINGERPRINT;
