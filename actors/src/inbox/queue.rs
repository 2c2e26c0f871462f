//! The bounded queue behind an inbox.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::Actor;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::cancels::Cancels;
use super::receiver::InboxReceiver;
use super::{InboxStatus, Job};
use crate::message::Refusal;

/// Limits of an inbox.
///
/// ```
/// use callboard_actors::inbox::InboxOptions;
///
/// assert_eq!(InboxOptions::default().capacity, 1024);
/// ```
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// Requests that may wait; one more is refused as overloaded. Default 1,024.
    pub capacity: usize,
    /// For each endpoint, how many of its requests may be handled at the same time.
    ///
    /// Empty, or `usize::MAX` for an endpoint: no limit; 0 is taken as 1. What exceeds it waits in
    /// the queue.
    pub concurrency: Vec<usize>,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self { capacity: 1024, concurrency: Vec::new() }
    }
}

/// The sending side of an actor's second inbox; cheap to clone.
///
/// See [`Child::with_inbox`](crate::supervisor::Child::with_inbox).
pub struct Inbox<A: Actor> {
    shared: Arc<Shared<A>>,
}

pub(super) struct Shared<A: Actor> {
    pub(super) queue: Mutex<Queue<A>>,
    capacity: usize,
    /// Not started: in the queue, or held back by the actor for a limit.
    pub(super) queued: AtomicUsize,
    /// Not answered.
    pending: AtomicUsize,
    pub(super) wake: AtomicWaker,
    idle: Notify,
}

pub(super) struct Queue<A: Actor> {
    pub(super) entries: VecDeque<Entry<A>>,
    pub(super) cancels: Cancels,
    pub(super) is_closed: bool,
}

pub(super) struct Entry<A: Actor> {
    pub(super) job: Box<dyn Job<A>>,
    since: Instant,
}

impl<A: Actor> Inbox<A> {
    pub(crate) fn new(options: InboxOptions) -> (Self, InboxReceiver<A>) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                cancels: Cancels::default(),
                is_closed: false,
            }),
            capacity: options.capacity,
            queued: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            wake: AtomicWaker::new(),
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
        if jobs.is_empty() {
            return;
        }
        let (was_empty, is_closed) = self.shared.append(jobs, now);
        if was_empty {
            self.shared.wake.wake();
        }
        if !jobs.is_empty() {
            let refusal = self.shared.refusal(is_closed, now);
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
        let refused = {
            let mut queue = self.shared.queue.lock();
            if self.shared.room(&queue) > 0 {
                self.shared.queued.fetch_add(1, Ordering::Relaxed);
                self.shared.pending.fetch_add(1, Ordering::Relaxed);
                let was_empty = queue.entries.is_empty();
                queue.entries.push_back(Entry { job, since: now });
                drop(queue);
                if was_empty {
                    self.shared.wake.wake();
                }
                return;
            }
            (job, queue.is_closed)
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
            self.capacity.saturating_sub(self.queued.load(Ordering::Relaxed))
        }
    }

    fn refusal(&self, is_closed: bool, now: Instant) -> Refusal {
        if is_closed {
            Refusal::Draining
        } else {
            Refusal::Overloaded { retry_after: self.retry_after(now) }
        }
    }

    fn append(&self, jobs: &mut Vec<Box<dyn Job<A>>>, now: Instant) -> (bool, bool) {
        let mut queue = self.queue.lock();
        let count = self.room(&queue).min(jobs.len());
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

    pub(super) fn finished(&self) {
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
            self.queue.lock().cancels.add(origin, id);
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

/// Bounds of the advice to a refused caller.
const RETRY_AFTER_LEAST: Duration = Duration::from_millis(10);
const RETRY_AFTER_MOST: Duration = Duration::from_secs(1);
