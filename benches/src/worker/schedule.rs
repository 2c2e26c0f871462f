//! When the calls of an open loop should begin. Pure.

use std::time::{Duration, Instant};

/// Beginnings of calls, evenly spaced.
///
/// A call that begins late keeps its place: its latency counts from when it *should* have begun.
/// So a system that stalls is charged for all calls that came due meanwhile, not only for the few
/// that were in flight (the correction for coordinated omission).
#[derive(Debug)]
pub(super) struct Schedule {
    begun: Instant,
    rate: f64,
    taken: u64,
}

impl Schedule {
    pub(super) fn new(begun: Instant, rate: f64) -> Self {
        Self { begun, rate, taken: 0 }
    }

    /// When the next call should have begun, if that is now or past; it is taken then.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let next = self.begun + Duration::from_secs_f64(self.taken as f64 / self.rate);
        if next > now {
            return None;
        }
        self.taken += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn calls_come_due_evenly() {
        let begun = Instant::now();
        let mut schedule = Schedule::new(begun, 1000.0);
        assert_eq!(schedule.take_due(begun), Some(begun));
        assert_eq!(schedule.take_due(begun + MILLI / 2), None);
        assert_eq!(schedule.take_due(begun + MILLI), Some(begun + MILLI));
        assert_eq!(schedule.take_due(begun + MILLI), None);
    }

    #[test]
    fn a_stall_is_charged_to_every_call_that_came_due() {
        let begun = Instant::now();
        let mut schedule = Schedule::new(begun, 1000.0);
        let now = begun + 10 * MILLI;
        let late: Vec<Duration> =
            std::iter::from_fn(|| schedule.take_due(now)).map(|due| now - due).collect();
        let expected: Vec<Duration> = (0..=10).rev().map(|millis| MILLI * millis).collect();
        assert_eq!(late, expected);
    }
}
