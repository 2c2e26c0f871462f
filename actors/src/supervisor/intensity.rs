//! How many restarts are too many.
//!
//! Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The restarts a supervisor allows before it gives up; default 5 within 10 s.
///
/// ```
/// use std::time::Duration;
/// use callboard_actors::supervisor::Intensity;
///
/// assert_eq!(Intensity::default(), Intensity::new(5, Duration::from_secs(10)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed.
    pub restarts: u32,
    /// Within this time.
    pub within: Duration,
}

impl Intensity {
    /// Allows `restarts` within `within`.
    pub const fn new(restarts: u32, within: Duration) -> Self {
        Self { restarts, within }
    }

    /// Allows any number.
    pub const fn unlimited() -> Self {
        Self { restarts: u32::MAX, within: Duration::ZERO }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self::new(5, Duration::from_secs(10))
    }
}

/// Remembers the latest restarts; never more than are allowed.
#[derive(Debug, Default)]
pub(super) struct RestartLog(VecDeque<Instant>);

impl RestartLog {
    /// Notes a restart; false when it is one too many.
    pub(super) fn allows(&mut self, intensity: Intensity, now: Instant) -> bool {
        if intensity.restarts == u32::MAX {
            return true;
        }
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= intensity.within) {
            self.0.pop_front();
        }
        if self.0.len() >= intensity.restarts as usize {
            return false;
        }
        self.0.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sixth_restart_within_ten_seconds_is_one_too_many() {
        let (mut log, now) = (RestartLog::default(), Instant::now());
        let second = Duration::from_secs(1);
        for n in 0..5 {
            assert!(log.allows(Intensity::default(), now + second * n));
        }
        assert!(!log.allows(Intensity::default(), now + second * 9));
        assert!(log.allows(Intensity::default(), now + second * 10));
    }

    #[tokio::test(start_paused = true)]
    async fn no_restart_at_all_can_be_asked_for() {
        let none = Intensity::new(0, Duration::from_secs(1));
        assert!(!RestartLog::default().allows(none, Instant::now()));
    }
}
