//! The nodes of one service: what callers hold, and how it follows the registry.

mod succession;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::succession::Succession;
use super::options::SelectorOptions;
use super::plain::PlainRoutes;
use super::recent::with_recent;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::registry::{Catalogue, Freshness, Service, ServiceView, VersionView};

/// The nodes of one service, kept up to date by the [`Selector`](super::Selector).
///
/// Callers ask for it once with [`NodesOf`](super::NodesOf) and hold on to it.
#[derive(Debug)]
pub struct ServiceNodes {
    /// Distinguishes it from all others of the process.
    number: u64,
    snapshot: ArcSwap<Snapshot>,
    /// Grows after each change of the snapshot.
    version: AtomicU64,
    shared: Arc<Shared>,
    /// What the snapshot shows; whoever has the lock makes the next one.
    writer: Mutex<Vec<VersionView>>,
}

impl ServiceNodes {
    /// Creates a service of which nothing is known yet.
    pub fn new(service: impl Into<String>, options: SelectorOptions, now: Instant) -> Self {
        let shared = Arc::new(Shared::new(service.into(), options, now));
        let snapshot = ArcSwap::from_pointee(Snapshot::empty(Arc::clone(&shared)));
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { number, snapshot, version: AtomicU64::new(0), shared, writer: Mutex::default() }
    }

    /// Creates a service with nodes that no registry follows, with default options.
    pub fn fixed(service: impl Into<String>, versions: Vec<Service>) -> Self {
        let now = Instant::now();
        let nodes = Self::new(service, SelectorOptions::default(), now);
        nodes.publish(&ServiceView::new(nodes.service(), versions), now);
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

    /// Hands `look` the nodes now; cheaper than [`load`](Self::load) for a thread that looks often.
    ///
    /// A thread remembers what it has looked at, so a snapshot lives on until it looks again.
    pub fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        self.look_and_note(|snapshot, _| look(snapshot))
    }

    /// The same with what this thread has noted of these very nodes.
    #[inline]
    pub(crate) fn look_and_note<T>(&self, look: impl FnOnce(&Snapshot, &PlainRoutes) -> T) -> T {
        let version = self.version.load(Ordering::Acquire);
        with_recent(self.number, version, || self.snapshot.load_full(), look)
    }

    /// Calls to its nodes that have ended, further attempts included.
    pub fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// Makes a view of the registry visible to callers.
    ///
    /// Costs little more with many nodes than with few, where the view shares what did not change
    /// with the one before, as those of a [`Watcher`](crate::registry::Watcher) do; else one pass
    /// over the nodes. Picks go on meanwhile. Nodes beyond [`SelectorOptions::nodes`] are left out.
    pub fn publish(&self, view: &ServiceView, now: Instant) {
        let mut known = self.writer.lock();
        let previous = self.snapshot.load_full();
        if view.revision < previous.revision() {
            // Views come by two ways: from the watcher, and with the answer to a lookup.
            return;
        }
        let next = self.within_limit(view);
        let succession = Succession::of(&previous, &known, &next, self.shared.moment(now));
        let gone = succession.gone();
        self.snapshot.store(Arc::new(succession.into_snapshot(view)));
        self.version.fetch_add(1, Ordering::Release);
        *known = next;
        for candidate in gone {
            candidate.links.retire();
        }
    }

    /// The versions of a view in order, each once, without the nodes beyond the limit.
    fn within_limit(&self, view: &ServiceView) -> Vec<VersionView> {
        let mut room = self.shared.options.nodes;
        let mut versions = Vec::with_capacity(view.versions.len());
        for version in in_order(&view.versions).iter() {
            let shown = version.len().min(room);
            room -= shown;
            if shown < version.len() {
                let (name, left_out) = (&view.name, version.len() - shown);
                tracing::warn!(service = %name, left_out, "more nodes than the selector may hold");
            }
            match shown {
                0 => {}
                _ if shown == version.len() => versions.push(version.clone()),
                _ => versions.push(version.truncated(shown)),
            }
        }
        versions
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

/// Versions in order, each once; as they are if they are so, as those of a
/// [`Watcher`](crate::registry::Watcher) are.
fn in_order(versions: &[VersionView]) -> Cow<'_, [VersionView]> {
    if versions.is_sorted_by(|one, other| one.service().version < other.service().version) {
        return Cow::Borrowed(versions);
    }
    let records = versions.iter().map(VersionView::record);
    Cow::Owned(Catalogue::new(records).into_versions())
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests;
