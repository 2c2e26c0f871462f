//! What is believed about one service while its registry comes and goes.
//!
//! Pure.

use std::collections::HashSet;

use crate::registry::{Change, NodeInfo, Service, merge};

/// What the registry says, and the nodes it no longer mentions but may again.
///
/// A registry that was away may have lost its leases; live nodes register again within a third of
/// the TTL. So a node that is missing after a gap is *kept* until it is seen, until it is known to
/// be gone, or until [`end_grace`](Self::end_grace). It is known to be gone when a `Deleted`
/// names it, or names no node at all of its version, and when another node took its id or address.
/// An `Updated` that does not mention a kept node proves nothing: the others may just have been
/// faster.
#[derive(Debug, Clone, Default)]
pub(super) struct LastGood {
    confirmed: Vec<Service>,
    kept: Vec<Service>,
}

impl LastGood {
    /// Creates one that knows `versions` from before.
    pub(super) fn remembered(versions: Vec<Service>) -> Self {
        Self { confirmed: versions, kept: Vec::new() }
    }

    /// Takes over a change of `service`; `healing` when it is the first after a gap.
    pub(super) fn apply(&mut self, service: &str, change: Change, healing: bool) {
        let believed = if healing { self.versions() } else { Vec::new() };
        match change {
            Change::Resync(all) => self.confirmed = all,
            Change::Created(one) | Change::Updated(one) => {
                self.confirmed.retain(|known| !known.is_same_version(&one));
                self.confirmed.push(one);
            }
            Change::Deleted(one) => {
                self.confirmed.retain(|known| !known.is_same_version(&one));
                self.bury(&one);
            }
        }
        self.confirmed = normalise(service, std::mem::take(&mut self.confirmed));
        if healing {
            self.kept = believed;
        }
        self.drop_seen();
    }

    /// Gives up the nodes that have not come back.
    pub(super) fn end_grace(&mut self) {
        self.kept.clear();
    }

    /// Whether nodes are kept that the registry does not mention.
    pub(super) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// What is believed: versions and nodes in a fixed order, no version without a node.
    pub(super) fn versions(&self) -> Vec<Service> {
        let mut versions = self.confirmed.clone();
        for kept in &self.kept {
            match versions.iter_mut().find(|version| version.is_same_version(kept)) {
                Some(version) => version.nodes.extend(kept.nodes.iter().cloned()),
                None => versions.push(kept.clone()),
            }
        }
        sort(&mut versions);
        versions
    }

    fn bury(&mut self, deleted: &Service) {
        for kept in self.kept.iter_mut().filter(|kept| kept.is_same_version(deleted)) {
            let named = |node: &NodeInfo| deleted.nodes.iter().any(|other| other.id == node.id);
            kept.nodes.retain(|node| !deleted.nodes.is_empty() && !named(node));
        }
    }

    fn drop_seen(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let seen = || self.confirmed.iter().flat_map(|version| &version.nodes);
        let ids: HashSet<_> = seen().map(|node| node.id.as_str()).collect();
        let addresses: HashSet<_> = seen().map(|node| node.address.as_str()).collect();
        for kept in &mut self.kept {
            kept.nodes.retain(|node| {
                !ids.contains(node.id.as_str()) && !addresses.contains(node.address.as_str())
            });
        }
        self.kept.retain(|kept| !kept.nodes.is_empty());
    }
}

/// Merges duplicates, drops what is of another name or without nodes, and sorts.
fn normalise(service: &str, versions: Vec<Service>) -> Vec<Service> {
    let mut merged = Vec::with_capacity(versions.len());
    for version in versions {
        if version.name == service && !version.nodes.is_empty() {
            merge(&mut merged, version);
        }
    }
    sort(&mut merged);
    merged
}

/// Registries list in any order; equal views must compare equal.
fn sort(versions: &mut [Service]) {
    versions.sort_by(|a, b| a.version.cmp(&b.version));
    for version in versions {
        version.nodes.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_missing_after_a_gap_is_kept_until_the_grace_ends() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![]), true);
        assert_eq!(good.versions(), [version("1", &["a", "b"])]);
        assert!(good.keeps());
        good.end_grace();
        assert_eq!(good.versions(), []);
    }

    #[test]
    fn a_node_that_comes_back_does_not_take_the_others_away() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![]), true);
        apply(&mut good, Change::Created(version("1", &["b"])), false);
        assert_eq!(good.versions(), [version("1", &["a", "b"])]);
        good.end_grace();
        assert_eq!(good.versions(), [version("1", &["b"])]);
    }

    #[test]
    fn a_node_seen_again_after_a_gap_leaves_at_once_when_it_leaves() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![version("1", &["a", "b"])]), true);
        assert!(!good.keeps());
        apply(&mut good, Change::Updated(version("1", &["a"])), false);
        assert_eq!(good.versions(), [version("1", &["a"])]);
    }

    #[test]
    fn a_deletion_takes_the_kept_nodes_it_names() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![]), true);
        apply(&mut good, Change::Deleted(version("1", &["b"])), false);
        assert_eq!(good.versions(), [version("1", &["a"])]);
        apply(&mut good, Change::Deleted(version("1", &[])), false);
        assert_eq!(good.versions(), []);
    }

    #[test]
    fn a_kept_node_yields_to_another_at_its_address_and_to_itself_in_another_version() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![]), true);
        let successor = Service::new("greeter", "1").node(NodeInfo::new("c", "a:1"));
        apply(&mut good, Change::Created(successor), false);
        apply(&mut good, Change::Created(version("2", &["b"])), false);
        let nodes: Vec<_> = good.versions().into_iter().flat_map(|v| v.nodes).collect();
        assert_eq!(nodes, [NodeInfo::new("c", "a:1"), NodeInfo::new("b", "b:1")]);
        assert!(!good.keeps());
    }

    #[test]
    fn a_second_gap_keeps_what_the_first_one_kept() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![version("1", &["a"])]), true);
        apply(&mut good, Change::Resync(vec![]), true);
        assert_eq!(good.versions(), [version("1", &["a", "b"])]);
    }

    #[test]
    fn a_resync_without_a_gap_is_the_truth() {
        let mut good = LastGood::remembered(vec![version("1", &["a", "b"])]);
        apply(&mut good, Change::Resync(vec![version("2", &["c"])]), false);
        assert_eq!(good.versions(), [version("2", &["c"])]);
    }

    #[test]
    fn order_duplicates_strangers_and_empty_versions_make_no_difference() {
        let mut good = LastGood::default();
        let messy = vec![
            version("2", &["c"]),
            version("1", &["b"]),
            version("3", &[]),
            Service::new("stranger", "1").node(NodeInfo::new("s", "s:1")),
            version("1", &["a"]),
        ];
        apply(&mut good, Change::Resync(messy), false);
        let tidy = [version("1", &["a", "b"]), version("2", &["c"])];
        assert_eq!(good.versions(), tidy);
    }

    fn apply(good: &mut LastGood, change: Change, healing: bool) {
        good.apply("greeter", change, healing);
    }

    fn version(version: &str, nodes: &[&str]) -> Service {
        let nodes = nodes.iter().map(|id| NodeInfo::new(*id, format!("{id}:1")));
        Service { nodes: nodes.collect(), ..Service::new("greeter", version) }
    }
}
