//! Counts the answers to one event that has several subscribers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::{Acknowledgement, Published};

/// The answers to one event; tells the sum once all are there.
pub(super) struct Tally {
    acknowledged: AtomicU32,
    failed: AtomicU32,
    refused: AtomicU32,
    /// Answers that are missing.
    open: AtomicU32,
    then: Mutex<Option<Then>>,
}

type Then = Box<dyn FnOnce(Published) + Send>;

impl Tally {
    /// Begins to count `expected` answers; `then` is called once, when the last one is there.
    pub(super) fn new(expected: u32, then: impl FnOnce(Published) + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            acknowledged: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            open: AtomicU32::new(expected),
            then: Mutex::new(Some(Box::new(then))),
        })
    }

    pub(super) fn count(&self, answer: Acknowledgement) {
        let counter = match answer {
            Acknowledgement::Acknowledged => &self.acknowledged,
            Acknowledgement::Failed => &self.failed,
            Acknowledgement::Refused => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // Whoever sees that nothing is open sees all that was counted before.
        if self.open.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let then = self.then.lock().take();
        if let Some(then) = then {
            then(self.counted());
        }
    }

    /// The answers until now; those that are missing count as failed, as nobody knows.
    pub(super) fn so_far(&self) -> Published {
        let open = self.open.load(Ordering::Acquire);
        let counted = self.counted();
        Published { failed: counted.failed.saturating_add(open), ..counted }
    }

    fn counted(&self) -> Published {
        Published {
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("open", &self.open).finish_non_exhaustive()
    }
}
