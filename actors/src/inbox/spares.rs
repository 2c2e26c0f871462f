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
    kept: Mutex<Kept<A>>,
    /// How many there are; read without the lock by those who find none.
    count: AtomicUsize,
}

struct Kept<A: Actor> {
    /// By endpoint: the requests of one are of one type, and of one size.
    of_endpoints: Vec<Vec<Box<dyn Job<A>>>>,
    count: usize,
}

impl<A: Actor> Spares<A> {
    /// Takes those of `jobs` that there is room for, and drops the others.
    pub(super) fn give(&self, jobs: &mut Vec<Box<dyn Job<A>>>) {
        {
            let mut kept = self.kept.lock();
            while kept.count < MOST
                && let Some(job) = jobs.pop()
            {
                kept.put(job);
            }
            self.count.store(kept.count, Ordering::Relaxed);
        }
        jobs.clear();
    }

    /// Moves a portion of those of an endpoint to `jobs`.
    pub(super) fn take(&self, endpoint: usize, jobs: &mut Vec<Box<dyn Job<A>>>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut kept = self.kept.lock();
        let Some(of_endpoint) = kept.of_endpoints.get_mut(endpoint) else { return };
        let left = of_endpoint.len().saturating_sub(PORTION);
        let taken = of_endpoint.len() - left;
        // Those that came last, which a processor still knows.
        jobs.extend(of_endpoint.drain(left..));
        kept.count -= taken;
        self.count.store(kept.count, Ordering::Relaxed);
    }

    /// Gives all memory back.
    pub(super) fn rest(&self) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let kept = {
                let mut kept = self.kept.lock();
                self.count.store(0, Ordering::Relaxed);
                std::mem::take(&mut *kept)
            };
            drop(kept);
        }
    }
}

impl<A: Actor> Kept<A> {
    fn put(&mut self, job: Box<dyn Job<A>>) {
        let endpoint = job.endpoint();
        if self.of_endpoints.len() <= endpoint {
            self.of_endpoints.resize_with(endpoint + 1, Vec::new);
        }
        self.of_endpoints[endpoint].push(job);
        self.count += 1;
    }
}

impl<A: Actor> Default for Spares<A> {
    fn default() -> Self {
        Self { kept: Mutex::default(), count: AtomicUsize::new(0) }
    }
}

impl<A: Actor> Default for Kept<A> {
    fn default() -> Self {
        Self { of_endpoints: Vec::new(), count: 0 }
    }
}

/// Requests kept for one inbox: two portions of a connection.
const MOST: usize = 256;

/// Requests that change hands at a time.
pub(super) const PORTION: usize = 16;
