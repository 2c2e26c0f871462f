//! The way to one node: one connection or a few per client arbiter, made when first used.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwapOption;
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
}

impl Links {
    /// The link of this index among `count`; made if need be.
    pub(crate) fn of(&self, index: usize, count: usize, node: &str, address: &str) -> &Arc<Link> {
        let links = self.all.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        links[index].get_or_init(|| Arc::new(Link::new(node, address)))
    }
}

/// The connection from one arbiter to one node, over all reconnections.
pub(crate) struct Link {
    node: String,
    address: String,
    /// Set while the connection is open.
    open: ArcSwapOption<Outbox>,
    phase: Mutex<Phase>,
    changed: Notify,
    is_draining: AtomicBool,
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
    fn new(node: &str, address: &str) -> Self {
        Self {
            node: node.to_owned(),
            address: address.to_owned(),
            open: ArcSwapOption::empty(),
            phase: Mutex::new(Phase::Idle),
            changed: Notify::new(),
            is_draining: AtomicBool::new(false),
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

    /// The open connection, if there is one; wait-free.
    pub(crate) fn outbox(&self) -> arc_swap::Guard<Option<Arc<Outbox>>> {
        self.open.load()
    }

    /// Waits until the connection is open; starts it if nobody has.
    pub(crate) async fn ready(
        self: &Arc<Self>,
        shard: &Arc<Shard>,
    ) -> Result<Arc<Outbox>, Arc<TransportError>> {
        loop {
            let changed = self.changed.notified();
            if let Some(outbox) = &*self.open.load() {
                return Ok(Arc::clone(outbox));
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

    pub(super) fn opened(&self, outbox: &Arc<Outbox>) {
        self.is_draining.store(false, Ordering::Release);
        self.open.store(Some(Arc::clone(outbox)));
        self.enter(Phase::Open);
    }

    /// The node drained and its connection is over; it goes on counting as draining.
    pub(super) fn left(&self) {
        self.open.store(None);
        self.enter(Phase::Failed(Arc::new(TransportError::Closed)));
    }

    pub(super) fn failed(&self, error: TransportError) {
        self.open.store(None);
        self.is_draining.store(false, Ordering::Release);
        self.enter(Phase::Failed(Arc::new(error)));
    }

    pub(super) fn closed(&self) {
        self.open.store(None);
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
