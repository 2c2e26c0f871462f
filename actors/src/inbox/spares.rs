//! The memory of answered requests, on its way back to those who bring the next ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::Actor;
use parking_lot::Mutex;

use super::Job;

/// Requests that have been answered and are to be filled anew.
///
/// A batch of requests is more than the C library keeps at hand of any size, and so taking and giving
/// back the memory of one would cost more instructions than anything else that is done for it here.
/// They come and go [`PORTION`] at a time: a lock for each would cost as much as it spares.
pub(super) struct Spares<A: Actor> {
    jobs: Mutex<Vec<Box<dyn Job<A>>>>,
    /// How many there are; read without the lock by those who find none.
    count: AtomicUsize,
}

impl<A: Actor> Spares<A> {
    /// Takes all of `jobs` that there is room for, and drops the others.
    pub(super) fn give(&self, jobs: &mut Vec<Box<dyn Job<A>>>) {
        {
            let mut spares = self.jobs.lock();
            let room = MOST.saturating_sub(spares.len()).min(jobs.len());
            spares.extend(jobs.drain(..room));
            self.count.store(spares.len(), Ordering::Relaxed);
        }
        jobs.clear();
    }

    /// Moves a portion to `jobs`; those that were answered last, which a processor still knows.
    pub(super) fn take(&self, jobs: &mut Vec<Box<dyn Job<A>>>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut spares = self.jobs.lock();
        let left = spares.len().saturating_sub(PORTION);
        jobs.extend(spares.drain(left..));
        self.count.store(left, Ordering::Relaxed);
    }

    /// Gives all memory back.
    pub(super) fn rest(&self) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let spares = {
                let mut spares = self.jobs.lock();
                self.count.store(0, Ordering::Relaxed);
                std::mem::take(&mut *spares)
            };
            drop(spares);
        }
    }
}

impl<A: Actor> Default for Spares<A> {
    fn default() -> Self {
        Self { jobs: Mutex::default(), count: AtomicUsize::new(0) }
    }
}

/// Requests kept for one inbox: two portions of a connection.
const MOST: usize = 256;

/// Requests that change hands at a time.
pub(super) const PORTION: usize = 16;
