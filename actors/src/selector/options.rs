//! What can be set about selecting.
//!
//! Pure.

use std::time::Duration;

/// What can be set about selecting.
///
/// ```
/// use std::time::Duration;
/// use callboard_actors::selector::SelectorOptions;
///
/// let options = SelectorOptions { failures: 3, ..SelectorOptions::default() };
/// assert!(options.validate().is_ok());
/// let options = SelectorOptions { ejection_first: Duration::ZERO, ..options };
/// assert!(options.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorOptions {
    /// Consecutive failures that eject a node; default 5, so that one bad second is not enough.
    pub failures: u32,
    /// How long the first ejection lasts; default 1 s. Each further one lasts twice as long.
    pub ejection_first: Duration,
    /// The longest ejection, and how long a node must behave to be forgiven; default 60 s.
    pub ejection_max: Duration,
    /// How long a new node's share grows from a tenth to the whole; default 10 s, zero for none.
    pub slow_start: Duration,
    /// After which the weight of an old latency has fallen to 1/e; default 10 s.
    ///
    /// It falls with time, whether or not the node is called: while there is little to do, one that
    /// was `n` times slower than the others once is called again after `ln n` times this, so after
    /// 14 s if it was four times slower.
    pub latency_decay: Duration,
    /// How long a draining node is skipped; default 30 s, well above the drain deadline of 10 s.
    ///
    /// A node that is still known after that has been restarted, or answers that it drains again.
    pub draining: Duration,
    /// Nodes per service; default 65,536. What the registry knows beyond that is left out.
    pub nodes: usize,
    /// Services remembered; default 1,024. Beyond that those that nobody calls are forgotten.
    pub services: usize,
}

impl Default for SelectorOptions {
    fn default() -> Self {
        Self {
            failures: 5,
            ejection_first: Duration::from_secs(1),
            ejection_max: Duration::from_secs(60),
            slow_start: Duration::from_secs(10),
            latency_decay: Duration::from_secs(10),
            draining: Duration::from_secs(30),
            nodes: NODES_LIMIT,
            services: 1024,
        }
    }
}

impl SelectorOptions {
    /// Whether every value makes sense.
    pub fn validate(&self) -> Result<(), SelectorOptionsError> {
        let rules = [
            ("failures", self.failures > 0, "at least 1"),
            ("ejection_first", !self.ejection_first.is_zero(), "more than zero"),
            ("ejection_max", self.ejection_max >= self.ejection_first, "at least ejection_first"),
            ("latency_decay", self.latency_decay >= DECAY_MIN, "at least 100 ms"),
            ("draining", !self.draining.is_zero(), "more than zero"),
            ("nodes", (1..=NODES_LIMIT).contains(&self.nodes), "between 1 and 65536"),
            ("services", self.services > 0, "at least 1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((setting, _, allowed)) => Err(SelectorOptionsError { setting, allowed }),
        }
    }

    /// How long an ejection lasts that is the `count`-th without forgiveness.
    pub(super) fn ejection(&self, count: u32) -> Duration {
        let doublings = count.saturating_sub(1).min(31);
        self.ejection_first.saturating_mul(1 << doublings).min(self.ejection_max)
    }
}

/// A setting of the selector has a value that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("selector setting {setting} must be {allowed}")]
pub struct SelectorOptionsError {
    /// The field's name.
    pub setting: &'static str,
    /// What it may be.
    pub allowed: &'static str,
}

/// More nodes than this are not one service's; a hash ring then takes some 70 MB.
const NODES_LIMIT: usize = 65_536;

/// Latencies are stamped with a resolution of 16 ms.
const DECAY_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_setting_and_what_is_allowed() {
        let default = SelectorOptions::default();
        assert_eq!(default.validate(), Ok(()));
        let error = SelectorOptions { failures: 0, ..default }.validate().unwrap_err();
        assert_eq!(error.to_string(), "selector setting failures must be at least 1");
    }

    #[test]
    fn ejections_double_up_to_the_limit() {
        let options = SelectorOptions::default();
        let seconds = [1, 2, 3, 6, 7, 1000].map(|count| options.ejection(count).as_secs());
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60]);
    }
}
