//! Finds a peer that has fallen silent.
//!
//! Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How a connection finds out that its peer is gone without a word.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::transport::KeepaliveOptions;
///
/// let keepalive = KeepaliveOptions::default();
/// assert!(keepalive.interval * keepalive.misses < Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepaliveOptions {
    /// Silence after which the peer is pinged while something is expected of it; default 900 ms.
    pub interval: Duration,
    /// The same while nothing is expected; default 15 s.
    pub idle_interval: Duration,
    /// Intervals without a word after which the connection is given up; default 3, so that a
    /// silent peer is found within 3 s.
    pub misses: u32,
}

impl Default for KeepaliveOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(900),
            idle_interval: Duration::from_secs(15),
            misses: 3,
        }
    }
}

/// What to do at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Nothing.
    Fine,
    /// Ping the peer.
    Ping,
    /// Give the peer up; it has been silent this long.
    Dead(Duration),
}

/// The state of one connection's keepalive.
#[derive(Debug)]
pub(crate) struct Keepalive {
    options: KeepaliveOptions,
    heard: Instant,
    asked: Instant,
    /// When the first of the unanswered pings was sent.
    unanswered_since: Option<Instant>,
    misses: u32,
}

impl Keepalive {
    pub(crate) fn new(options: KeepaliveOptions, now: Instant) -> Self {
        Self { options, heard: now, asked: now, unanswered_since: None, misses: 0 }
    }

    /// Notes that something was read.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.misses = 0;
        self.unanswered_since = None;
    }

    /// When to look again.
    pub(crate) fn due(&self, is_expecting: bool) -> Instant {
        self.heard.max(self.asked) + self.interval(is_expecting)
    }

    /// What to do now; to be called when due, harmless at any time.
    pub(crate) fn check(&mut self, now: Instant, is_expecting: bool) -> Pulse {
        if now < self.due(is_expecting) {
            return Pulse::Fine;
        }
        self.misses += 1;
        if self.misses >= self.options.misses {
            return Pulse::Dead(now - self.heard);
        }
        self.asked = now;
        self.unanswered_since.get_or_insert(now);
        Pulse::Ping
    }

    fn interval(&self, is_expecting: bool) -> Duration {
        // Once a ping is out something is expected, whatever it was before.
        if is_expecting || self.unanswered_since.is_some() {
            self.options.interval
        } else {
            self.options.idle_interval
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_found_within_three_seconds() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(KeepaliveOptions::default(), start);
        let mut now = start;
        while !matches!(keepalive.check(now, true), Pulse::Dead(_)) {
            now = keepalive.due(true);
            assert!(now < start + Duration::from_secs(3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_lives() {
        let mut now = Instant::now();
        let mut keepalive = Keepalive::new(KeepaliveOptions::default(), now);
        for _ in 0..10 {
            now = keepalive.due(true);
            assert_eq!(keepalive.check(now, true), Pulse::Ping);
            keepalive.heard(now);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_pinged_seldom() {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(KeepaliveOptions::default(), now);
        assert_eq!(keepalive.check(now + Duration::from_secs(14), false), Pulse::Fine);
        assert_eq!(keepalive.check(now + Duration::from_secs(15), false), Pulse::Ping);
        assert_eq!(keepalive.due(false), now + Duration::from_millis(15_900));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_call_after_a_pause_pings_at_once() {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(KeepaliveOptions::default(), now);
        assert_eq!(keepalive.check(now + Duration::from_secs(10), true), Pulse::Ping);
    }
}
