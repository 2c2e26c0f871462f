//! What is known of services at one moment, and how it changes.
//!
//! Pure.

use std::sync::Arc;

use super::{Change, NodeInfo, Service, VersionView, WatchScope};
use crate::sorted::Difference;

/// Versions of services and their nodes, in the order of name, version and id.
///
/// Copies share what they have in common. A change costs little more with many nodes than with
/// few, and so does telling what has changed since a copy was made.
///
/// ```
/// use callboard_actors::registry::{Catalogue, Change, NodeInfo, Service};
///
/// let of = |node: &str| Service::new("greeter", "1").node(NodeInfo::new(node, "127.0.0.1:9000"));
/// let mut catalogue = Catalogue::new([of("a"), of("b")]);
/// let before = catalogue.clone();
/// catalogue.apply(Change::Deleted(of("a")));
/// assert_eq!(catalogue.versions(), [of("b")]);
/// assert_eq!(catalogue.changes_since(&before), [Change::Deleted(of("a"))]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    versions: Vec<VersionView>,
}

impl Catalogue {
    /// Creates one from records in any order; those of one version are merged, and a version
    /// without nodes is left out.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Self {
        let mut services: Vec<_> = services.into_iter().collect();
        services
            .sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
        let mut versions: Vec<VersionView> = Vec::new();
        for service in services.into_iter().filter(|service| !service.nodes.is_empty()) {
            match versions.last_mut().filter(|last| last.service().is_same_version(&service)) {
                Some(last) => last.put(service),
                None => versions.push(service.into()),
            }
        }
        Self { versions }
    }

    /// Creates one from versions that were in one.
    pub(super) fn of(versions: Vec<VersionView>) -> Self {
        Self { versions }
    }

    /// All versions, by name and version; each has at least one node.
    #[must_use]
    pub fn versions(&self) -> &[VersionView] {
        &self.versions
    }

    /// All versions, by name and version.
    #[must_use]
    pub fn into_versions(self) -> Vec<VersionView> {
        self.versions
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// What belongs to `scope`.
    #[must_use]
    pub fn within(&self, scope: &WatchScope) -> Self {
        let is_covered = |version: &&VersionView| scope.covers(&version.service().name);
        Self { versions: self.versions.iter().filter(is_covered).cloned().collect() }
    }

    /// All of it as records; copies every node.
    #[must_use]
    pub fn records(&self) -> Vec<Service> {
        self.versions.iter().map(VersionView::record).collect()
    }

    /// Takes over a change.
    ///
    /// Those of a whole list leave what is equal as it is, so that it is still shared with copies.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Created(service) | Change::Updated(service) => self.put(service),
            Change::Deleted(service) => self.take(&service),
            Change::Resync(services) => self.replace(services, |_| true),
        }
    }

    /// Puts whole records in the place of those versions that `is_old` says so of.
    ///
    /// Leaves what is equal as it is, so that it is still shared with copies.
    pub fn replace(
        &mut self,
        services: impl IntoIterator<Item = Service>,
        is_old: impl Fn(&Service) -> bool,
    ) {
        let old = self.versions.iter().filter(|version| is_old(version.service()));
        let before = Self { versions: old.cloned().collect() };
        for change in Self::new(services).changes_since(&before) {
            self.apply(change);
        }
    }

    /// The changes that lead here from `before`, up to three for a version.
    ///
    /// Deletions come last, so that a service whose nodes are all replaced is never without any.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for old in &before.versions {
            if self.version(old.service()).is_none() {
                changes.push(Change::Deleted(old.record()));
            }
        }
        for new in &self.versions {
            match before.version(new.service()) {
                None => changes.push(Change::Created(new.record())),
                Some(old) if new.is_copy_of(old) => {}
                Some(old) => changes.extend(changes_of(old, new)),
            }
        }
        // Stable: those of one version stay in order.
        changes.sort_by_key(|change| matches!(change, Change::Deleted(_)));
        changes
    }

    /// Adds the nodes of another; what is known of their versions here counts.
    pub(super) fn join(&mut self, other: &Self) {
        for version in &other.versions {
            match self.find(version.service()) {
                Ok(index) => self.versions[index].join(version),
                Err(index) => self.versions.insert(index, version.clone()),
            }
        }
    }

    /// Leaves out the nodes that `is_over` says so of.
    pub(super) fn leave_out(&mut self, is_over: impl Fn(&NodeInfo) -> bool) {
        for version in &mut self.versions {
            let over: Vec<_> = version.nodes().filter(|node| is_over(node)).cloned().collect();
            for node in over {
                version.take(&node.id);
            }
        }
        self.versions.retain(|version| !version.is_empty());
    }

    /// The version that a record is of.
    pub(crate) fn version(&self, service: &Service) -> Option<&VersionView> {
        self.find(service).ok().map(|index| &self.versions[index])
    }

    fn put(&mut self, service: Service) {
        match self.find(&service) {
            Ok(index) => self.versions[index].put(service),
            Err(_) if service.nodes.is_empty() => {}
            Err(index) => self.versions.insert(index, service.into()),
        }
    }

    fn take(&mut self, service: &Service) {
        let Ok(index) = self.find(service) else { return };
        let version = &mut self.versions[index];
        service.nodes.iter().for_each(|node| version.take(&node.id));
        if version.is_empty() || service.nodes.is_empty() {
            self.versions.remove(index);
        }
    }

    fn find(&self, service: &Service) -> Result<usize, usize> {
        let wanted = (&service.name, &service.version);
        self.versions.binary_search_by(|known| {
            (&known.service().name, &known.service().version).cmp(&wanted)
        })
    }
}

/// The changes from one state of a version to another.
fn changes_of(old: &VersionView, new: &VersionView) -> impl Iterator<Item = Change> {
    let (mut gone, mut came, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for difference in new.differences_from(old) {
        match difference {
            Difference::Gone(node) => gone.push(node),
            Difference::Came(node) => came.push(node),
            Difference::Changed(_, node) => changed.push(node),
        }
    }
    let is_renewed = !new.has_service_of(old);
    let of = |nodes: Vec<&Arc<NodeInfo>>| new.of_nodes(nodes);
    let gone = (!gone.is_empty()).then(|| Change::Deleted(of(gone)));
    // What else the record says is told with nodes that came, or with an update of its own.
    let came = (!came.is_empty()).then(|| Change::Created(of(came)));
    let is_told = came.is_some();
    let changed =
        (!changed.is_empty() || is_renewed && !is_told).then(|| Change::Updated(of(changed)));
    [came, changed, gone].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_one_node_is_told_as_that_node_alone() {
        let before = Catalogue::new([version("1", &["a", "b", "c"]), version("2", &["d"])]);
        let mut after = before.clone();
        let mut moved = version("1", &["b"]);
        moved.nodes[0].address = "elsewhere:1".into();
        let changes = [
            Change::Created(version("1", &["x"])),
            Change::Updated(moved),
            Change::Deleted(version("2", &["d"])),
            Change::Deleted(version("1", &["a"])),
        ];
        changes.iter().cloned().for_each(|change| after.apply(change));
        assert_eq!(after.changes_since(&before), changes);
        assert_eq!(before.versions(), [version("1", &["a", "b", "c"]), version("2", &["d"])]);
    }

    #[test]
    fn a_service_whose_nodes_are_all_replaced_is_never_without_any() {
        let mut now = Catalogue::new([version("1", &["a", "b"])]);
        for next in [version("1", &["c"]), version("2", &["c", "d"])] {
            for change in Catalogue::new([next]).changes_since(&now.clone()) {
                now.apply(change);
                assert!(!now.is_empty());
            }
        }
        assert_eq!(now.versions(), [version("2", &["c", "d"])]);
    }

    #[test]
    fn what_is_told_leads_from_one_to_the_other() {
        let states = [
            Catalogue::default(),
            Catalogue::new([version("1", &["a", "b"])]),
            Catalogue::new([labelled("1", &["a", "b"]), version("2", &["a"])]),
            Catalogue::new([version("1", &["b", "c"]), labelled("3", &["z"])]),
            Catalogue::new([labelled("1", &["c"]), version("2", &["b"])]),
        ];
        for before in &states {
            for after in &states {
                let (mut told, mut resynced) = (before.clone(), before.clone());
                after.changes_since(before).into_iter().for_each(|change| told.apply(change));
                assert_eq!(told, *after);
                resynced.apply(Change::Resync(after.records()));
                assert_eq!(resynced, *after);
            }
        }
    }

    #[test]
    fn labels_of_a_version_are_told_though_no_node_changed() {
        let (before, after) =
            (Catalogue::new([version("1", &["a"])]), Catalogue::new([labelled("1", &["a"])]));
        assert_eq!(after.changes_since(&before), [Change::Updated(labelled("1", &[]))]);
    }

    #[test]
    fn a_whole_list_that_is_equal_leaves_everything_shared() {
        let before = Catalogue::new([version("1", &["a", "b"])]);
        let mut after = before.clone();
        after.apply(Change::Resync(vec![version("1", &["b", "a"])]));
        assert!(after.versions()[0].is_copy_of(&before.versions()[0]));
    }

    #[test]
    fn a_deletion_that_names_no_node_takes_the_whole_version() {
        let mut catalogue = Catalogue::new([version("1", &["a", "b"]), version("2", &["c"])]);
        catalogue.apply(Change::Deleted(version("1", &[])));
        assert_eq!(catalogue.versions(), [version("2", &["c"])]);
        catalogue.apply(Change::Deleted(version("2", &["c"])));
        catalogue.apply(Change::Updated(version("2", &[])));
        assert!(catalogue.is_empty());
    }

    fn version(version: &str, nodes: &[&str]) -> Service {
        let nodes = nodes.iter().map(|id| NodeInfo::new(*id, format!("{id}:1")));
        Service { nodes: nodes.collect(), ..Service::new("greeter", version) }
    }

    fn labelled(name: &str, nodes: &[&str]) -> Service {
        let mut service = version(name, nodes);
        service.metadata.insert("team".into(), "blue".into());
        service
    }
}
