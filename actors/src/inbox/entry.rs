//! A request in the queue, and since when.

use std::time::Duration;

use actix::prelude::Actor;
use tokio::time::Instant;

use super::Job;
use crate::now::Now;

pub(super) struct Entry<A: Actor> {
    pub(super) job: Box<dyn Job<A>>,
    /// When it was queued; `None` for a fresh one, whose time has not begun.
    since: Option<Instant>,
}

impl<A: Actor> Entry<A> {
    pub(super) fn new(job: Box<dyn Job<A>>, since: Option<Instant>) -> Self {
        Self { job, since }
    }

    /// Whether its time has not begun.
    pub(super) fn is_fresh(&self) -> bool {
        self.since.is_none()
    }

    /// Has its time run, unless it does already.
    pub(super) fn begin(&mut self, now: &Now) {
        if self.is_fresh() {
            self.since = Some(now.instant());
            self.job.begin(now.instant());
        }
    }

    /// How long it has waited; a fresh one has not.
    pub(super) fn age_at(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
