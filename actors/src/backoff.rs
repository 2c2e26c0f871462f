//! How long to wait before trying again.
//!
//! Pure.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Exponential backoff with full jitter.
///
/// The n-th delay is drawn evenly from zero up to `first * 2^(n-1)`, and never exceeds `max`. Full
/// jitter, because many peers that lost the same thing at once must not come back at once.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// assert!(backoff.next_delay(&mut rand::rng()) <= Duration::from_millis(100));
/// assert_eq!(backoff.attempts(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Creates one whose first delay is at most `first`.
    ///
    /// A `first` greater than `max` counts as `max`.
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first: first.min(max), max, attempts: 0 }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self, rng: &mut impl Rng) -> Duration {
        let bound = self.bound();
        self.attempts = self.attempts.saturating_add(1);
        rng.random_range(Duration::ZERO..=bound)
    }

    /// Starts over; to be called when an attempt has succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Delays handed out since the start or the last [`reset`](Self::reset).
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn bound(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn delays_fill_a_range_that_doubles_up_to_the_maximum() {
        let mut largest = [Duration::ZERO; 8];
        let mut smallest = [MAX; 8];
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..2000 {
            let mut backoff = Backoff::new(FIRST, MAX);
            for n in 0..8 {
                let delay = backoff.next_delay(&mut rng);
                largest[n] = largest[n].max(delay);
                smallest[n] = smallest[n].min(delay);
            }
        }
        for n in 0..8 {
            let bound = (FIRST * (1 << n)).min(MAX);
            assert!(largest[n] <= bound, "delay {n}: {:?} exceeds {bound:?}", largest[n]);
            assert!(largest[n] > bound.mul_f64(0.95), "delay {n}: {:?} of {bound:?}", largest[n]);
            assert!(smallest[n] < bound.mul_f64(0.05), "delay {n}: {:?} of {bound:?}", smallest[n]);
        }
    }

    #[test]
    fn many_attempts_neither_overflow_nor_exceed_the_maximum() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut backoff = Backoff::new(FIRST, MAX);
        let delays: Vec<_> = (0..200).map(|_| backoff.next_delay(&mut rng)).collect();
        assert!(delays.iter().all(|delay| *delay <= MAX));
        assert!(delays[100..].iter().any(|delay| *delay > MAX / 2));
        assert_eq!(backoff.attempts(), 200);
    }

    #[test]
    fn a_reset_starts_over() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut backoff = Backoff::new(FIRST, MAX);
        for _ in 0..10 {
            backoff.next_delay(&mut rng);
        }
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
        assert!((0..50).all(|_| {
            backoff.reset();
            backoff.next_delay(&mut rng) <= FIRST
        }));
    }

    #[test]
    fn a_first_delay_above_the_maximum_counts_as_the_maximum() {
        let mut rng = StdRng::seed_from_u64(4);
        let mut backoff = Backoff::new(MAX * 2, MAX);
        assert!((0..100).all(|_| backoff.next_delay(&mut rng) <= MAX));
    }
}
