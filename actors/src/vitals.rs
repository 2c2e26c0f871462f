//! Counters of one actor, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one supervised actor, over all its incarnations.
///
/// The actor adds to them once per poll, not once per message; anybody may read.
///
/// ```
/// let vitals = callboard_actors::Vitals::default();
/// assert_eq!(vitals.snapshot().restarts, 0);
/// ```
#[derive(Debug, Default)]
pub struct Vitals {
    messages: AtomicU64,
    requests: AtomicU64,
    expired: AtomicU64,
    cancelled: AtomicU64,
    busy_nanos: AtomicU64,
    polls: AtomicU64,
    panics: AtomicU64,
    restarts: AtomicU64,
}

/// What [`Vitals`] said at one moment.
///
/// ```
/// use callboard_actors::{VitalSigns, Vitals};
///
/// assert_eq!(Vitals::default().snapshot(), VitalSigns::default());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VitalSigns {
    /// Messages taken from the mailbox.
    pub messages: u64,
    /// Requests started.
    pub requests: u64,
    /// Requests dropped because their deadline had passed.
    pub expired: u64,
    /// Requests dropped because their caller went away.
    pub cancelled: u64,
    /// Time spent inside the actor's code; an estimate from one poll in 16. The turn of another
    /// actor that answers at once, inside of its own, counts for both.
    pub busy: Duration,
    /// Times the actor was polled.
    pub polls: u64,
    /// Panics contained.
    pub panics: u64,
    /// Incarnations after the first.
    pub restarts: u64,
}

impl Vitals {
    /// Reads all counters.
    pub fn snapshot(&self) -> VitalSigns {
        VitalSigns {
            messages: self.messages.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
            polls: self.polls.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
        }
    }

    /// Adds what one poll did; for the actor's own task only.
    pub(crate) fn add(&self, work: &Work) {
        let add = |counter: &AtomicU64, amount: u64| {
            // Nobody else writes these, so adding need not be one step, which would cost more than
            // the rest of a short poll.
            if amount > 0 {
                counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
            }
        };
        add(&self.messages, work.messages);
        add(&self.requests, work.requests);
        add(&self.expired, work.expired);
        add(&self.cancelled, work.cancelled);
        add(&self.busy_nanos, u64::try_from(work.busy.as_nanos()).unwrap_or(u64::MAX));
        add(&self.polls, 1);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one poll did.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) messages: u64,
    pub(crate) requests: u64,
    pub(crate) expired: u64,
    pub(crate) cancelled: u64,
    pub(crate) busy: Duration,
}
