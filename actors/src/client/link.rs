//! The way to one node: one connection or a few per client arbiter, made when first used.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connection::Connection;
use super::shard::Shard;
use crate::supervisor::{Child, Restart};
use crate::transport::TransportError;
use crate::transport::outbox::Outbox;

/// The connections to one node: one, or a few, for each client arbiter.
#[derive(Default)]
pub struct Links {
    all: OnceLock<Box<[OnceLock<Arc<Link>>]>>,
    /// Its node has left the registry; for links made afterwards too.
    is_retired: Arc<AtomicBool>,
}

impl Links {
    /// The link of this place; made if need be.
    pub(crate) fn of(&self, place: LinkPlace, node: &str, address: &str) -> &Arc<Link> {
        let LinkPlace { index, count } = place;
        let links = self.all.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        links[index].get_or_init(|| Arc::new(Link::new(node, address, &self.is_retired)))
    }

    /// The node is gone: connections end as soon as nothing is in flight on them, although
    /// somebody may still look at an old list of nodes.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        for link in self.all.get().into_iter().flatten().filter_map(OnceLock::get) {
            link.outbox.wake();
        }
    }
}

/// Which of the links to a node: for each client arbiter its own, one or a few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkPlace {
    pub(super) index: usize,
    pub(super) count: usize,
}

/// The connection from one arbiter to one node, over all reconnections.
pub(crate) struct Link {
    node: String,
    address: String,
    /// Open while there is a connection.
    outbox: Arc<Outbox>,
    phase: Mutex<Phase>,
    changed: Notify,
    is_draining: AtomicBool,
    /// That of all links to the node.
    is_retired: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
enum Phase {
    /// Nobody has needed it, or it was closed because nobody did.
    Idle,
    Connecting,
    Open,
    /// The latest attempt failed; the next one comes by itself.
    Failed(Arc<TransportError>),
}

impl Link {
    fn new(node: &str, address: &str, is_retired: &Arc<AtomicBool>) -> Self {
        Self {
            node: node.to_owned(),
            address: address.to_owned(),
            outbox: Arc::new(Outbox::new(address)),
            phase: Mutex::new(Phase::Idle),
            changed: Notify::new(),
            is_draining: AtomicBool::new(false),
            is_retired: Arc::clone(is_retired),
        }
    }

    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Whether its node has left the registry.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Where calls are sent; it says itself whether there is a connection.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Waits until the connection is open; starts it if nobody has.
    pub(crate) async fn ready(
        self: &Arc<Self>,
        shard: &Arc<Shard>,
    ) -> Result<(), Arc<TransportError>> {
        loop {
            let changed = self.changed.notified();
            if !self.outbox.is_over() {
                return Ok(());
            }
            let must_start = {
                let mut phase = self.phase.lock();
                match &*phase {
                    Phase::Failed(error) => return Err(Arc::clone(error)),
                    Phase::Connecting | Phase::Open => false,
                    Phase::Idle => {
                        *phase = Phase::Connecting;
                        true
                    }
                }
            };
            if must_start {
                self.start(shard);
            }
            changed.await;
        }
    }

    fn start(self: &Arc<Self>, shard: &Arc<Shard>) {
        let (link, own) = (Arc::downgrade(self), Arc::clone(shard));
        let mut unstarted = Unstarted(Some(Arc::downgrade(self)));
        let child = Child::new(format!("connection to {}", self.address), move || {
            unstarted.disarm();
            Connection::new(link.clone(), Arc::clone(&own))
        });
        shard.pool.add_child(child.restart(Restart::Temporary).on(shard.arbiter.clone()));
    }

    // ===== For the connection =====

    pub(super) fn opened(&self) {
        self.is_draining.store(false, Ordering::Release);
        self.enter(Phase::Open);
    }

    /// The node drained and its connection is over; it goes on counting as draining.
    pub(super) fn left(&self) {
        self.enter(Phase::Failed(Arc::new(TransportError::Closed)));
    }

    pub(super) fn failed(&self, error: TransportError) {
        self.is_draining.store(false, Ordering::Release);
        self.enter(Phase::Failed(Arc::new(error)));
    }

    pub(super) fn closed(&self) {
        // Whoever connects anew finds out anew; until then the node itself is marked.
        self.is_draining.store(false, Ordering::Release);
        self.enter(Phase::Idle);
    }

    pub(super) fn drains(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock() = phase;
        self.changed.notify_waiters();
    }
}

/// Tells who waits when a connection is never started: its pool stops, or has stopped.
struct Unstarted(Option<Weak<Link>>);

impl Unstarted {
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(link) = self.0.take().and_then(|link| link.upgrade()) {
            let reason = String::from("this system is stopping");
            link.failed(TransportError::Connect { address: link.address.clone(), reason });
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("phase", &*self.phase.lock())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.all.get().into_iter().flatten().filter_map(OnceLock::get);
        f.debug_list().entries(links).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_made_late_is_retired_too() {
        let links = Links::default();
        let of = |index| Arc::clone(links.of(LinkPlace { index, count: 2 }, "a", "memory:a"));
        let early = of(0);
        assert!(!early.is_retired());
        links.retire();
        assert!(early.is_retired() && of(1).is_retired());
    }
}
