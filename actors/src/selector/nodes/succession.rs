//! How one snapshot follows from another and two views of the registry.

use std::sync::{Arc, OnceLock};

use crate::registry::{NodeInfo, ServiceView, VersionView};
use crate::selector::candidate::Candidate;
use crate::selector::moment::Moment;
use crate::selector::release::Release;
use crate::selector::ring::Ring;
use crate::selector::seats::Seats;
use crate::selector::snapshot::{Cursor, Section, Snapshot, order, ring_of};
use crate::sorted::{Difference, Sorted};

/// How one snapshot follows from another.
///
/// What two views share is passed over, and what two snapshots share is not copied: so a changed
/// node costs little more among many than among few. Where a version is told of differently, each
/// of its nodes is renewed.
pub(super) struct Succession<'a> {
    previous: &'a Snapshot,
    /// When slow start of new nodes begins.
    warming_since: Moment,
    sections: Vec<Section>,
    seats: Seats,
    came: Vec<Arc<Candidate>>,
    /// Those whose version or id is not there any more, whose seats are free.
    left: Vec<Arc<Candidate>>,
    /// Those in whose place another process is.
    replaced: Vec<Arc<Candidate>>,
    /// Those who have another seat, and which they had before.
    moved: Vec<(Arc<Candidate>, u32)>,
}

/// Of versions in order the one of this name.
fn find<'a>(versions: &'a [VersionView], version: &str) -> Option<&'a VersionView> {
    let order = |known: &VersionView| known.service().version.as_str().cmp(version);
    versions.binary_search_by(order).ok().map(|index| &versions[index])
}

/// How one version is told of.
struct Step<'a> {
    next: &'a VersionView,
    section: Option<&'a Section>,
    differences: Vec<Difference<'a, Arc<NodeInfo>>>,
}

impl<'a> Succession<'a> {
    /// Follows `previous`, which shows `known`.
    pub(super) fn of(
        previous: &'a Snapshot,
        known: &'a [VersionView],
        next: &'a [VersionView],
        now: Moment,
    ) -> Self {
        let mut this = Self {
            previous,
            warming_since: Moment::NEVER,
            sections: Vec::with_capacity(next.len()),
            seats: previous.seats.clone(),
            came: Vec::new(),
            left: Vec::new(),
            replaced: Vec::new(),
            moved: Vec::new(),
        };
        let steps: Vec<_> = next.iter().map(|next| this.step(known, next)).collect();
        // Slow start spares a new node while old ones carry the load; without any there is nobody
        // to do so.
        if steps.iter().map(Step::kept).sum::<usize>() > 0 {
            this.warming_since = now;
        }
        for section in &previous.sections {
            if find(next, &section.release.version).is_none() {
                this.left.extend(section.candidates.iter().cloned());
            }
        }
        for step in steps {
            this.take(step);
        }
        this.sit_down();
        this
    }

    /// Nodes of the previous snapshot whose process is not in the next one.
    pub(super) fn gone(&self) -> Vec<Arc<Candidate>> {
        self.left.iter().chain(&self.replaced).cloned().collect()
    }

    pub(super) fn into_snapshot(self, view: &ServiceView) -> Snapshot {
        let ring = self.ring();
        Snapshot {
            seats: self.seats,
            sections: self.sections.into_boxed_slice(),
            cursor: self.previous.cursor.carry_over(),
            ring,
            demand: Arc::clone(&self.previous.demand),
            shared: Arc::clone(&self.previous.shared),
            revision: view.revision,
            freshness: view.freshness,
        }
    }

    fn step(&self, known: &'a [VersionView], next: &'a VersionView) -> Step<'a> {
        let version = &next.service().version;
        let section = self.previous.section(version);
        let differences = match find(known, version) {
            Some(known) => next.differences_from(known),
            None => next.nodes().map(Difference::Came).collect(),
        };
        Step { next, section, differences }
    }

    /// Takes over what a version has become.
    fn take(&mut self, step: Step<'a>) {
        let Step { next, section, differences } = step;
        let release = Release::of(next.service());
        let (release, is_renewed) = match section {
            Some(section) if *section.release == release => (Arc::clone(&section.release), false),
            _ => (Arc::new(release), section.is_some()),
        };
        let mut candidates = section.map(|it| it.candidates.clone()).unwrap_or_default();
        if candidates.is_empty() {
            let came = differences.iter().filter_map(Difference::present);
            let came: Vec<_> = came.map(|node| self.new_node(node, &release)).collect();
            self.came.extend(came.iter().cloned());
            candidates = Sorted::from_ordered(came);
        } else {
            for difference in &differences {
                self.take_node(&mut candidates, difference, &release);
            }
        }
        if is_renewed {
            candidates = self.renew(&candidates, &release);
        }
        let cursor = section.map_or_else(Cursor::random, |section| section.cursor.carry_over());
        self.sections.push(Section { release, candidates, cursor });
    }

    fn take_node(
        &mut self,
        candidates: &mut Sorted<Arc<Candidate>>,
        difference: &Difference<'_, Arc<NodeInfo>>,
        release: &Arc<Release>,
    ) {
        match difference {
            Difference::Gone(node) => self.left.extend(candidates.take(&node.id)),
            Difference::Came(node) => {
                let candidate = self.new_node(node, release);
                candidates.put(Arc::clone(&candidate));
                self.came.push(candidate);
            }
            Difference::Changed(old, new) => {
                let Some(known) = candidates.find(&new.id).map(Arc::clone) else { return };
                let candidate = if is_same_process(old, new) {
                    Arc::new(known.renewed(NodeInfo::clone(new), Arc::clone(release)))
                } else {
                    self.replaced.push(Arc::clone(&known));
                    self.new_node(new, release)
                };
                self.seats.seat(known.seat() as usize, Arc::clone(&candidate));
                candidates.put(candidate);
            }
        }
    }

    /// The nodes of a version that is told of differently.
    fn renew(
        &mut self,
        candidates: &Sorted<Arc<Candidate>>,
        release: &Arc<Release>,
    ) -> Sorted<Arc<Candidate>> {
        let mut renewed = Vec::with_capacity(candidates.len());
        for known in candidates.iter() {
            if Arc::ptr_eq(known.release(), release) {
                renewed.push(Arc::clone(known));
                continue;
            }
            let candidate = known.renewed(known.node().clone(), Arc::clone(release));
            let candidate = Arc::new(candidate);
            self.seats.seat(known.seat() as usize, Arc::clone(&candidate));
            renewed.push(candidate);
        }
        Sorted::from_ordered(renewed)
    }

    fn new_node(&self, node: &NodeInfo, release: &Arc<Release>) -> Arc<Candidate> {
        let shared = Arc::clone(&self.previous.shared);
        let release = Arc::clone(release);
        Arc::new(Candidate::new(node.clone(), release, shared, self.warming_since))
    }
}

// ===== Seats and the ring =====

impl Succession<'_> {
    /// Gives free seats to those who came, and to the last ones if there are more free ones.
    fn sit_down(&mut self) {
        let mut free: Vec<_> = self.left.iter().map(|left| left.seat() as usize).collect();
        free.sort_unstable();
        let taken = free.len().min(self.came.len());
        let behind = self.seats.len()..;
        for (candidate, seat) in self.came.iter().zip(free.drain(..taken).chain(behind)) {
            self.seats.seat(seat, Arc::clone(candidate));
        }
        let length = self.seats.len() - free.len();
        let is_taken = |seat: &usize| free.binary_search(seat).is_err();
        let last: Vec<_> = (length..self.seats.len()).filter(is_taken).collect();
        for (seat, from) in free.iter().zip(last) {
            let Some(candidate) = self.seats.get(from).map(Arc::clone) else { continue };
            self.moved.push((Arc::clone(&candidate), candidate.seat()));
            self.seats.seat(*seat, candidate);
        }
        while self.seats.len() > length {
            self.seats.pop();
        }
    }

    /// The next ring, if picks need one: it is made before anybody sees the snapshot.
    fn ring(&self) -> OnceLock<Arc<Ring>> {
        let ring = self.previous.demand.follow(&self.previous.ring, |before| match before {
            Some(before) => self.ring_after(before),
            None => Arc::new(ring_of(&self.seats)),
        });
        ring.map_or_else(OnceLock::new, OnceLock::from)
    }

    fn ring_after(&self, ring: &Arc<Ring>) -> Arc<Ring> {
        let moved_from = self.moved.iter().map(|(moved, from)| (*from, moved.seed()));
        let left = self.left.iter().map(|left| (left.seat(), left.seed()));
        let left: Vec<_> = left.chain(moved_from).collect();
        let came = self.came.iter().chain(self.moved.iter().map(|(moved, _)| moved));
        let came: Vec<_> = came.map(|came| (came.seat(), came.seed())).collect();
        if left.is_empty() && came.is_empty() {
            return Arc::clone(ring);
        }
        if left.len() + came.len() > self.seats.len() / FEW {
            return Arc::new(ring_of(&self.seats));
        }
        let next = ring.successor(&left, &came, &|one, other| order(&self.seats, one, other));
        Arc::new(if next.is_well_cut() { next } else { ring_of(&self.seats) })
    }
}

impl Step<'_> {
    /// How many nodes of the previous snapshot are still there.
    fn kept(&self) -> usize {
        let is_lost = |difference: &&Difference<'_, Arc<NodeInfo>>| match difference {
            Difference::Gone(_) => true,
            Difference::Came(_) => false,
            Difference::Changed(old, new) => !is_same_process(old, new),
        };
        let known = self.section.map_or(0, |section| section.candidates.len());
        known.saturating_sub(self.differences.iter().filter(is_lost).count())
    }
}

/// Whether connections, load and health of one are those of the other.
fn is_same_process(one: &NodeInfo, other: &NodeInfo) -> bool {
    one.id == other.id && one.incarnation == other.incarnation && one.address == other.address
}

/// A ring is made anew when more than one of so many nodes came, left or moved.
const FEW: usize = 8;
