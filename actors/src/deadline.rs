//! A point in time after which an answer is of no use.

use std::time::Duration;

use tokio::time::Instant;

/// The moment by which a call must have been answered.
///
/// It crosses the wire as time left, so that clocks need not agree.
///
/// ```
/// use std::time::Duration;
/// use callboard_actors::Deadline;
///
/// let deadline = Deadline::within(Duration::from_secs(5));
/// assert!(!deadline.has_passed());
/// assert!(deadline.time_left() <= Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Creates the deadline that lies `timeout` from now.
    ///
    /// A timeout too long for the clock becomes one of thirty years.
    pub fn within(timeout: Duration) -> Self {
        Self::after(Instant::now(), timeout)
    }

    /// Creates the deadline that lies `timeout` after `now`.
    pub fn after(now: Instant, timeout: Duration) -> Self {
        Self(now.checked_add(timeout).unwrap_or_else(|| now + FAR))
    }

    /// Creates the deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Whether it lies behind now.
    pub fn has_passed(self) -> bool {
        self.has_passed_at(Instant::now())
    }

    /// Whether it lies behind `now`.
    pub fn has_passed_at(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// Time until it; zero when it has passed.
    pub fn time_left(self) -> Duration {
        self.time_left_at(Instant::now())
    }

    /// Time from `now` until it; zero when it has passed.
    pub fn time_left_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// The earlier of two.
    #[must_use]
    pub fn earlier(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| self.min(other))
    }
}

/// Thirty years: as good as never, and far from overflowing any clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
