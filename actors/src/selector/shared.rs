//! What the nodes of one service have in common, from first to last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::time::Instant;

use super::load::Total;
use super::moment::{AtomicMoment, Moment};
use super::options::SelectorOptions;

/// What the nodes of one service have in common, from first to last.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: String,
    pub(super) options: SelectorOptions,
    pub(super) total: Total,
    /// Calls that have ended.
    pub(super) ended: AtomicU64,
    /// Whether nodes have been chosen by hash, which is what the total is for.
    is_hashed: AtomicBool,
    epoch: Instant,
    /// When something was last learnt about one of its nodes.
    pub(super) heard: AtomicMoment,
}

impl Shared {
    pub(super) fn new(service: String, options: SelectorOptions, epoch: Instant) -> Self {
        Self {
            service,
            options,
            total: Total::default(),
            ended: AtomicU64::new(0),
            is_hashed: AtomicBool::new(false),
            epoch,
            heard: AtomicMoment::default(),
        }
    }

    /// Has calls counted from now on.
    pub(super) fn count(&self) {
        if !self.is_hashed() {
            self.is_hashed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether calls are counted.
    pub(super) fn is_hashed(&self) -> bool {
        self.is_hashed.load(Ordering::Relaxed)
    }

    /// When something was last learnt about one of its nodes.
    pub(super) fn heard(&self) -> Moment {
        self.heard.load()
    }

    /// The moment that an instant is; what lies before the epoch counts as the epoch.
    pub(super) fn moment(&self, now: Instant) -> Moment {
        Moment::after_epoch(now.saturating_duration_since(self.epoch))
    }
}
