//! The nodes of a service at one point in time.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::candidate::Candidate;
use super::places::Places;
use super::release::Release;
use super::ring::{Ring, RingDemand};
use super::seats::Seats;
use super::shared::Shared;
use crate::registry::Freshness;
use crate::sorted::Sorted;

/// The nodes of a service at one point in time; immutable but for load and health.
#[derive(Debug)]
pub struct Snapshot {
    /// All nodes in no order, for picks.
    pub(super) seats: Seats,
    /// The versions, in order.
    pub(super) sections: Box<[Section]>,
    pub(super) cursor: Cursor,
    pub(super) ring: OnceLock<Arc<Ring>>,
    /// Shared by all snapshots of the service.
    pub(super) demand: Arc<RingDemand>,
    pub(super) shared: Arc<Shared>,
    pub(super) revision: u64,
    pub(super) freshness: Freshness,
}

impl Snapshot {
    /// A snapshot of a service of which nothing is known yet.
    pub(super) fn empty(shared: Arc<Shared>) -> Self {
        Self {
            seats: Seats::default(),
            sections: Box::default(),
            cursor: Cursor::random(),
            ring: OnceLock::new(),
            demand: Arc::default(),
            shared,
            revision: 0,
            freshness: Freshness::Stale,
        }
    }

    /// All nodes, ordered by version, then by id.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.sections.iter().flat_map(|section| section.candidates.iter())
    }

    /// The node of an index in that order.
    pub fn candidate(&self, index: usize) -> Option<&Arc<Candidate>> {
        let mut index = index;
        for section in &self.sections {
            match index.checked_sub(section.candidates.len()) {
                None => return section.candidates.get(index),
                Some(rest) => index = rest,
            }
        }
        None
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seats.len() == 0
    }

    /// The only node there is, if all is well with it.
    #[inline]
    pub(crate) fn sole(&self) -> Option<&Arc<Candidate>> {
        Places::All(&self.seats).sole()
    }

    /// The revision of the view it was made from; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the registry still confirms it.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// The node of this id; one per version, should it run several.
    pub fn node<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Candidate>> {
        self.sections.iter().filter_map(move |section| section.candidates.find(id))
    }

    /// Whether every node answers this endpoint, as far as a look at a few versions can tell.
    pub(super) fn all_answer(&self, endpoint: &str) -> bool {
        self.sections.len() <= FEW_VERSIONS
            && self.sections.iter().all(|section| section.release.answers(endpoint))
    }

    /// The nodes of a version.
    pub(super) fn section(&self, version: &str) -> Option<&Section> {
        let order = |section: &Section| section.release.version.as_str().cmp(version);
        let index = self.sections.binary_search_by(order).ok()?;
        Some(&self.sections[index])
    }

    /// The hash ring, or an empty one while another thread makes it.
    ///
    /// The first call by key makes it (10,000 nodes: some 50 ms) and has every further snapshot
    /// come with its own. Picks that find an empty one search all nodes meanwhile.
    pub(super) fn ring(&self) -> &Ring {
        if let Some(ring) = self.ring.get() {
            return ring;
        }
        self.demand.make(&self.ring, || ring_of(&self.seats))
    }
}

/// The ring of all nodes, whose owners are their seats.
pub(super) fn ring_of(seats: &Seats) -> Ring {
    let seeds = seats.iter_from(0).map(|candidate| candidate.seed());
    Ring::new((0..).zip(seeds), &|one, other| order(seats, one, other))
}

/// Which of two nodes comes first: the same for all callers, wherever they have them sit.
pub(super) fn order(seats: &Seats, one: u32, other: u32) -> Ordering {
    let key = |seat: u32| {
        let candidate = seats.get(seat as usize);
        candidate.map(|candidate| (candidate.version(), &candidate.node().id))
    };
    key(one).cmp(&key(other))
}

/// The nodes of one version.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) release: Arc<Release>,
    pub(super) candidates: Sorted<Arc<Candidate>>,
    /// Of its own: were it shared, two callers who alternate between two versions would each see
    /// only every other node of theirs.
    pub(super) cursor: Cursor,
}

/// Where round robin stands; alone on its cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Cursor(AtomicUsize);

impl Cursor {
    /// Begins anywhere, so that many new callers do not begin at the same node.
    pub(super) fn random() -> Self {
        Self(AtomicUsize::new(rand::random::<u32>() as usize))
    }

    /// Goes on where this one stands.
    pub(super) fn carry_over(&self) -> Self {
        Self(AtomicUsize::new(self.0.load(Relaxed)))
    }

    /// The next of `count` indexes.
    pub(super) fn next(&self, count: usize) -> usize {
        self.0.fetch_add(1, Relaxed) % count
    }

    /// Takes back the latest turn.
    pub(super) fn back(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// More versions than that are looked at node by node.
const FEW_VERSIONS: usize = 4;
