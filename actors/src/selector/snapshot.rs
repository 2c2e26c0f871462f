//! The nodes of a service at one point in time.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::candidate::{Candidate, Release, Shared};
use super::ring::Ring;
use crate::registry::Freshness;

/// The nodes of a service at one point in time; immutable but for load and health.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) candidates: Box<[Arc<Candidate>]>,
    pub(super) sections: Box<[Section]>,
    pub(super) cursor: Cursor,
    pub(super) ring: OnceLock<Arc<Ring>>,
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

    /// The nodes of a version.
    pub(super) fn section(&self, version: &str) -> Option<&Section> {
        let order = |section: &Section| section.release.version.as_str().cmp(version);
        let index = self.sections.binary_search_by(order).ok()?;
        Some(&self.sections[index])
    }

    /// The hash ring; built when first asked for.
    ///
    /// The first call by key pays for it (10,000 nodes: some 50 ms); from then on the writer
    /// prepares the ring of each further snapshot before it publishes it.
    pub(super) fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| {
            let seeds = self.candidates.iter().map(|candidate| candidate.seed());
            Arc::new(Ring::new((0..).zip(seeds)))
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
}
