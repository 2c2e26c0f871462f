//! What a supervisor does about the end of a child.

use std::time::Duration;

use tokio::time::Instant;

use super::handle::{ChildState, StartError};
use super::plan::{Owner, Plan, Sibling, Step};
use super::roster::{ChildId, Slot};
use super::tree::Supervisor;
use super::{Exit, Intensity, Restart, RestartStrategy, SupervisorOptions};
use crate::backoff::Backoff;
use crate::context::Context;

impl Supervisor {
    pub(super) fn owner_of(&self, id: ChildId) -> Owner {
        match self.options.strategy {
            RestartStrategy::OneForOne => Owner::Child(id),
            RestartStrategy::OneForAll | RestartStrategy::RestForOne => Owner::All,
        }
    }

    /// Decides what follows from the end of a child that was not told to stop.
    pub(super) fn child_exited(&mut self, id: ChildId, exit: &Exit, ctx: &mut Context<Self>) {
        let (name, restarts, counts) = {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            // Somebody waits to be told that its first start failed.
            let restarts = slot.care.restart.applies_to(exit)
                && self.ending.is_none()
                && slot.waiter.is_none();
            let forgiven =
                !slot.care.counts_request_panics && matches!(exit, Exit::RequestPanicked(_));
            (slot.name.clone(), restarts, !forgiven)
        };
        if !restarts {
            self.let_go(id, exit, ctx);
            return;
        }
        let now = Instant::now();
        let is_gone = *exit == Exit::ArbiterGone;
        if is_gone || (counts && !self.restarts.allows(self.options.intensity, now)) {
            self.give_up(id, name, exit, ctx);
            return;
        }
        let delay = if counts { self.delay_before_restart(id, now) } else { Duration::ZERO };
        tracing::warn!(supervisor = self.name, child = name, %exit, ?delay, "child restarts");
        self.restart(id, delay, ctx);
    }

    fn restart(&mut self, id: ChildId, delay: Duration, ctx: &mut Context<Self>) {
        // A child that fails while the whole roster starts is tried again in its place.
        let starts_in_order = matches!(
            self.plans.get(&Owner::All).and_then(|plan| plan.steps.front()),
            Some(Step::Start(next)) if *next == id
        );
        let owner = if starts_in_order { Owner::All } else { self.owner_of(id) };
        let running = self.running_siblings();
        let current = self.plans.get(&owner);
        let plan = Plan::restart(self.options.strategy, id, &running, current, delay);
        self.set_plan(owner, plan, ctx);
    }

    /// Those that a restart may affect.
    fn running_siblings(&self) -> Vec<Sibling> {
        if self.options.strategy == RestartStrategy::OneForOne {
            return Vec::new();
        }
        let is_up = |slot: &Slot| matches!(slot.state, ChildState::Starting | ChildState::Running);
        let sibling = |(id, slot): (ChildId, &Slot)| Sibling {
            id,
            is_temporary: slot.care.restart == Restart::Temporary,
        };
        self.roster.lock().iter().filter(|(_, slot)| is_up(slot)).map(sibling).collect()
    }

    /// A child has ended and is not restarted.
    fn let_go(&mut self, id: ChildId, exit: &Exit, ctx: &mut Context<Self>) {
        {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            if let Some(waiter) = slot.waiter.take() {
                // The caller may have gone.
                let _ = waiter.send(Err(StartError::Failed(exit.clone())));
            }
            roster.let_go(id);
        }
        self.done(Step::Start(id), ctx);
    }

    /// A child that was told to stop has ended.
    pub(super) fn child_stopped(&mut self, id: ChildId, ctx: &mut Context<Self>) {
        if self.ending.is_none() {
            let mut roster = self.roster.lock();
            // Stopped for a sibling's sake, and never started again.
            if roster.get_mut(id).is_some_and(|slot| slot.care.restart == Restart::Temporary) {
                roster.let_go(id);
            }
        }
        self.done(Step::Stop(id), ctx);
    }

    fn give_up(&mut self, id: ChildId, child: String, last: &Exit, ctx: &mut Context<Self>) {
        let Intensity { restarts, within } = self.options.intensity;
        let exit = Exit::GaveUp { child, restarts, within, last: Box::new(last.clone()) };
        tracing::error!(supervisor = self.name, %exit, "supervisor gives up");
        if let Some(slot) = self.roster.lock().get_mut(id)
            && let Some(waiter) = slot.waiter.take()
        {
            // The caller may have gone.
            let _ = waiter.send(Err(StartError::Failed(last.clone())));
        }
        self.end(exit, ctx);
    }

    /// Stops all children, youngest first, then ends like this.
    pub(super) fn end(&mut self, exit: Exit, ctx: &mut Context<Self>) {
        self.ending = Some(exit);
        self.plans.clear();
        let ids: Vec<_> = {
            let mut roster = self.roster.lock();
            roster.refuse_waiters();
            roster.iter().rev().map(|(id, _)| id).collect()
        };
        self.set_plan(Owner::All, Plan::stop(ids), ctx);
    }

    fn delay_before_restart(&self, id: ChildId, now: Instant) -> Duration {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return Duration::ZERO };
        // Taken, so that a start that fails later does not count as stable.
        let was_stable = slot.since.take().is_some_and(|since| {
            now.duration_since(since) >= self.options.intensity.within.max(self.options.backoff_max)
        });
        match &mut slot.backoff {
            Some(backoff) if !was_stable => backoff.next_delay(&mut rand::rng()),
            backoff => {
                let SupervisorOptions { backoff_first, backoff_max, .. } = self.options;
                *backoff = Some(Backoff::new(backoff_first, backoff_max));
                Duration::ZERO
            }
        }
    }
}
