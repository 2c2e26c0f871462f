//! Where the events of one topic go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::directory::noted_types;
use super::{Directory, Mailbox, Subscriber};
use crate::broker::{BrokerHome, BrokerPlace, EncodedEvent};
use crate::client::{DirectNode, RemoteService};
use crate::registry::NodeInfo;
use crate::selector::Snapshot;

/// The subscribers of a topic on other nodes; made anew when one comes or goes.
#[derive(Default)]
pub(super) struct Route {
    /// What it was made from; held, so that another one cannot come to the same address.
    sources: Vec<Arc<Snapshot>>,
    /// Nodes with subscribers that belong to no group.
    pub(super) ungrouped: Vec<Stop>,
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
    /// As what types the subscribers there read events, as far as their records tell.
    types: Vec<u64>,
}

/// Where all events go, when that is one place.
pub(super) enum Only<'a> {
    /// To the subscribers without a group on a node.
    Node(&'a Stop),
    /// To one member of a group.
    Group(&'a Group),
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
            let is_used = !own.is_empty();
            is_used && service.nodes().is_some_and(|nodes| Arc::ptr_eq(&nodes.load(), own))
        };
        self.sources.len() == services.len() && self.sources.iter().zip(services).all(is_same)
    }

    /// The only node, or group, that subscribes, if it is still so.
    pub(super) fn only(&self, services: &[Arc<RemoteService>]) -> Option<Only<'_>> {
        let only = match (&self.ungrouped[..], &self.groups[..]) {
            ([stop], []) => Only::Node(stop),
            ([], [group]) => Only::Group(group),
            _ => return None,
        };
        self.is_current(services).then_some(only)
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
        let mut known = HashMap::new();
        let mut stops: Vec<(Option<Arc<str>>, Stop)> = Vec::new();
        for candidate in sources.iter().flat_map(|snapshot| snapshot.candidates()) {
            let node = candidate.node();
            let Some(subscriber) = directory.subscriber(topic, candidate.version(), node) else {
                continue;
            };
            let Subscriber { group, mailbox, key } = subscriber;
            let is_own = place.is_some_and(|place| {
                node.address == place.node.address && is_named_after(node, &place.node)
            });
            if is_own {
                continue;
            }
            let index = *known.entry((group.clone(), key)).or_insert(stops.len());
            if index == stops.len() {
                let way = match mailbox {
                    Mailbox::Native => Way::Native(home.caller.node(&node.address)),
                    Mailbox::Foreign => Way::Foreign,
                };
                stops.push((group, Stop { node: Arc::new(node.clone()), way, types: Vec::new() }));
            }
            // Several records of one place: its subscribers read with different types.
            stops[index].1.types.extend(noted_types(node));
        }
        for (group, stop) in stops {
            route.add(group, stop);
        }
        route.sources = sources;
        route
    }

    fn add(&mut self, group: Option<Arc<str>>, stop: Stop) {
        let Some(name) = group else { return self.ungrouped.push(stop) };
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
    /// Whose turn it is; there is always one.
    pub(super) fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % self.members.len()
    }

    /// Takes a turn back that was not used, so that it is the same member's again.
    pub(super) fn give_back(&self) {
        self.next.fetch_sub(1, Ordering::Relaxed);
    }

    /// The members, the one whose turn it is first.
    pub(super) fn members(&self, turn: usize) -> impl Iterator<Item = &Stop> {
        let (before, after) = self.members.split_at(turn);
        after.iter().chain(before)
    }
}

impl Stop {
    /// Whether somebody there is known to need an event's other form.
    pub(super) fn needs_other_form(&self, event: &EncodedEvent) -> bool {
        event.other.is_some() && self.types.iter().any(|types| event.is_misread_as(*types))
    }
}
