//! The memory of answered requests, on its way back to those who bring the next ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::Actor;
use parking_lot::Mutex;

use super::{Inbox, Job};

impl<A: Actor> Inbox<A> {
    /// Moves up to `most` answered requests of an endpoint to `spares`, so that their memory is used
    /// [again](Job::spare); at most 256, of all endpoints, are kept for that.
    pub fn take_spares(&self, endpoint: usize, most: usize, spares: &mut Vec<Box<dyn Job<A>>>) {
        self.shared.spares.take(endpoint, most, spares);
    }

    /// Gives back those of [`take_spares`](Self::take_spares) that were not needed.
    pub fn give_spares(&self, spares: &mut Vec<Box<dyn Job<A>>>) {
        self.shared.spares.give(spares);
    }

    /// Gives back memory that only a busy inbox needs.
    pub fn rest(&self) {
        self.shared.spares.rest();
    }
}

/// Requests that have been answered and are to be filled anew.
///
/// A batch of requests is more than the C library keeps at hand of any size, and so taking and giving
/// back the memory of one would cost more instructions than anything else that is done for it here.
/// They come back [`PORTION`] at a time, and are taken for a batch: a lock for each would cost as much
/// as it spares.
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
    /// Takes all of `jobs`; for those that there is no room for others are dropped, of the endpoint
    /// that has most.
    pub(super) fn give(&self, jobs: &mut Vec<Box<dyn Job<A>>>) {
        let mut displaced = Vec::new();
        {
            let mut kept = self.kept.lock();
            for job in jobs.drain(..) {
                displaced.extend(kept.put(job));
            }
            self.count.store(kept.count, Ordering::Relaxed);
        }
        drop(displaced);
    }

    /// Moves up to `most` of those of an endpoint to `jobs`.
    pub(super) fn take(&self, endpoint: usize, most: usize, jobs: &mut Vec<Box<dyn Job<A>>>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut kept = self.kept.lock();
        let Some(of_endpoint) = kept.of_endpoints.get_mut(endpoint) else { return };
        let left = of_endpoint.len().saturating_sub(most);
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
    /// Keeps it; what had to give way, which is itself where its endpoint has most.
    fn put(&mut self, job: Box<dyn Job<A>>) -> Option<Box<dyn Job<A>>> {
        let endpoint = job.endpoint();
        if endpoint >= ENDPOINTS_MOST {
            return Some(job);
        }
        if self.of_endpoints.len() <= endpoint {
            self.of_endpoints.resize_with(endpoint + 1, Vec::new);
        }
        self.of_endpoints[endpoint].push(job);
        self.count += 1;
        if self.count <= MOST {
            return None;
        }
        self.count -= 1;
        self.of_endpoints.iter_mut().max_by_key(|jobs| jobs.len())?.pop()
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

/// Endpoints whose requests are kept: those of this number on are dropped.
const ENDPOINTS_MOST: usize = 1024;

/// Requests that come back at a time.
pub(super) const PORTION: usize = 16;
