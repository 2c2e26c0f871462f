//! A request that its caller keeps while an actor handles it, instead of queueing it.

use actix::prelude::Actor;

use crate::inbox::Job;

/// A request to be handled in the turn that its caller gives the actor for it.
pub(super) struct Guest<'a, A: Actor> {
    job: &'a mut dyn Job<A>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits,
    Runs,
    /// It has been handled, or is answered later.
    Served,
}

impl<'a, A: Actor> Guest<'a, A> {
    pub(super) fn new(job: &'a mut dyn Job<A>) -> Self {
        Self { job, stage: Stage::Waits }
    }

    /// Whether it has not been handled.
    pub(super) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waits
    }

    pub(super) fn job(&self) -> &dyn Job<A> {
        self.job
    }

    /// It is handled from now on, and still so after a panic.
    pub(super) fn begin(&mut self) -> &mut dyn Job<A> {
        self.stage = Stage::Runs;
        self.job
    }

    /// It has been handled.
    pub(super) fn end(&mut self) {
        self.stage = Stage::Served;
    }

    /// What was being handled when the actor panicked, if it was this one.
    pub(super) fn take_running(&mut self) -> Option<&mut dyn Job<A>> {
        let is_running = self.stage == Stage::Runs;
        is_running.then(|| {
            self.end();
            &mut *self.job
        })
    }

    /// Whether it was handled.
    pub(super) fn was_served(&self) -> bool {
        self.stage == Stage::Served
    }
}
