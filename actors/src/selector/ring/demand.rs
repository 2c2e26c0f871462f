//! Whether the nodes of a service need a ring, and who makes it.
//!
//! Snapshots come and go faster than a large ring is made, so that the demand belongs to the
//! service: once a call went by key, every further snapshot comes with its ring.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Ring;

/// Whether a service needs a ring; shared by its snapshots and their writer.
#[derive(Debug)]
pub(in crate::selector) struct RingDemand {
    is_wanted: AtomicBool,
    /// Held by the one thread that makes a ring.
    making: Mutex<()>,
    none: Ring,
}

impl RingDemand {
    /// The ring of a snapshot, which is made here unless another thread makes one; then an empty
    /// one. Never waits.
    pub(in crate::selector) fn make<'a>(
        &'a self,
        ring: &'a OnceLock<Arc<Ring>>,
        make: impl FnOnce() -> Ring,
    ) -> &'a Ring {
        self.is_wanted.store(true, Ordering::Release);
        let Some(_making) = self.making.try_lock() else { return &self.none };
        ring.get_or_init(|| Arc::new(make()))
    }

    /// The ring of the next snapshot, if one is needed; `next` makes it of the `previous` one.
    pub(in crate::selector) fn follow(
        &self,
        previous: &OnceLock<Arc<Ring>>,
        next: impl FnOnce(Option<&Arc<Ring>>) -> Arc<Ring>,
    ) -> Option<Arc<Ring>> {
        if !self.is_wanted.load(Ordering::Acquire) {
            return None;
        }
        // One that is being made is waited for: what follows from it costs less than another one.
        let _making = self.making.lock();
        Some(next(previous.get()))
    }
}

impl Default for RingDemand {
    fn default() -> Self {
        let (is_wanted, making) = (AtomicBool::new(false), Mutex::new(()));
        Self { is_wanted, making, none: Ring::new([], &|one, other| one.cmp(&other)) }
    }
}

#[cfg(test)]
impl RingDemand {
    /// Acts as a thread that makes a ring while `meanwhile` runs.
    pub(in crate::selector) fn while_making<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let _making = self.making.lock();
        meanwhile()
    }
}
