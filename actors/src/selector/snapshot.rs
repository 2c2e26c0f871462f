//! The nodes of a service at one point in time.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::candidate::{Candidate, Release, Shared};
use super::ring::{Ring, RingDemand};
use crate::registry::Freshness;

/// The nodes of a service at one point in time; immutable but for load and health.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) candidates: Box<[Arc<Candidate>]>,
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
            candidates: Box::default(),
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
    pub fn candidates(&self) -> &[Arc<Candidate>] {
        &self.candidates
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
        self.sections.iter().filter_map(move |section| {
            let nodes = &self.candidates[section.range.clone()];
            let index = nodes.binary_search_by(|known| known.node().id.as_str().cmp(id)).ok()?;
            Some(&nodes[index])
        })
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
        self.demand.make(&self.ring, || {
            let seeds = self.candidates.iter().map(|candidate| candidate.seed());
            Ring::new((0..).zip(seeds))
        })
    }
}

/// The nodes of one version within all nodes.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) release: Arc<Release>,
    pub(super) range: Range<usize>,
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
        Self(AtomicUsize::new(self.0.load(Ordering::Relaxed)))
    }

    /// The next of `count` indexes.
    pub(super) fn next(&self, count: usize) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % count
    }

    /// Takes back the latest turn.
    pub(super) fn back(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More versions than that are looked at node by node.
const FEW_VERSIONS: usize = 4;
