//! One version of a service as it is kept: its nodes in order, shared between copies.
//!
//! Pure.

use std::fmt;
use std::sync::Arc;

use super::{NodeInfo, Service};
use crate::sorted::{Difference, Keyed, Sorted};

/// One version of a service and its nodes, in the order of their ids.
///
/// Copies share what they have in common, so that copying is cheap, and so is telling what differs
/// between a copy and what became of it.
///
/// ```
/// use callboard_actors::registry::{NodeInfo, Service, VersionView};
///
/// let service = Service::new("greeter", "1").node(NodeInfo::new("greeter-1", "127.0.0.1:9000"));
/// let version = VersionView::from(service.clone());
/// assert_eq!(version.node("greeter-1").map(|node| &*node.address), Some("127.0.0.1:9000"));
/// assert_eq!(version, service);
/// ```
#[derive(Clone)]
pub struct VersionView {
    service: Arc<Service>,
    nodes: Sorted<Arc<NodeInfo>>,
}

impl VersionView {
    /// Name, version, metadata and endpoints: the record without nodes.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Its nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<NodeInfo>> {
        self.nodes.iter()
    }

    /// How many nodes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of an id.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<&Arc<NodeInfo>> {
        self.nodes.find(id)
    }

    /// The whole as a record; copies every node.
    #[must_use]
    pub fn record(&self) -> Service {
        self.of_nodes(self.nodes())
    }

    /// A record of these nodes.
    pub(super) fn of_nodes<'a>(
        &self,
        nodes: impl IntoIterator<Item = &'a Arc<NodeInfo>>,
    ) -> Service {
        let nodes = nodes.into_iter().map(|node| NodeInfo::clone(node)).collect();
        Service { nodes, ..Service::clone(&self.service) }
    }

    /// The same without the nodes beyond the first `most`.
    pub(crate) fn truncated(&self, most: usize) -> Self {
        let nodes = Sorted::from_ordered(self.nodes.iter().take(most).cloned());
        Self { service: Arc::clone(&self.service), nodes }
    }

    /// Takes over the nodes of a record, and what else it says.
    pub(super) fn put(&mut self, mut record: Service) {
        for node in std::mem::take(&mut record.nodes) {
            if self.nodes.find(&node.id).is_none_or(|known| **known != node) {
                self.nodes.put(Arc::new(node));
            }
        }
        if *self.service != record {
            self.service = Arc::new(record);
        }
    }

    /// Adds the nodes of another version.
    pub(super) fn join(&mut self, other: &Self) {
        for node in other.nodes.iter() {
            self.nodes.put(Arc::clone(node));
        }
    }

    /// Takes a node out.
    pub(super) fn take(&mut self, id: &str) {
        self.nodes.take(id);
    }

    /// How its nodes differ from those of another version; without a look at what both share.
    pub(crate) fn differences_from<'a>(
        &'a self,
        before: &'a Self,
    ) -> Vec<Difference<'a, Arc<NodeInfo>>> {
        self.nodes.differences_from(&before.nodes, |old, new| Arc::ptr_eq(old, new) || old == new)
    }

    /// Whether name, version, metadata and endpoints are those of the other.
    pub(crate) fn has_service_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.service, &other.service) || self.service == other.service
    }

    /// Whether it is a copy of the other in which nothing was changed.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.service, &other.service) && self.nodes.is_copy_of(&other.nodes)
    }
}

impl Keyed for Arc<NodeInfo> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// Of several nodes with one id the last one counts.
impl From<Service> for VersionView {
    fn from(mut service: Service) -> Self {
        let mut nodes: Vec<_> =
            std::mem::take(&mut service.nodes).into_iter().map(Arc::new).collect();
        if !nodes.is_sorted_by(|one, other| one.id < other.id) {
            // Stable, so that the last of equals is the one that came last.
            nodes.reverse();
            nodes.sort_by(|one, other| one.id.cmp(&other.id));
            nodes.dedup_by(|one, other| one.id == other.id);
        }
        Self { service: Arc::new(service), nodes: Sorted::from_ordered(nodes) }
    }
}

impl PartialEq for VersionView {
    fn eq(&self, other: &Self) -> bool {
        self.has_service_of(other) && self.differences_from(other).is_empty()
    }
}

impl Eq for VersionView {}

impl PartialEq<Service> for VersionView {
    fn eq(&self, other: &Service) -> bool {
        self.record() == *other
    }
}

impl fmt::Debug for VersionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_nodes_with_one_id_the_last_one_counts() {
        let node = |id: &str, address: &str| NodeInfo::new(id, address);
        let service = Service::new("greeter", "1");
        let messy = service.clone().node(node("b", "1")).node(node("a", "1")).node(node("b", "2"));
        let tidy = service.node(node("a", "1")).node(node("b", "2"));
        assert_eq!(VersionView::from(messy), tidy);
    }

    #[test]
    fn what_is_equal_stays_as_it_was() {
        let service = Service::new("greeter", "1").node(NodeInfo::new("a", "1"));
        let mut version = VersionView::from(service.clone());
        let before = version.clone();
        version.put(service);
        assert!(version.is_copy_of(&before));
    }
}
