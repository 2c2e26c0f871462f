//! The bounded queue behind an inbox.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use actix::prelude::Actor;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{InboxStatus, Job, JobKey};
use crate::deadline::Deadline;
use crate::message::Refusal;

/// Limits of an inbox.
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// Requests that may wait; one more is refused as overloaded. Default 1,024.
    pub capacity: usize,
    /// For each endpoint, how many of its requests may be handled at the same time.
    ///
    /// Empty, or `usize::MAX` for an endpoint: no limit. What exceeds it waits in the queue.
    pub concurrency: Vec<usize>,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self { capacity: 1024, concurrency: Vec::new() }
    }
}

/// The sending side of an actor's second inbox; cheap to clone.
///
/// See [`ChildSpec::with_inbox`](crate::supervisor::ChildSpec::with_inbox).
pub struct Inbox<A: Actor> {
    shared: Arc<Shared<A>>,
}

struct Shared<A: Actor> {
    queue: Mutex<Queue<A>>,
    capacity: usize,
    /// Not started: in the queue, or held back by the actor for a limit.
    queued: AtomicUsize,
    /// Not answered.
    pending: AtomicUsize,
    wake: AtomicWaker,
    idle: Notify,
}

struct Queue<A: Actor> {
    entries: VecDeque<Entry<A>>,
    cancels: Vec<(u64, Option<u64>)>,
    is_closed: bool,
}

pub(crate) struct Entry<A: Actor> {
    pub(crate) job: Box<dyn Job<A>>,
    since: Instant,
}

impl<A: Actor> Inbox<A> {
    pub(crate) fn new(options: InboxOptions) -> (Self, InboxReceiver<A>) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                cancels: Vec::new(),
                is_closed: false,
            }),
            capacity: options.capacity,
            queued: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            wake: AtomicWaker::new(),
            idle: Notify::new(),
        });
        let lanes = options.concurrency.into_iter().map(Lane::new).collect();
        let receiver = InboxReceiver {
            shared: Arc::clone(&shared),
            taken: VecDeque::new(),
            lanes,
            unblocked: VecDeque::new(),
        };
        (Self { shared }, receiver)
    }

    /// Queues all of `jobs`, which is left empty; wakes the actor once.
    ///
    /// What does not fit is refused as [`Refusal::Overloaded`], and everything as
    /// [`Refusal::Draining`] once the actor is gone for good.
    pub fn push(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) {
        if jobs.is_empty() {
            return;
        }
        let (was_empty, is_closed) = self.shared.append(jobs, now);
        if was_empty {
            self.shared.wake.wake();
        }
        if !jobs.is_empty() {
            let refusal = if is_closed {
                Refusal::Draining
            } else {
                Refusal::Overloaded { retry_after: self.shared.retry_after(now) }
            };
            // Outside the lock: an answer takes the lock of a connection.
            for mut job in jobs.drain(..) {
                job.refuse(refusal);
            }
        }
    }

    /// Requests queued and not started.
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Queues one request.
    pub fn push_one(&self, job: Box<dyn Job<A>>, now: Instant) {
        let mut jobs = vec![job];
        self.push(&mut jobs, now);
    }

    /// The part of it that does not depend on the actor's type.
    pub fn status(&self) -> Arc<dyn InboxStatus>
    where
        A: 'static,
    {
        Arc::clone(&self.shared) as Arc<dyn InboxStatus>
    }
}

impl<A: Actor> Shared<A> {
    fn append(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) -> (bool, bool) {
        let mut queue = self.queue.lock();
        let room = if queue.is_closed {
            0
        } else {
            self.capacity.saturating_sub(self.queued.load(Ordering::Relaxed))
        };
        let count = room.min(jobs.len());
        let was_empty = queue.entries.is_empty() && count > 0;
        self.queued.fetch_add(count, Ordering::Relaxed);
        self.pending.fetch_add(count, Ordering::Relaxed);
        queue.entries.extend(jobs.drain(..count).map(|job| Entry { job, since: now }));
        (was_empty, queue.is_closed)
    }

    /// The queue needs about as long to drain as its head has waited already.
    fn retry_after(&self, now: Instant) -> Duration {
        let waited = self.head_age_at(now).unwrap_or_default();
        waited.clamp(RETRY_AFTER_LEAST, RETRY_AFTER_MOST)
    }

    fn head_age_at(&self, now: Instant) -> Option<Duration> {
        let queue = self.queue.lock();
        queue.entries.front().map(|entry| now.saturating_duration_since(entry.since))
    }

    fn finished(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

impl<A: Actor + 'static> InboxStatus for Shared<A> {
    fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    fn head_age(&self, now: Instant) -> Option<Duration> {
        self.head_age_at(now)
    }

    fn cancel(&self, origin: u64, id: Option<u64>) {
        if self.pending.load(Ordering::Acquire) > 0 {
            self.queue.lock().cancels.push((origin, id));
            self.wake.wake();
        }
    }

    fn idle(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            loop {
                let notified = self.idle.notified();
                if self.pending() == 0 {
                    return;
                }
                notified.await;
            }
        })
    }
}

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
    running: usize,
    held_back: VecDeque<Entry<A>>,
}

impl<A: Actor> Lane<A> {
    fn new(limit: usize) -> Self {
        Self { limit, running: 0, held_back: VecDeque::new() }
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
    pub(crate) fn register(&self, waker: &Waker) {
        self.shared.wake.register(waker);
    }

    pub(crate) fn next(&mut self) -> Next<A> {
        let Some(mut entry) = self.unblocked.pop_front().or_else(|| self.take_runnable()) else {
            return Next::Empty;
        };
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        // The clock is read for each request: the handler before may have taken any time.
        if entry.job.deadline().is_some_and(Deadline::has_passed) {
            entry.job.refuse(Refusal::Expired);
            self.shared.finished();
            return Next::Expired;
        }
        if let Some(lane) = self.lanes.get_mut(entry.job.endpoint()) {
            lane.running += 1;
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
        if let Some(lane) = self.lanes.get_mut(endpoint) {
            lane.running -= 1;
            if lane.running < lane.limit
                && let Some(entry) = lane.held_back.pop_front()
            {
                self.unblocked.push_back(entry);
            }
        }
        self.shared.finished();
    }

    /// Takes the cancellations that arrived, drops what they name of the queue, and returns them
    /// for what is running already, with the number dropped.
    pub(crate) fn take_cancels(&mut self) -> (Vec<(u64, Option<u64>)>, u64) {
        let cancels = {
            let mut queue = self.shared.queue.lock();
            if queue.cancels.is_empty() {
                return (Vec::new(), 0);
            }
            self.taken.append(&mut queue.entries);
            std::mem::take(&mut queue.cancels)
        };
        let mut dropped = 0;
        let held_back = self.lanes.iter_mut().map(|lane| &mut lane.held_back);
        for entries in held_back.chain([&mut self.taken, &mut self.unblocked]) {
            entries.retain_mut(|entry| {
                let keep = !names(&cancels, entry.job.key());
                if !keep {
                    entry.job.refuse(Refusal::Cancelled);
                    dropped += 1;
                }
                keep
            });
        }
        for _ in 0..dropped {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            self.shared.finished();
        }
        (cancels, dropped)
    }

    /// Refuses everything, now and from now on.
    pub(crate) fn close(&mut self) {
        let entries = {
            let mut queue = self.shared.queue.lock();
            queue.is_closed = true;
            std::mem::take(&mut queue.entries)
        };
        let held_back = self.lanes.iter_mut().flat_map(|lane| lane.held_back.drain(..));
        let rest = self.unblocked.drain(..).chain(self.taken.drain(..)).chain(held_back);
        for mut entry in rest.chain(entries) {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            entry.job.refuse(Refusal::Draining);
            self.shared.finished();
        }
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
                _ => return Some(entry),
            }
        }
    }
}

/// Whether one of `cancels` means this request.
pub(crate) fn names(cancels: &[(u64, Option<u64>)], key: JobKey) -> bool {
    cancels.iter().any(|(origin, id)| *origin == key.origin && id.is_none_or(|id| id == key.id))
}

impl<A: Actor> Clone for Inbox<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Actor> fmt::Debug for Inbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("queued", &self.shared.queued.load(Ordering::Relaxed))
            .field("capacity", &self.shared.capacity)
            .finish()
    }
}

/// Requests taken from the queue under one lock.
const BATCH: usize = 64;

/// Bounds of the advice to a refused caller.
const RETRY_AFTER_LEAST: Duration = Duration::from_millis(10);
const RETRY_AFTER_MOST: Duration = Duration::from_secs(1);
