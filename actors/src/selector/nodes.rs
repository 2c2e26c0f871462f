//! The nodes of one service: what callers hold, and how it follows the registry.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::candidate::{Candidate, Release, Shared};
use super::moment::Moment;
use super::options::SelectorOptions;
use super::ring::{Ring, hash};
use super::snapshot::{Cursor, Section, Snapshot};
use crate::registry::{Freshness, NodeInfo, Service, ServiceView};

/// The nodes of one service, kept up to date by the [`Selector`](super::Selector).
///
/// Callers ask for it once with [`NodesOf`](super::NodesOf) and hold on to it.
#[derive(Debug)]
pub struct ServiceNodes {
    snapshot: ArcSwap<Snapshot>,
    shared: Arc<Shared>,
    writer: Mutex<()>,
}

impl ServiceNodes {
    /// Creates a service of which nothing is known yet.
    pub fn new(service: impl Into<String>, options: SelectorOptions, now: Instant) -> Self {
        let shared = Arc::new(Shared::new(service.into(), options, now));
        let snapshot = ArcSwap::from_pointee(Snapshot::empty(Arc::clone(&shared)));
        Self { snapshot, shared, writer: Mutex::new(()) }
    }

    /// Creates a service with nodes that no registry follows, with default options.
    pub fn fixed(service: impl Into<String>, versions: Vec<Service>) -> Self {
        let now = Instant::now();
        let nodes = Self::new(service, SelectorOptions::default(), now);
        let name = nodes.service().to_owned();
        let view = ServiceView { name, versions, freshness: Freshness::Live, revision: 1 };
        nodes.publish(&view, now);
        nodes
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// The nodes now; wait-free. Hold the guard for one pick, not for a whole call.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Makes a view of the registry visible to callers.
    ///
    /// Costs one pass over the nodes, and allocates for those that are new or changed. Picks go
    /// on meanwhile. Nodes beyond [`SelectorOptions::nodes`] are left out.
    pub fn publish(&self, view: &ServiceView, now: Instant) {
        let _writer = self.writer.lock();
        let previous = self.snapshot.load_full();
        if view.revision < previous.revision() {
            // Views come by two ways: from the watcher, and with the answer to a lookup.
            return;
        }
        let next = Succession::of(&previous, view).into_snapshot(self.shared.moment(now));
        self.snapshot.store(Arc::new(next));
    }
}

impl ServiceNodes {
    /// Forgets all nodes.
    pub(super) fn clear(&self, now: Instant) {
        let revision = self.load().revision();
        let (name, versions) = (self.service().to_owned(), Vec::new());
        self.publish(&ServiceView { name, versions, freshness: Freshness::Stale, revision }, now);
    }
}

/// How one snapshot follows from another and a view.
struct Succession<'a> {
    previous: &'a Snapshot,
    view: &'a ServiceView,
    heirs: Vec<Heir<'a>>,
    sections: Vec<Section>,
    /// Where each node of the previous snapshot is now.
    moves: Vec<Option<u32>>,
}

/// A node of the next snapshot.
struct Heir<'a> {
    node: &'a NodeInfo,
    release: Arc<Release>,
    known: Option<&'a Arc<Candidate>>,
}

impl<'a> Succession<'a> {
    fn of(previous: &'a Snapshot, view: &'a ServiceView) -> Self {
        let moves = vec![None; previous.candidates.len()];
        let mut this = Self { previous, view, heirs: Vec::new(), sections: Vec::new(), moves };
        let mut versions: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
        for service in &view.versions {
            versions.entry(&service.version).or_default().push(service);
        }
        for services in versions.values() {
            this.add_version(services);
        }
        this
    }

    /// Adds the nodes of one version; a view that lists it twice means all of them.
    fn add_version(&mut self, services: &[&'a Service]) {
        let Some(service) = services.last() else { return };
        let mut nodes: Vec<_> = services.iter().flat_map(|service| &service.nodes).collect();
        // Views mostly come ordered, and then this is one pass.
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        nodes.dedup_by(|one, other| one.id == other.id);
        let room = self.previous.shared.options.nodes.saturating_sub(self.heirs.len());
        if nodes.len() > room {
            let (name, left_out) = (&self.view.name, nodes.len() - room);
            tracing::warn!(service = %name, left_out, "more nodes than the selector may hold");
            nodes.truncate(room);
        }
        if nodes.is_empty() {
            return;
        }
        let section = self.previous.section(&service.version);
        let release = Release::of(service);
        let release = match section {
            Some(section) if *section.release == release => Arc::clone(&section.release),
            _ => Arc::new(release),
        };
        let begin = self.heirs.len();
        let known = section.map_or(0..0, |section| section.range.clone());
        self.add_nodes(&nodes, &release, known);
        let cursor = section.map_or_else(Cursor::random, |section| section.cursor.carry_over());
        self.sections.push(Section { release, range: begin..self.heirs.len(), cursor });
    }

    /// Adds nodes; they and those known are both ordered by id, so one walk matches them.
    fn add_nodes(&mut self, nodes: &[&'a NodeInfo], release: &Arc<Release>, known: Range<usize>) {
        let mut known = known.peekable();
        for node in nodes {
            let id_at = |index: usize| &self.previous.candidates[index].node().id;
            while known.next_if(|index| *id_at(*index) < node.id).is_some() {}
            let index = known.next_if(|index| *id_at(*index) == node.id);
            if let Some(index) = index {
                self.moves[index] = u32::try_from(self.heirs.len()).ok();
            }
            let candidate = index.map(|index| &self.previous.candidates[index]);
            let known = candidate.filter(|known| is_same_process(known.node(), node));
            self.heirs.push(Heir { node, release: Arc::clone(release), known });
        }
    }

    fn into_snapshot(self, now: Moment) -> Snapshot {
        let ring = self.ring();
        // Slow start spares a new node while old ones carry the load; without any there is nobody
        // to do so.
        let has_old = self.heirs.iter().any(|heir| heir.known.is_some());
        let warming_since = if has_old { now } else { Moment::NEVER };
        let shared = &self.previous.shared;
        let candidates = self.heirs.into_iter().map(|heir| heir.candidate(shared, warming_since));
        Snapshot {
            candidates: candidates.collect(),
            sections: self.sections.into_boxed_slice(),
            cursor: self.previous.cursor.carry_over(),
            ring,
            shared: Arc::clone(shared),
            revision: self.view.revision,
            freshness: self.view.freshness,
        }
    }

    /// The next ring, if the previous snapshot needed one.
    fn ring(&self) -> OnceLock<Arc<Ring>> {
        let Some(ring) = self.previous.ring.get() else { return OnceLock::new() };
        let identity = (0..).map(Some);
        let unchanged = self.moves.len() == self.heirs.len()
            && self.moves.iter().copied().zip(identity).all(|(now, before)| now == before);
        if unchanged {
            return OnceLock::from(Arc::clone(ring));
        }
        let mut came = vec![true; self.heirs.len()];
        self.moves.iter().flatten().for_each(|index| came[*index as usize] = false);
        let added = (0..).zip(came.iter().zip(&self.heirs)).filter(|(_, (came, _))| **came);
        let added = added.map(|(index, (_, heir))| (index, hash(&heir.node.id)));
        OnceLock::from(Arc::new(ring.successor(&self.moves, added)))
    }
}

impl Heir<'_> {
    fn candidate(self, shared: &Arc<Shared>, warming_since: Moment) -> Arc<Candidate> {
        match self.known {
            Some(known)
                if known.node() == self.node && Arc::ptr_eq(known.release(), &self.release) =>
            {
                Arc::clone(known)
            }
            Some(known) => Arc::new(known.renewed(self.node.clone(), self.release)),
            None => {
                let (node, shared) = (self.node.clone(), Arc::clone(shared));
                Arc::new(Candidate::new(node, self.release, shared, warming_since))
            }
        }
    }
}

/// Whether connections, load and health of one are those of the other.
fn is_same_process(one: &NodeInfo, other: &NodeInfo) -> bool {
    one.id == other.id && one.incarnation == other.incarnation && one.address == other.address
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::EndpointInfo;
    use crate::selector::{Outcome, Pick, Standing, Strategy};

    #[test]
    fn candidates_are_kept_while_their_process_lives() {
        let nodes = nodes(vec![service("1", &["a", "b", "c"])]);
        let before = nodes.load_all();
        before[1].begin();
        publish(&nodes, vec![service("1", &["d", "c", "b"])]);
        let after = nodes.load_all();
        let ids: Vec<_> = after.iter().map(|candidate| &*candidate.node().id).collect();
        assert_eq!(ids, ["b", "c", "d"]);
        assert!(Arc::ptr_eq(&before[1], &after[0]) && Arc::ptr_eq(&before[2], &after[1]));
        assert_eq!(after[0].in_flight(), 1);
    }

    #[test]
    fn a_restarted_node_begins_anew() {
        let nodes = nodes(vec![service("1", &["a", "b"])]);
        let before = nodes.load_all();
        before[0].mark(Outcome::Draining, Instant::now());
        let mut service = service("1", &["a", "b"]);
        service.nodes[0].incarnation += 1;
        publish(&nodes, vec![service]);
        let after = nodes.load_all();
        assert_eq!(after[0].standing(Instant::now()), Standing::Ready);
        assert!(!Arc::ptr_eq(&before[0].links, &after[0].links));
        assert!(Arc::ptr_eq(&before[1], &after[1]));
    }

    #[test]
    fn a_changed_record_keeps_health_latency_and_connections() {
        let nodes = nodes(vec![service("1", &["a"])]);
        let before = nodes.load_all();
        let now = Instant::now();
        before[0].mark(Outcome::Success { latency: Duration::from_millis(7) }, now);
        before[0].mark(Outcome::Unreachable, now);
        let mut service = service("1", &["a"]);
        service.nodes[0].metadata.insert("zone".into(), "x".into());
        service.endpoints = vec![EndpointInfo { name: "A.B".into(), ..EndpointInfo::default() }];
        publish(&nodes, vec![service]);
        let after = nodes.load_all();
        assert_eq!(after[0].label("zone").unwrap(), "x");
        assert!(after[0].answers("A.B") && !after[0].answers("A.C"));
        assert_eq!(after[0].standing(now), Standing::Ejected);
        assert_eq!(after[0].latency(now), before[0].latency(now));
        assert!(Arc::ptr_eq(&before[0].links, &after[0].links));
    }

    #[test]
    fn nodes_of_several_versions_are_ordered_and_found_by_id() {
        let twice = vec![service("2", &["b"]), service("1", &["c"]), service("2", &["a", "b"])];
        let nodes = nodes(twice);
        let order: Vec<_> = nodes
            .load_all()
            .iter()
            .map(|candidate| format!("{}{}", candidate.version(), candidate.node().id))
            .collect();
        assert_eq!(order, ["1c", "2a", "2b"]);
        let snapshot = nodes.load();
        assert_eq!(snapshot.node("b").map(|found| found.version()).collect::<Vec<_>>(), ["2"]);
        assert_eq!(snapshot.node("x").count(), 0);
    }

    #[test]
    fn nodes_beyond_the_limit_are_left_out() {
        let options = SelectorOptions { nodes: 3, ..SelectorOptions::default() };
        let nodes = ServiceNodes::new("greeter", options, Instant::now());
        publish(&nodes, vec![service("1", &["a", "b"]), service("2", &["c", "d"])]);
        assert_eq!(nodes.load().candidates().len(), 3);
    }

    #[test]
    fn a_ring_that_is_in_use_follows_every_change() {
        let nodes = nodes(vec![service("1", &["a", "b", "c", "d"])]);
        let request =
            Pick { strategy: &Strategy::ConsistentHash, key: Some("k"), ..Pick::default() };
        nodes.load().pick(&request, &mut rand::rng(), Instant::now()).unwrap();
        let views: [&[&str]; 4] = [&["a", "c", "d"], &["a", "c", "d", "e"], &["0", "c"], &[]];
        for ids in views {
            publish(&nodes, vec![service("1", ids)]);
            let snapshot = nodes.load();
            let ring = snapshot.ring.get().expect("it was prepared");
            let anew = Ring::new((0..).zip(ids.iter().map(|id| hash(id))));
            for key in 0..1000 {
                let key = hash(&format!("{key}"));
                assert_eq!(ring.owners(key).next(), anew.owners(key).next(), "{ids:?}");
            }
        }
    }

    impl ServiceNodes {
        fn load_all(&self) -> Vec<Arc<Candidate>> {
            self.load().candidates().to_vec()
        }
    }

    fn nodes(versions: Vec<Service>) -> ServiceNodes {
        ServiceNodes::fixed("greeter", versions)
    }

    fn publish(nodes: &ServiceNodes, versions: Vec<Service>) {
        let (name, freshness) = ("greeter".to_owned(), Freshness::Live);
        nodes.publish(&ServiceView { name, versions, freshness, revision: 2 }, Instant::now());
    }

    fn service(version: &str, ids: &[&str]) -> Service {
        let mut service = Service::new("greeter", version);
        service.nodes = ids.iter().map(|id| NodeInfo::new(*id, "there")).collect();
        service
    }
}
