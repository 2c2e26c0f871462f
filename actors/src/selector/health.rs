//! Whether a node is fit to be called: ejection, re-admission, draining.
//!
//! ```text
//!             failures in a row, or unreachable
//!     ready ─────────────────────────────────────▶ ejected ◀──────────────┐
//!       ▲                                             │ time has passed   │ it fails
//!       └───────── it succeeds ────── one probe ◀─────┘───────────────────┘ (twice as long)
//! ```
//!
//! Pure.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::moment::{AtomicMoment, Moment};
use super::options::SelectorOptions;

/// How a call ended, as far as its node's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, be it with a status that blames the request.
    Success {
        /// From the request's sending to the reply's arrival.
        latency: Duration,
    },
    /// It did not answer in time, or answered that it is broken.
    Failure,
    /// It cannot be reached: refused, silent, connection lost. Ejects at once.
    Unreachable,
    /// It refused because it has too much to do. Sends others elsewhere, but does not eject.
    Overloaded,
    /// It refused because it is about to leave. Skipped at once.
    Draining,
    /// It has been restarted at the same address: what was known of it is void.
    Returned,
    /// The caller gave up; says nothing about the node.
    Cancelled,
}

/// Whether a node may be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Ready,
    /// It is about to leave.
    Draining,
    /// It failed; its time has not passed yet.
    Ejected,
    /// It failed; its time has passed, so one call may try.
    Due,
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Unchanged,
    Ejected(Duration),
    Readmitted,
}

/// The health of one node, shared by all callers.
///
/// Every field stands for itself: a reader that sees one of two changes picks a node that it might
/// have picked a moment earlier or later.
#[derive(Debug, Default)]
pub(super) struct Health {
    ejected_until: AtomicMoment,
    draining_until: AtomicMoment,
    ejected_at: AtomicMoment,
    failures: AtomicU32,
    ejections: AtomicU32,
    probing: AtomicBool,
}

impl Health {
    /// Whether it may be picked.
    pub(super) fn standing(&self, now: Moment) -> Standing {
        let until = self.ejected_until.load();
        if self.draining_until.load() > now {
            Standing::Draining
        } else if until == Moment::NEVER {
            Standing::Ready
        } else if until > now {
            Standing::Ejected
        } else {
            Standing::Due
        }
    }

    /// Whether it is ready at any moment.
    pub(super) fn is_spotless(&self) -> bool {
        self.ejected_until.load() == Moment::NEVER && self.draining_until.load() == Moment::NEVER
    }

    /// Takes the one probe that a due node gets; false when somebody else took it.
    ///
    /// It prolongs the ejection, so that a probe that is never answered is followed by another.
    pub(super) fn claim_probe(&self, now: Moment, options: &SelectorOptions) -> bool {
        let until = self.ejected_until.load();
        let next = now.plus(options.ejection(self.ejections.load(Ordering::Relaxed)));
        let won = until != Moment::NEVER && until <= now && self.ejected_until.replace(until, next);
        if won {
            self.probing.store(true, Ordering::Relaxed);
        }
        won
    }

    /// Takes note of how a call ended.
    pub(super) fn record(
        &self,
        outcome: Outcome,
        now: Moment,
        options: &SelectorOptions,
    ) -> Verdict {
        match outcome {
            Outcome::Success { latency } => self.succeeded(now.minus(latency), now, options),
            Outcome::Failure => self.failed(1, now, options),
            Outcome::Unreachable => {
                // A draining node that is gone has left or been restarted at the same address; as
                // an ejected one it is found again.
                self.draining_until.store(Moment::NEVER);
                self.failed(options.failures, now, options)
            }
            Outcome::Draining => {
                self.draining_until.store(now.plus(options.draining));
                Verdict::Unchanged
            }
            Outcome::Returned => self.returned(),
            Outcome::Overloaded | Outcome::Cancelled => Verdict::Unchanged,
        }
    }

    /// When it was last ejected, or last failed while it was.
    pub(super) fn ejected_at(&self) -> Moment {
        self.ejected_at.load()
    }

    /// Ejections that are not forgiven yet.
    pub(super) fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// The same health for a node whose record changed.
    pub(super) fn carry_over(&self) -> Self {
        Self {
            ejected_until: AtomicMoment::new(self.ejected_until.load()),
            draining_until: AtomicMoment::new(self.draining_until.load()),
            ejected_at: AtomicMoment::new(self.ejected_at.load()),
            failures: AtomicU32::new(self.failures.load(Ordering::Relaxed)),
            ejections: AtomicU32::new(self.ejections()),
            probing: AtomicBool::new(self.probing.load(Ordering::Relaxed)),
        }
    }

    fn succeeded(&self, begun: Moment, now: Moment, options: &SelectorOptions) -> Verdict {
        // Written only where it changes something: a healthy node's cache line stays shared.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        let until = self.ejected_until.load();
        if until == Moment::NEVER {
            if self.ejections() != 0 && now.since(self.ejected_at()) >= options.ejection_max {
                self.ejections.store(0, Ordering::Relaxed);
            }
            return Verdict::Unchanged;
        }
        // An answer to what was asked before the ejection does not prove that it recovered.
        if begun < self.ejected_at() || !self.ejected_until.replace(until, Moment::NEVER) {
            return Verdict::Unchanged;
        }
        self.probing.store(false, Ordering::Relaxed);
        Verdict::Readmitted
    }

    fn returned(&self) -> Verdict {
        let until = self.ejected_until.load();
        self.draining_until.store(Moment::NEVER);
        self.failures.store(0, Ordering::Relaxed);
        self.probing.store(false, Ordering::Relaxed);
        if until != Moment::NEVER && self.ejected_until.replace(until, Moment::NEVER) {
            Verdict::Readmitted
        } else {
            Verdict::Unchanged
        }
    }

    fn failed(&self, weight: u32, now: Moment, options: &SelectorOptions) -> Verdict {
        let until = self.ejected_until.load();
        if until != Moment::NEVER {
            // The probe failed, or a call from before the ejection, or one made because nothing
            // else is left. The last two must not prolong it, but let another node have a turn.
            self.ejected_at.store(now);
            if !self.probing.swap(false, Ordering::Relaxed) {
                return Verdict::Unchanged;
            }
            return self.eject(until, now, options);
        }
        let before = self.failures.fetch_add(weight, Ordering::Relaxed);
        if before.saturating_add(weight) < options.failures {
            return Verdict::Unchanged;
        }
        self.eject(until, now, options)
    }

    fn eject(&self, until: Moment, now: Moment, options: &SelectorOptions) -> Verdict {
        let count = self.ejections().saturating_add(1);
        let duration = options.ejection(count);
        if !self.ejected_until.replace(until, now.plus(duration)) {
            return Verdict::Unchanged;
        }
        self.ejected_at.store(now);
        self.ejections.store(count, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        Verdict::Ejected(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const SUCCESS: Outcome = Outcome::Success { latency: MILLI };

    #[test]
    fn failures_in_a_row_eject_but_interrupted_ones_do_not() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        for outcome in
            [Outcome::Failure; 4].into_iter().chain([SUCCESS]).chain([Outcome::Failure; 4])
        {
            assert_eq!(health.record(outcome, at(0), &options), Verdict::Unchanged);
        }
        assert_eq!(health.standing(at(0)), Standing::Ready);
        let verdict = health.record(Outcome::Failure, at(0), &options);
        assert_eq!(verdict, Verdict::Ejected(Duration::from_secs(1)));
        assert_eq!(health.standing(at(999)), Standing::Ejected);
        assert_eq!(health.standing(at(1000)), Standing::Due);
    }

    #[test]
    fn an_unreachable_node_is_ejected_at_once() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(0), &options);
        assert_eq!(health.standing(at(0)), Standing::Ejected);
    }

    #[test]
    fn overload_and_cancellation_are_no_failures() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        for _ in 0..100 {
            health.record(Outcome::Overloaded, at(0), &options);
            health.record(Outcome::Cancelled, at(0), &options);
        }
        assert_eq!(health.standing(at(0)), Standing::Ready);
    }

    #[test]
    fn one_probe_is_let_through_and_its_failure_doubles_the_ejection() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(0), &options);
        assert!(!health.claim_probe(at(999), &options));
        assert!(health.claim_probe(at(1000), &options));
        assert!(!health.claim_probe(at(1000), &options));
        let verdict = health.record(Outcome::Failure, at(1100), &options);
        assert_eq!(verdict, Verdict::Ejected(Duration::from_secs(2)));
        assert_eq!(health.standing(at(3099)), Standing::Ejected);
        assert_eq!(health.standing(at(3100)), Standing::Due);
    }

    #[test]
    fn a_probe_that_is_never_answered_is_followed_by_another() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(0), &options);
        assert!(health.claim_probe(at(1000), &options));
        health.record(Outcome::Cancelled, at(1500), &options);
        assert!(!health.claim_probe(at(1999), &options));
        assert!(health.claim_probe(at(2000), &options));
    }

    #[test]
    fn a_successful_probe_readmits() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(0), &options);
        assert!(health.claim_probe(at(1000), &options));
        assert_eq!(health.record(SUCCESS, at(1001), &options), Verdict::Readmitted);
        assert_eq!(health.standing(at(1001)), Standing::Ready);
    }

    #[test]
    fn an_answer_to_a_call_from_before_the_ejection_does_not_readmit() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(100), &options);
        let old = Outcome::Success { latency: MILLI * 50 };
        assert_eq!(health.record(old, at(120), &options), Verdict::Unchanged);
        assert_eq!(health.standing(at(120)), Standing::Ejected);
        let new = Outcome::Success { latency: MILLI * 20 };
        assert_eq!(health.record(new, at(120), &options), Verdict::Readmitted);
    }

    #[test]
    fn failures_of_calls_from_before_the_ejection_do_not_prolong_it() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        for _ in 0..50 {
            health.record(Outcome::Unreachable, at(0), &options);
        }
        assert_eq!(health.ejections(), 1);
        assert_eq!(health.standing(at(1000)), Standing::Due);
    }

    #[test]
    fn ejections_are_remembered_until_the_node_has_behaved_for_long() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Unreachable, at(0), &options);
        health.record(SUCCESS, at(1000), &options);
        health.record(SUCCESS, at(59_999), &options);
        assert_eq!(health.ejections(), 1);
        health.record(SUCCESS, at(60_000), &options);
        assert_eq!(health.ejections(), 0);
    }

    #[test]
    fn draining_ends_when_it_lapses_or_the_node_is_gone() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Draining, at(0), &options);
        assert_eq!(health.standing(at(29_999)), Standing::Draining);
        assert_eq!(health.standing(at(30_000)), Standing::Ready);
        health.record(Outcome::Draining, at(30_000), &options);
        health.record(Outcome::Unreachable, at(30_001), &options);
        assert_eq!(health.standing(at(30_001)), Standing::Ejected);
    }

    #[test]
    fn a_restarted_node_neither_drains_nor_stays_ejected() {
        let (health, options) = (Health::default(), SelectorOptions::default());
        health.record(Outcome::Draining, at(0), &options);
        assert_eq!(health.record(Outcome::Returned, at(1), &options), Verdict::Unchanged);
        assert_eq!(health.standing(at(1)), Standing::Ready);
        health.record(Outcome::Unreachable, at(2), &options);
        assert_eq!(health.record(Outcome::Returned, at(3), &options), Verdict::Readmitted);
        assert_eq!(health.standing(at(3)), Standing::Ready);
    }

    fn at(millis: u64) -> Moment {
        Moment::after_epoch(Duration::from_millis(millis))
    }
}
