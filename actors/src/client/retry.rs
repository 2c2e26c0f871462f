//! How many retries a service bears.
//!
//! Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Limits of the retries of one service, over all its callers in this process.
///
/// Retries help against the failure of single nodes; against the failure of all they only add
/// load. So they may be at most a share of the calls, and a few per second on top for services
/// that are called rarely.
///
/// ```
/// use callboard_actors::client::RetryBudgetOptions;
///
/// let budget = RetryBudgetOptions::default();
/// assert_eq!((budget.share, budget.per_second), (0.2, 10.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetOptions {
    /// Retries per call in the long run; default 0.2.
    pub share: f64,
    /// Retries per second that are always allowed; default 10.
    pub per_second: f64,
}

impl Default for RetryBudgetOptions {
    fn default() -> Self {
        Self { share: 0.2, per_second: 10.0 }
    }
}

/// Counts calls and retries of the latest seconds.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    options: RetryBudgetOptions,
    /// For each period: when it began, calls at its beginning, retries within it.
    periods: VecDeque<(Instant, u64, u64)>,
}

impl RetryBudget {
    pub(crate) fn new(options: RetryBudgetOptions) -> Self {
        Self { options, periods: VecDeque::new() }
    }

    /// Takes one retry out of the budget; `calls` is how many there have been in all.
    pub(crate) fn allows(&mut self, calls: u64, now: Instant) -> bool {
        self.roll(calls, now);
        let since = self.periods.front().map_or(calls, |period| period.1);
        let retries: u64 = self.periods.iter().map(|period| period.2).sum();
        let window = WINDOW.as_secs_f64();
        let allowed = self.options.share * calls.saturating_sub(since) as f64
            + self.options.per_second * window;
        if (retries as f64) + 1.0 > allowed {
            return false;
        }
        if let Some(period) = self.periods.back_mut() {
            period.2 += 1;
        }
        true
    }

    fn roll(&mut self, calls: u64, now: Instant) {
        while self.periods.front().is_some_and(|period| now - period.0 >= WINDOW) {
            self.periods.pop_front();
        }
        if self.periods.back().is_none_or(|period| now - period.0 >= PERIOD) {
            self.periods.push_back((now, calls, 0));
        }
    }
}

/// Time over which calls and retries are compared.
const WINDOW: Duration = Duration::from_secs(10);

/// Resolution of that.
const PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(budget: &mut RetryBudget, calls: u64, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.allows(calls, now)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_rarely_called_service_has_ten_retries_per_second() {
        let mut budget = RetryBudget::new(RetryBudgetOptions::default());
        assert_eq!(allowed(&mut budget, 1, Instant::now()), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_one_has_a_fifth_of_its_calls_on_top() {
        let mut budget = RetryBudget::new(RetryBudgetOptions::default());
        let now = Instant::now();
        assert!(budget.allows(0, now));
        assert_eq!(allowed(&mut budget, 1000, now + PERIOD), 299);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_spent_comes_back() {
        let mut budget = RetryBudget::new(RetryBudgetOptions::default());
        let now = Instant::now();
        assert_eq!(allowed(&mut budget, 1, now), 100);
        assert!(!budget.allows(1, now + WINDOW - PERIOD));
        assert!(budget.allows(1, now + WINDOW));
    }
}
