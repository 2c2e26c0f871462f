//! The bounded queue behind an inbox.

mod due;
mod guest;
mod status;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::Actor;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::status::place;
use super::apart::Apart;
use super::cancels::Cancels;
use super::entry::Entry;
use super::options::{InboxOptions, Overflow};
use super::receiver::InboxReceiver;
use super::spares::Spares;
use super::{InboxStatus, Job};
use crate::bell::Bell;
use crate::context::take_turn;
use crate::message::Refusal;
use crate::now::Now;

/// The sending side of an actor's second inbox; cheap to clone.
///
/// See [`Child::with_inbox`](crate::supervisor::Child::with_inbox).
pub struct Inbox<A: Actor> {
    pub(super) shared: Arc<Shared<A>>,
}

pub(super) struct Shared<A: Actor> {
    pub(super) number: u64,
    pub(super) queue: Apart<Mutex<Queue<A>>>,
    pub(super) capacity: usize,
    overflow: Overflow,
    counts: Apart<Counts>,
    /// Whether there are cancellations; changed under the lock, and read without it by those who
    /// mostly find none.
    has_cancels: AtomicBool,
    /// Requests ever answered; changed by the actor's side only.
    finished: Apart<AtomicU64>,
    /// Whether one is being handled that was never taken in; changed by the actor's side only.
    has_guest: AtomicBool,
    pub(super) bell: Bell,
    /// The [place](place) at which the actor was polled last.
    home: AtomicUsize,
    pub(super) spares: Apart<Spares<A>>,
    idle: Notify,
    /// Those who wait until it is idle.
    listeners: AtomicUsize,
}

/// What each change of the queue changes too, under its lock.
#[derive(Default)]
struct Counts {
    /// Not started: in the queue, or held back by the actor for a limit.
    queued: AtomicUsize,
    /// Entries of the queue, and whether the time of some has not begun; read without the lock by
    /// those who mostly find none.
    entries: AtomicUsize,
    has_fresh: AtomicBool,
    /// Requests ever taken in.
    accepted: AtomicU64,
}

pub(super) struct Queue<A: Actor> {
    pub(super) entries: VecDeque<Entry<A>>,
    /// As many at the front are not fresh; of the others some may be.
    begun: usize,
    pub(super) cancels: Cancels,
    pub(super) is_closed: bool,
}

impl<A: Actor> Inbox<A> {
    pub(crate) fn new(options: InboxOptions) -> (Self, InboxReceiver<A>) {
        let shared = Arc::new(Shared {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            queue: Apart::new(Mutex::new(Queue {
                entries: VecDeque::new(),
                begun: 0,
                cancels: Cancels::default(),
                is_closed: false,
            })),
            capacity: options.capacity,
            overflow: options.overflow,
            counts: Apart::default(),
            has_cancels: AtomicBool::new(false),
            listeners: AtomicUsize::new(0),
            finished: Apart::default(),
            has_guest: AtomicBool::new(false),
            bell: Bell::default(),
            home: AtomicUsize::new(0),
            spares: Apart::default(),
            idle: Notify::new(),
        });
        let receiver = InboxReceiver::new(Arc::clone(&shared), options.concurrency);
        (Self { shared }, receiver)
    }

    /// Queues all of `jobs`, which is left empty; wakes the actor once.
    ///
    /// What does not fit is refused as [`Refusal::Overloaded`], and everything as
    /// [`Refusal::Draining`] once the actor is gone for good.
    pub fn push(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) {
        self.push_and(jobs, now, |shared| shared.bell.ring());
    }

    /// The same; but where the actor lives on the present arbiter, and has no turn just now, it has
    /// one before this returns, instead of being woken.
    pub fn push_and_run(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) {
        self.push_and(jobs, now, |shared| {
            if !take_turn(shared.number) {
                shared.bell.ring();
            }
        });
    }

    /// Queues all of `jobs`; `wake` sees to it that the actor has a turn.
    fn push_and(
        &self,
        jobs: &mut Vec<Box<dyn Job<A>>>,
        now: Instant,
        wake: impl FnOnce(&Shared<A>),
    ) {
        if jobs.is_empty() {
            return;
        }
        let mut displaced = self.shared.displace(jobs.len());
        let (was_empty, is_closed) = self.shared.append(jobs, now);
        if was_empty {
            wake(&self.shared);
        }
        jobs.append(&mut displaced);
        if !jobs.is_empty() {
            let refusal = self.shared.refusal(is_closed, &now.into());
            // Outside the lock: an answer takes the lock of a connection.
            for mut job in jobs.drain(..) {
                job.refuse(refusal);
            }
        }
    }

    /// Requests queued and not started.
    pub fn queued(&self) -> usize {
        self.shared.counts.queued.load(Ordering::Relaxed)
    }

    /// Whether one more request would be taken now.
    pub fn has_room(&self) -> bool {
        self.shared.overflow == Overflow::RefuseOldest || self.queued() < self.shared.capacity
    }

    /// Queues one request.
    pub fn push_one(&self, job: Box<dyn Job<A>>, now: Instant) {
        self.push_entry(Entry::new(job, Some(now)), &now.into(), |shared| shared.bell.ring());
    }

    /// Queues one request whose time has not begun, so that nobody need read the clock.
    ///
    /// Reading it costs as much as half of all else that a short request within a process does, and
    /// nearly all are handled before it could matter. The request's time, its age in the queue as
    /// well as what [`Job::begin`] makes of it, runs from when whoever waits for it
    /// [says so](InboxStatus::begin), or the actor has had a turn without starting it, whichever is
    /// first.
    pub fn push_fresh(&self, job: Box<dyn Job<A>>) {
        self.push_entry(Entry::new(job, None), &Now::unread(), |shared| shared.bell.ring());
    }

    /// Queues one request; `wake` sees to it that the actor has a turn.
    fn push_entry(&self, entry: Entry<A>, now: &Now, wake: impl FnOnce(&Arc<Shared<A>>)) {
        for mut displaced in self.shared.displace(1) {
            displaced.refuse(self.shared.refusal(false, now));
        }
        let refused = {
            let mut queue = self.shared.queue.lock();
            if self.shared.room(&queue) > 0 {
                self.shared.take_in(1, &queue);
                let was_empty = queue.entries.is_empty();
                if entry.is_fresh() {
                    self.shared.counts.has_fresh.store(true, Ordering::Release);
                }
                queue.entries.push_back(entry);
                self.shared.counts.entries.store(queue.entries.len(), Ordering::Release);
                drop(queue);
                if was_empty {
                    wake(&self.shared);
                }
                return;
            }
            (entry.job, queue.is_closed)
        };
        let (mut job, is_closed) = refused;
        job.refuse(self.shared.refusal(is_closed, now));
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
    fn room(&self, queue: &Queue<A>) -> usize {
        if queue.is_closed {
            0
        } else {
            self.capacity.saturating_sub(self.counts.queued.load(Ordering::Relaxed))
        }
    }

    /// Takes the oldest out, where that is wanted, to make room for this many.
    fn displace(&self, wanted: usize) -> Vec<Box<dyn Job<A>>> {
        if self.overflow == Overflow::RefuseNewest {
            return Vec::new();
        }
        let mut queue = self.queue.lock();
        let missing = wanted.min(self.capacity).saturating_sub(self.room(&queue));
        let count = if queue.is_closed { 0 } else { missing.min(queue.entries.len()) };
        let displaced = queue.entries.drain(..count).map(|entry| entry.job).collect();
        self.taken_out(count, &mut queue);
        self.queue_fewer(count, &queue);
        // As if they had never been taken in.
        let accepted = self.counts.accepted.load(Ordering::Relaxed) - count as u64;
        self.counts.accepted.store(accepted, Ordering::Release);
        displaced
    }

    fn refusal(&self, is_closed: bool, now: &Now) -> Refusal {
        if is_closed {
            Refusal::Draining
        } else {
            Refusal::Overloaded { retry_after: self.retry_after(now.instant()) }
        }
    }

    fn append(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) -> (bool, bool) {
        let mut queue = self.queue.lock();
        let count = self.room(&queue).min(jobs.len());
        let was_empty = queue.entries.is_empty() && count > 0;
        self.take_in(count, &queue);
        queue.entries.extend(jobs.drain(..count).map(|job| Entry::new(job, Some(now))));
        self.counts.entries.store(queue.entries.len(), Ordering::Release);
        (was_empty, queue.is_closed)
    }

    /// The queue needs about as long to drain as its head has waited already.
    fn retry_after(&self, now: Instant) -> Duration {
        let waited = self.head_age_at(now).unwrap_or_default();
        waited.clamp(RETRY_AFTER_LEAST, RETRY_AFTER_MOST)
    }

    fn head_age_at(&self, now: Instant) -> Option<Duration> {
        let queue = self.queue.lock();
        queue.entries.front().map(|entry| entry.age_at(now))
    }

    fn take_in(&self, requests: usize, queue: &Queue<A>) {
        let accepted = self.counts.accepted.load(Ordering::Relaxed) + requests as u64;
        self.counts.accepted.store(accepted, Ordering::Release);
        self.queue_more(requests, queue);
    }

    /// Whether the queue has something.
    pub(super) fn has_entries(&self) -> bool {
        self.counts.entries.load(Ordering::Acquire) > 0
    }

    pub(super) fn has_cancels(&self) -> bool {
        self.has_cancels.load(Ordering::Acquire)
    }

    /// Takes up to `most` entries of the queue, in order.
    pub(super) fn take_entries(&self, most: usize, into: &mut VecDeque<Entry<A>>) {
        if self.has_entries() {
            self.move_entries(most, &mut self.queue.lock(), into);
        }
    }

    fn move_entries(&self, most: usize, queue: &mut Queue<A>, into: &mut VecDeque<Entry<A>>) {
        let count = queue.entries.len().min(most);
        if count == queue.entries.len() {
            // As a whole, not one by one.
            into.append(&mut queue.entries);
        } else {
            into.extend(queue.entries.drain(..count));
        }
        self.taken_out(count, queue);
        self.queue_fewer(count, queue);
    }

    /// Takes note that as many entries were taken from the front.
    fn taken_out(&self, count: usize, queue: &mut Queue<A>) {
        queue.begun = queue.begun.saturating_sub(count);
        self.counts.entries.store(queue.entries.len(), Ordering::Release);
        if queue.entries.is_empty() {
            self.counts.has_fresh.store(false, Ordering::Release);
        }
    }

    /// Takes the cancellations, and in the same step all entries, so that what a cancellation names
    /// is among those taken now or before.
    pub(super) fn take_cancels(&self, into: &mut VecDeque<Entry<A>>) -> Option<Cancels> {
        if !self.has_cancels() {
            return None;
        }
        let mut queue = self.queue.lock();
        self.move_entries(usize::MAX, &mut queue, into);
        self.has_cancels.store(false, Ordering::Release);
        Some(std::mem::take(&mut queue.cancels))
    }

    /// Counts requests as queued; the lock makes counting one step.
    pub(super) fn queue_more(&self, requests: usize, _: &Queue<A>) {
        self.counts
            .queued
            .store(self.counts.queued.load(Ordering::Relaxed) + requests, Ordering::Relaxed);
    }

    /// Counts requests as not queued any more.
    pub(super) fn queue_fewer(&self, requests: usize, _: &Queue<A>) {
        let left = self.counts.queued.load(Ordering::Relaxed).saturating_sub(requests);
        self.counts.queued.store(left, Ordering::Relaxed);
    }

    /// Takes note of where the actor is polled.
    pub(super) fn settle_here(&self) {
        let here = place();
        if self.home.load(Ordering::Relaxed) != here {
            self.home.store(here, Ordering::Relaxed);
        }
    }

    /// Counts answered requests out; for the actor's side only.
    pub(super) fn finished(&self, requests: usize) {
        let finished = self.finished.load(Ordering::Relaxed) + requests as u64;
        // Whoever is not counted yet has not looked yet either. A swap, as a mere store could be
        // seen after the count is read.
        self.finished.swap(finished, Ordering::SeqCst);
        self.tell_if_idle();
    }

    /// Tells those who wait for it that nothing is pending, if that is so.
    fn tell_if_idle(&self) {
        if self.listeners.load(Ordering::SeqCst) > 0 && self.count_pending() == 0 {
            self.idle.notify_waiters();
        }
    }

    fn count_pending(&self) -> usize {
        // In one order with what the actor's side does and counts: what stays is taken in before it
        // ceases to be a guest.
        let guests = u64::from(self.has_guest.load(Ordering::SeqCst));
        let finished = self.finished.load(Ordering::SeqCst);
        let accepted = self.counts.accepted.load(Ordering::Acquire);
        usize::try_from((accepted + guests).saturating_sub(finished)).unwrap_or(usize::MAX)
    }
}

impl<A: Actor> Clone for Inbox<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Actor> fmt::Debug for Inbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("queued", &self.shared.counts.queued.load(Ordering::Relaxed))
            .field("capacity", &self.shared.capacity)
            .finish()
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Bounds of the advice to a refused caller.
const RETRY_AFTER_LEAST: Duration = Duration::from_millis(10);
const RETRY_AFTER_MOST: Duration = Duration::from_secs(1);
