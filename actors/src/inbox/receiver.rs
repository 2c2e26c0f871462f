//! The actor's side of an inbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use actix::prelude::Actor;

use super::Job;
use super::cancels::Cancels;
use super::queue::{Entry, Shared};
use crate::contain::contain;
use crate::deadline::Deadline;
use crate::message::Refusal;

/// The actor's side of its inbox; survives restarts.
pub(crate) struct InboxReceiver<A: Actor> {
    shared: Arc<Shared<A>>,
    taken: VecDeque<Entry<A>>,
    lanes: Vec<Lane<A>>,
    /// Held back before, may start now.
    unblocked: VecDeque<Entry<A>>,
}

/// The concurrency of one endpoint.
struct Lane<A: Actor> {
    limit: usize,
    /// Being handled, or in `unblocked` with a place of their own.
    running: usize,
    /// Only when all places are taken.
    held_back: VecDeque<Entry<A>>,
}

impl<A: Actor> Lane<A> {
    fn new(limit: usize) -> Self {
        // None at all would hold requests back for ever.
        Self { limit: limit.max(1), running: 0, held_back: VecDeque::new() }
    }
}

/// What an inbox has next.
pub(crate) enum Next<A: Actor> {
    /// A request to run; [`InboxReceiver::answered`] must follow.
    Run(Box<dyn Job<A>>),
    /// One was dropped because it had expired.
    Expired,
    /// Nothing to do now.
    Empty,
}

impl<A: Actor> InboxReceiver<A> {
    pub(super) fn new(shared: Arc<Shared<A>>, concurrency: Vec<usize>) -> Self {
        let lanes = concurrency.into_iter().map(Lane::new).collect();
        Self { shared, taken: VecDeque::new(), lanes, unblocked: VecDeque::new() }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.shared.wake.register(waker);
    }

    pub(crate) fn next(&mut self) -> Next<A> {
        let Some(entry) = self.unblocked.pop_front().or_else(|| self.take_runnable()) else {
            return Next::Empty;
        };
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        // The clock is read for each request: the handler before may have taken any time.
        if entry.job.deadline().is_some_and(Deadline::has_passed) {
            let endpoint = entry.job.endpoint();
            refuse(entry, Refusal::Expired);
            self.answered(endpoint);
            return Next::Expired;
        }
        Next::Run(entry.job)
    }

    /// Whether [`next`](Self::next) may have something.
    pub(crate) fn has_more(&self) -> bool {
        !self.unblocked.is_empty()
            || !self.taken.is_empty()
            || !self.shared.queue.lock().entries.is_empty()
    }

    /// Whether a request that had been held back may start now.
    pub(crate) fn is_unblocked(&self) -> bool {
        !self.unblocked.is_empty()
    }

    /// Frees the place of an answered request of this endpoint.
    pub(crate) fn answered(&mut self, endpoint: usize) {
        self.leave(endpoint);
        self.shared.finished();
    }

    /// Gives up a place; the next request of this endpoint gets it.
    fn leave(&mut self, endpoint: usize) {
        if let Some(lane) = self.lanes.get_mut(endpoint) {
            match lane.held_back.pop_front() {
                Some(entry) => self.unblocked.push_back(entry),
                None => lane.running -= 1,
            }
        }
    }

    /// Takes the cancellations that arrived, drops what they name of the queue, and returns them
    /// for what is running already, with the number dropped.
    pub(crate) fn take_cancels(&mut self) -> (Cancels, u64) {
        let cancels = {
            let mut queue = self.shared.queue.lock();
            if queue.cancels.is_empty() {
                return (Cancels::default(), 0);
            }
            self.taken.append(&mut queue.entries);
            std::mem::take(&mut queue.cancels)
        };
        let mut doomed = Vec::new();
        for lane in &mut self.lanes {
            split_off(&mut lane.held_back, &cancels, &mut doomed);
        }
        split_off(&mut self.taken, &cancels, &mut doomed);
        let without_place = doomed.len();
        split_off(&mut self.unblocked, &cancels, &mut doomed);
        for entry in &doomed[without_place..] {
            self.leave(entry.job.endpoint());
        }
        let dropped = doomed.len() as u64;
        for entry in doomed {
            self.refuse_queued_one(entry, Refusal::Cancelled);
        }
        (cancels, dropped)
    }

    /// Refuses everything that has not been started.
    pub(crate) fn refuse_queued(&mut self) {
        let entries = std::mem::take(&mut self.shared.queue.lock().entries);
        let mut rest: Vec<_> =
            self.lanes.iter_mut().flat_map(|lane| lane.held_back.drain(..)).collect();
        let without_place = rest.len();
        rest.extend(self.unblocked.drain(..));
        for entry in &rest[without_place..] {
            self.leave(entry.job.endpoint());
        }
        rest.extend(self.taken.drain(..));
        for entry in rest.into_iter().chain(entries) {
            self.refuse_queued_one(entry, Refusal::Draining);
        }
    }

    fn refuse_queued_one(&self, entry: Entry<A>, refusal: Refusal) {
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        refuse(entry, refusal);
        self.shared.finished();
    }

    fn take_runnable(&mut self) -> Option<Entry<A>> {
        loop {
            if self.taken.is_empty() {
                // One lock for a batch; a small one, so that the age of the queue's head stays true.
                let mut queue = self.shared.queue.lock();
                let count = queue.entries.len().min(BATCH);
                self.taken.extend(queue.entries.drain(..count));
            }
            let entry = self.taken.pop_front()?;
            match self.lanes.get_mut(entry.job.endpoint()) {
                Some(lane) if lane.running >= lane.limit => lane.held_back.push_back(entry),
                Some(lane) => {
                    lane.running += 1;
                    return Some(entry);
                }
                None => return Some(entry),
            }
        }
    }
}

impl<A: Actor> Drop for InboxReceiver<A> {
    // The actor is gone for good: everything is refused, now and from now on.
    fn drop(&mut self) {
        self.shared.queue.lock().is_closed = true;
        self.refuse_queued();
    }
}

/// Moves what was cancelled from `entries` to `doomed`.
fn split_off<A: Actor>(
    entries: &mut VecDeque<Entry<A>>,
    cancels: &Cancels,
    doomed: &mut Vec<Entry<A>>,
) {
    if entries.iter().any(|entry| cancels.name(entry.job.key())) {
        let all = std::mem::take(entries).into_iter();
        let (cancelled, kept) =
            all.partition::<VecDeque<_>, _>(|entry| cancels.name(entry.job.key()));
        *entries = kept;
        doomed.extend(cancelled);
    }
}

/// Its drop belongs to others, like its answer: neither may keep the rest from being answered.
fn refuse<A: Actor>(mut entry: Entry<A>, refusal: Refusal) {
    let refused = contain(move || {
        entry.job.refuse(refusal);
        drop(entry);
    });
    if let Err(panic) = refused {
        tracing::error!(%panic, "a request panicked when it was refused");
    }
}

/// Requests taken from the queue under one lock.
const BATCH: usize = 64;
