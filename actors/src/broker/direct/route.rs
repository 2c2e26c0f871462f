//! Where the events of one topic go.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Directory, Mailbox, Subscriber};
use crate::broker::{BrokerHome, BrokerPlace};
use crate::client::{DirectNode, RemoteService};
use crate::registry::NodeInfo;
use crate::selector::Snapshot;

/// The subscribers of a topic on other nodes; made anew when one comes or goes.
#[derive(Default)]
pub(super) struct Route {
    /// What it was made from; held, so that another one cannot come to the same address.
    sources: Vec<Arc<Snapshot>>,
    /// Nodes with subscribers that belong to no group.
    pub(super) ungrouped: Vec<Arc<Stop>>,
    pub(super) groups: Vec<Group>,
}

/// A queue group and its members on other nodes.
pub(super) struct Group {
    pub(super) name: Arc<str>,
    members: Vec<Stop>,
    next: AtomicUsize,
}

/// Where an event is brought.
pub(super) struct Stop {
    pub(super) node: Arc<NodeInfo>,
    pub(super) way: Way,
}

/// How it gets there.
pub(super) enum Way {
    Native(DirectNode),
    Foreign,
}

impl Route {
    /// Whether the nodes of the services are still those that it was made from.
    pub(super) fn is_current(&self, services: &[Arc<RemoteService>]) -> bool {
        let is_same = |(own, service): (&Arc<Snapshot>, &Arc<RemoteService>)| {
            // A service that has lost all its nodes is asked for again.
            let is_used = !own.candidates().is_empty();
            is_used && service.nodes().is_some_and(|nodes| Arc::ptr_eq(&nodes.load(), own))
        };
        self.sources.len() == services.len() && self.sources.iter().zip(services).all(is_same)
    }

    /// The only node that subscribes, if it is still so.
    pub(super) fn only(&self, services: &[Arc<RemoteService>]) -> Option<&Arc<Stop>> {
        match (&self.ungrouped[..], &self.groups[..]) {
            ([stop], []) if self.is_current(services) => Some(stop),
            _ => None,
        }
    }

    /// Whether the group has members on other nodes.
    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| *group.name == *name)
    }

    /// Reads who subscribes; this node's own subscribers are left out, as they are known here.
    pub(super) fn new(
        (home, place): (&BrokerHome, Option<&BrokerPlace>),
        directory: &dyn Directory,
        topic: &str,
        sources: Vec<Arc<Snapshot>>,
    ) -> Self {
        let mut route = Self::default();
        let mut known = HashSet::new();
        for candidate in sources.iter().flat_map(|snapshot| snapshot.candidates()) {
            let node = candidate.node();
            let Some(subscriber) = directory.subscriber(topic, candidate.version(), node) else {
                continue;
            };
            let Subscriber { group, mailbox, key } = subscriber;
            let is_own = place.is_some_and(|place| {
                node.address == place.node.address && is_named_after(node, &place.node)
            });
            if is_own || !known.insert((group.clone(), key)) {
                continue;
            }
            let way = match mailbox {
                Mailbox::Native => Way::Native(home.caller.node(&node.address)),
                Mailbox::Foreign => Way::Foreign,
            };
            route.add(group, Stop { node: Arc::new(node.clone()), way });
        }
        route.sources = sources;
        route
    }

    fn add(&mut self, group: Option<Arc<str>>, stop: Stop) {
        let Some(name) = group else { return self.ungrouped.push(Arc::new(stop)) };
        if let Some(group) = self.groups.iter_mut().find(|known| known.name == name) {
            return group.members.push(stop);
        }
        let (members, next) = (vec![stop], AtomicUsize::new(rand::random_range(0..256)));
        self.groups.push(Group { name, members, next });
    }
}

/// Whether a record is one of those that a node announces for its subscribers.
fn is_named_after(record: &NodeInfo, node: &NodeInfo) -> bool {
    record.id.contains(node.id.as_str())
}

impl Group {
    /// The members, the one whose turn it is first.
    pub(super) fn members(&self) -> impl Iterator<Item = &Stop> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.members.len().max(1);
        let (before, after) = self.members.split_at(first);
        after.iter().chain(before)
    }
}
