//! Points in time as numbers that fit an atomic.
//!
//! Pure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Microseconds since the epoch of a service; zero is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// Before everything.
    pub(super) const NEVER: Self = Self(0);

    /// The moment that lies `elapsed` after the epoch; never [`NEVER`](Self::NEVER).
    pub(super) fn after_epoch(elapsed: Duration) -> Self {
        Self(micros(elapsed).saturating_add(1))
    }

    /// The number itself.
    pub(super) fn as_micros(self) -> u64 {
        self.0
    }

    /// Later by `duration`.
    pub(super) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// Earlier by `duration`, at most back to [`NEVER`](Self::NEVER).
    pub(super) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// The time since `earlier`; zero when that lies ahead.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A [`Moment`] that threads share; it publishes nothing but itself.
#[derive(Debug, Default)]
pub(super) struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    /// Starts at a moment.
    pub(super) fn new(moment: Moment) -> Self {
        Self(AtomicU64::new(moment.0))
    }

    /// The moment now held.
    pub(super) fn load(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }

    /// Holds another moment.
    pub(super) fn store(&self, moment: Moment) {
        self.0.store(moment.0, Ordering::Relaxed);
    }

    /// Holds `new` if it still holds `known`; says whether it did.
    pub(super) fn replace(&self, known: Moment, new: Moment) -> bool {
        self.0.compare_exchange(known.0, new.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let start = Moment::after_epoch(Duration::ZERO);
        assert!(start > Moment::NEVER);
        assert_eq!(start.minus(Duration::from_secs(1)), Moment::NEVER);
        assert_eq!(start.plus(Duration::MAX).as_micros(), u64::MAX);
        assert_eq!(start.since(start.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(start.plus(Duration::from_secs(1)).since(start), Duration::from_secs(1));
    }

    #[test]
    fn only_one_of_two_replacements_wins() {
        let shared = AtomicMoment::default();
        let later = Moment::after_epoch(Duration::from_secs(1));
        assert!(shared.replace(Moment::NEVER, later));
        assert!(!shared.replace(Moment::NEVER, later));
        assert_eq!(shared.load(), later);
    }
}
