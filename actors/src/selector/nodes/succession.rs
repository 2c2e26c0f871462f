//! How one snapshot follows from another and a view of the registry.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::registry::{NodeInfo, Service, ServiceView};
use crate::selector::candidate::{Candidate, Release};
use crate::selector::moment::Moment;
use crate::selector::ring::{Ring, hash};
use crate::selector::snapshot::{Cursor, Section, Snapshot};

/// How one snapshot follows from another and a view.
///
/// The text of a node that has not changed is compared once, and of nothing else.
pub(super) struct Succession<'a> {
    previous: &'a Snapshot,
    view: &'a ServiceView,
    heirs: Vec<Heir<'a>>,
    sections: Vec<Section>,
    /// Where each node of the previous snapshot is now.
    moves: Vec<Option<u32>>,
}

/// A node of the next snapshot.
enum Heir<'a> {
    /// As it was.
    Kept(&'a Arc<Candidate>),
    /// The same process with another record, or in a version with another one.
    Renewed(&'a Arc<Candidate>, &'a NodeInfo),
    New(&'a NodeInfo),
}

impl<'a> Succession<'a> {
    pub(super) fn of(previous: &'a Snapshot, view: &'a ServiceView) -> Self {
        let moves = vec![None; previous.candidates.len()];
        let heirs = Vec::with_capacity(previous.candidates.len());
        let mut this = Self { previous, view, heirs, sections: Vec::new(), moves };
        let mut versions: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
        for service in &view.versions {
            versions.entry(&service.version).or_default().push(service);
        }
        for services in versions.values() {
            this.add_version(services);
        }
        this
    }

    /// Nodes of the previous snapshot whose process is not in the next one.
    pub(super) fn gone(&self) -> impl Iterator<Item = &'a Arc<Candidate>> {
        let heir = |moved: &Option<u32>| moved.and_then(|index| self.heirs.get(index as usize));
        let is_gone = move |moved| heir(moved).is_none_or(|heir| matches!(heir, Heir::New(_)));
        let nodes = self.previous.candidates.iter().zip(&self.moves);
        nodes.filter(move |(_, moved)| is_gone(moved)).map(|(candidate, _)| candidate)
    }

    pub(super) fn into_snapshot(self, now: Moment) -> Snapshot {
        let ring = self.ring();
        Snapshot {
            candidates: self.candidates(now),
            sections: self.sections.into_boxed_slice(),
            cursor: self.previous.cursor.carry_over(),
            ring,
            demand: Arc::clone(&self.previous.demand),
            shared: Arc::clone(&self.previous.shared),
            revision: self.view.revision,
            freshness: self.view.freshness,
        }
    }

    /// Adds the nodes of one version; a view that lists it twice means all of them.
    fn add_version(&mut self, services: &[&'a Service]) {
        let Some(service) = services.last() else { return };
        let mut nodes: Vec<_> = services.iter().flat_map(|service| &service.nodes).collect();
        // Views mostly come ordered.
        if !nodes.is_sorted_by(|one, other| one.id < other.id) {
            nodes.sort_by(|one, other| one.id.cmp(&other.id));
            nodes.dedup_by(|one, other| one.id == other.id);
        }
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
        let mut known = section.map_or(0..0, |section| section.range.clone()).peekable();
        for node in nodes {
            self.add_node(node, &release, &mut known);
        }
        let cursor = section.map_or_else(Cursor::random, |section| section.cursor.carry_over());
        self.sections.push(Section { release, range: begin..self.heirs.len(), cursor });
    }

    /// Adds a node; those to come and those known are both ordered by id, so one walk matches them.
    fn add_node(
        &mut self,
        node: &'a NodeInfo,
        release: &Arc<Release>,
        known: &mut Peekable<Range<usize>>,
    ) {
        let candidates = &self.previous.candidates;
        let is_kept =
            |known: &Candidate| Arc::ptr_eq(known.release(), release) && known.node() == node;
        let place = u32::try_from(self.heirs.len()).ok();
        // Most have not changed, and then this is the only look at them.
        if let Some(index) = known.next_if(|at| is_kept(&candidates[*at])) {
            self.moves[index] = place;
            self.heirs.push(Heir::Kept(&candidates[index]));
            return;
        }
        while known.next_if(|at| candidates[*at].node().id < node.id).is_some() {}
        let index = known.next_if(|at| candidates[*at].node().id == node.id);
        if let Some(index) = index {
            self.moves[index] = place;
        }
        let candidate = index.map(|index| &candidates[index]);
        self.heirs.push(match candidate.filter(|known| is_same_process(known.node(), node)) {
            Some(known) if is_kept(known) => Heir::Kept(known),
            Some(known) => Heir::Renewed(known, node),
            None => Heir::New(node),
        });
    }

    fn candidates(&self, now: Moment) -> Box<[Arc<Candidate>]> {
        // Slow start spares a new node while old ones carry the load; without any there is nobody
        // to do so.
        let has_old = self.heirs.iter().any(|heir| !matches!(heir, Heir::New(_)));
        let warming_since = if has_old { now } else { Moment::NEVER };
        let mut candidates = Vec::with_capacity(self.heirs.len());
        for Section { release, range, .. } in &self.sections {
            let heirs = self.heirs[range.clone()].iter();
            candidates.extend(heirs.map(|heir| match heir {
                Heir::Kept(known) => Arc::clone(known),
                Heir::Renewed(known, node) => {
                    Arc::new(known.renewed((*node).clone(), Arc::clone(release)))
                }
                Heir::New(node) => {
                    let (release, shared) = (Arc::clone(release), &self.previous.shared);
                    let shared = Arc::clone(shared);
                    Arc::new(Candidate::new((*node).clone(), release, shared, warming_since))
                }
            }));
        }
        candidates.into_boxed_slice()
    }

    /// The next ring, if picks need one: it is made before anybody sees the snapshot.
    fn ring(&self) -> OnceLock<Arc<Ring>> {
        let anew = || {
            let ids = self.heirs.iter().map(|heir| &heir.node().id);
            Arc::new(Ring::new((0..).zip(ids.map(|id| hash(id)))))
        };
        let next =
            |before: Option<&Arc<Ring>>| before.map_or_else(anew, |before| self.ring_after(before));
        let ring = self.previous.demand.follow(&self.previous.ring, next);
        ring.map_or_else(OnceLock::new, OnceLock::from)
    }

    fn ring_after(&self, ring: &Arc<Ring>) -> Arc<Ring> {
        let unchanged = self.moves.len() == self.heirs.len()
            && self.moves.iter().zip(0..).all(|(now, before)| *now == Some(before));
        if unchanged {
            return Arc::clone(ring);
        }
        let mut came = vec![true; self.heirs.len()];
        self.moves.iter().flatten().for_each(|index| came[*index as usize] = false);
        let added = (0..).zip(came.iter().zip(&self.heirs)).filter(|(_, (came, _))| **came);
        let added = added.map(|(index, (_, heir))| (index, hash(&heir.node().id)));
        Arc::new(ring.successor(&self.moves, added))
    }
}

impl Heir<'_> {
    fn node(&self) -> &NodeInfo {
        match self {
            Self::Kept(known) => known.node(),
            Self::Renewed(_, node) | Self::New(node) => node,
        }
    }
}

/// Whether connections, load and health of one are those of the other.
fn is_same_process(one: &NodeInfo, other: &NodeInfo) -> bool {
    one.id == other.id && one.incarnation == other.incarnation && one.address == other.address
}
