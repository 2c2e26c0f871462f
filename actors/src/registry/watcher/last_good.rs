//! What is believed about one service while its registry comes and goes.
//!
//! Pure.

use std::collections::HashSet;

use crate::registry::{Catalogue, Change, NodeInfo, VersionView, WatchScope};

/// What the registry says, and the nodes it no longer mentions but may again.
///
/// A registry that was away may have lost its leases; live nodes register again within a third of
/// the TTL. So a node that is missing after a gap is *kept* until it is seen, until it is known to
/// be gone, or until [`end_grace`](Self::end_grace). It is known to be gone when a `Deleted`
/// names it, or names no node at all of its version, and when another node took its id or address.
/// That others are mentioned and it is not proves nothing: they may just have been faster.
#[derive(Debug, Clone, Default)]
pub(super) struct LastGood {
    confirmed: Catalogue,
    kept: Catalogue,
}

impl LastGood {
    /// Creates one that knows `versions` from before.
    pub(super) fn remembered(versions: Vec<VersionView>) -> Self {
        Self { confirmed: Catalogue::of(versions), kept: Catalogue::default() }
    }

    /// Takes over a change of `service`; `healing` when it is the first after a gap.
    ///
    /// Costs little more with many nodes than with few, unless it is a whole list or nodes are
    /// kept, of which each is looked at.
    pub(super) fn apply(&mut self, service: &str, change: Change, healing: bool) {
        let believed = if healing { self.believed() } else { Catalogue::default() };
        let mut seen = Seen::default();
        let is_whole = matches!(change, Change::Resync(_));
        match &change {
            Change::Resync(_) => {}
            Change::Deleted(one) => self.kept.apply(Change::Deleted(one.clone())),
            Change::Created(one) | Change::Updated(one) if one.name == service => {
                seen = Seen::among(one.nodes.iter());
            }
            Change::Created(_) | Change::Updated(_) => return,
        }
        self.confirmed.apply(change);
        if is_whole {
            self.confirmed = self.confirmed.within(&WatchScope::Service(service.to_owned()));
        }
        if healing {
            self.kept = believed;
        }
        if self.keeps() {
            let all = healing || is_whole;
            self.drop_seen(&if all { Seen::of_all(&self.confirmed) } else { seen });
        }
    }

    /// Gives up the nodes that have not come back.
    pub(super) fn end_grace(&mut self) {
        self.kept = Catalogue::default();
    }

    /// Whether nodes are kept that the registry does not mention.
    pub(super) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// What is believed: versions and nodes in a fixed order, no version without a node.
    pub(super) fn believed(&self) -> Catalogue {
        let mut believed = self.confirmed.clone();
        believed.join(&self.kept);
        believed
    }

    fn drop_seen(&mut self, seen: &Seen) {
        self.kept.leave_out(|node| {
            seen.ids.contains(&node.id) || seen.addresses.contains(&node.address)
        });
    }
}

/// Nodes that the registry mentions.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    addresses: HashSet<String>,
}

impl Seen {
    fn of_all(catalogue: &Catalogue) -> Self {
        let nodes = catalogue.versions().iter().flat_map(VersionView::nodes);
        Self::among(nodes.map(AsRef::as_ref))
    }

    fn among<'a>(nodes: impl Iterator<Item = &'a NodeInfo>) -> Self {
        let (ids, addresses) = nodes.map(|node| (node.id.clone(), node.address.clone())).unzip();
        Self { ids, addresses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Service;

    #[test]
    fn a_node_missing_after_a_gap_is_kept_until_the_grace_ends() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![]), true);
        assert_eq!(good.records(), [version("1", &["a", "b"])]);
        assert!(good.keeps());
        good.end_grace();
        assert_eq!(good.records(), []);
    }

    #[test]
    fn a_node_that_comes_back_does_not_take_the_others_away() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![]), true);
        apply(&mut good, Change::Created(version("1", &["b"])), false);
        assert_eq!(good.records(), [version("1", &["a", "b"])]);
        good.end_grace();
        assert_eq!(good.records(), [version("1", &["b"])]);
    }

    #[test]
    fn a_node_seen_again_after_a_gap_leaves_at_once_when_it_leaves() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![version("1", &["a", "b"])]), true);
        assert!(!good.keeps());
        apply(&mut good, Change::Deleted(version("1", &["b"])), false);
        assert_eq!(good.records(), [version("1", &["a"])]);
    }

    #[test]
    fn a_deletion_takes_the_kept_nodes_it_names() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![]), true);
        apply(&mut good, Change::Deleted(version("1", &["b"])), false);
        assert_eq!(good.records(), [version("1", &["a"])]);
        apply(&mut good, Change::Deleted(version("1", &[])), false);
        assert_eq!(good.records(), []);
    }

    #[test]
    fn a_kept_node_yields_to_another_at_its_address_and_to_itself_in_another_version() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![]), true);
        let successor = Service::new("greeter", "1").node(NodeInfo::new("c", "a:1"));
        apply(&mut good, Change::Created(successor), false);
        apply(&mut good, Change::Created(version("2", &["b"])), false);
        let nodes: Vec<_> = good.records().into_iter().flat_map(|v| v.nodes).collect();
        assert_eq!(nodes, [NodeInfo::new("c", "a:1"), NodeInfo::new("b", "b:1")]);
        assert!(!good.keeps());
    }

    #[test]
    fn a_second_gap_keeps_what_the_first_one_kept() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![version("1", &["a"])]), true);
        apply(&mut good, Change::Resync(vec![]), true);
        assert_eq!(good.records(), [version("1", &["a", "b"])]);
    }

    #[test]
    fn a_resync_without_a_gap_is_the_truth() {
        let mut good = remembered(&["a", "b"]);
        apply(&mut good, Change::Resync(vec![version("2", &["c"])]), false);
        assert_eq!(good.records(), [version("2", &["c"])]);
    }

    #[test]
    fn a_change_of_one_node_leaves_the_others_the_same() {
        let mut good = remembered(&["a", "b", "c"]);
        let before = good.believed();
        let mut moved = version("1", &["b"]);
        moved.nodes[0].address = "elsewhere:1".into();
        apply(&mut good, Change::Updated(moved), false);
        let after = good.believed();
        let pairs = before.versions()[0].nodes().zip(after.versions()[0].nodes());
        let same: Vec<_> = pairs.map(|(one, other)| std::sync::Arc::ptr_eq(one, other)).collect();
        assert_eq!(same, [true, false, true]);
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
        assert_eq!(good.records(), tidy);
    }

    impl LastGood {
        fn records(&self) -> Vec<Service> {
            self.believed().records()
        }
    }

    fn remembered(nodes: &[&str]) -> LastGood {
        LastGood::remembered(vec![version("1", nodes).into()])
    }

    fn apply(good: &mut LastGood, change: Change, healing: bool) {
        good.apply("greeter", change, healing);
    }

    fn version(version: &str, nodes: &[&str]) -> Service {
        let nodes = nodes.iter().map(|id| NodeInfo::new(*id, format!("{id}:1")));
        Service { nodes: nodes.collect(), ..Service::new("greeter", version) }
    }
}
