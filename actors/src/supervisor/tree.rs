//! The supervisor actor.
//!
//! Supervised by the supervisor above it, or by nobody at the top. A restart keeps its children's
//! mailboxes; the children themselves are dropped and started afresh.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, Addr, AsyncContext, Handler, Message, Running};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::handle::{ChildInfo, ChildState, Ended, ListChildren, StartChild, StartError, StopAll};
use super::intensity::RestartLog;
use super::plan::{Owner, Plan, Step};
use super::roster::{ChildId, Roster, Slot};
use super::{Exit, Intensity, RestartStrategy, SupervisorOptions};
use crate::backoff::Backoff;
use crate::context::{Context, Order, Report};

/// An actor that starts, restarts and stops others.
///
/// Made by [`Supervisor::builder`], talked to through a
/// [`SupervisorRef`](super::SupervisorRef).
#[derive(Debug)]
pub struct Supervisor {
    name: String,
    options: SupervisorOptions,
    roster: Arc<Mutex<Roster>>,
    plans: HashMap<Owner, Plan>,
    plan_number: u64,
    restarts: RestartLog,
    /// Set once it is ending: how it will have ended.
    ending: Option<Exit>,
    ended: Ended,
}

impl Supervisor {
    pub(super) fn new(
        name: String,
        options: SupervisorOptions,
        roster: Arc<Mutex<Roster>>,
        ended: Ended,
    ) -> Self {
        Self {
            name,
            options,
            roster,
            plans: HashMap::new(),
            plan_number: 0,
            restarts: RestartLog::default(),
            ending: None,
            ended,
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.ended.send_replace(None);
        let ids: Vec<_> = {
            let mut roster = self.roster.lock();
            // Left over from an incarnation that failed; a child that is not there ignores it.
            for slot in roster.iter_mut().filter(|slot| slot.state != ChildState::Stopped) {
                slot.order(Order::Abandon);
                slot.state = ChildState::Stopped;
            }
            roster.iter().map(|(id, _)| id).collect()
        };
        self.set_plan(Owner::All, Plan::start(ids), ctx);
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        if self.ending.is_none() {
            self.end(Exit::Shutdown, ctx);
        }
        if !self.plans.is_empty() {
            return Running::Continue;
        }
        tracing::debug!(supervisor = self.name, exit = ?self.ending, "supervisor ends");
        self.ended.send_replace(self.ending.clone());
        Running::Stop
    }
}

// ===== Messages =====

/// What became of a child; sent by its runner.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct ChildReport {
    id: ChildId,
    epoch: u64,
    report: Report,
}

// ===== Handlers =====

impl Handler<ChildReport> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: ChildReport, ctx: &mut Self::Context) {
        let ChildReport { id, epoch, report } = message;
        let was = {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            if slot.epoch != epoch {
                return;
            }
            let was = slot.state;
            slot.note(&report);
            was
        };
        match (report, was) {
            (Report::Started, ChildState::Starting) => self.done(Step::Start(id), ctx),
            (Report::Exited(_), ChildState::Stopping) => self.done(Step::Stop(id), ctx),
            (Report::Exited(exit), ChildState::Starting | ChildState::Running) => {
                self.child_exited(id, &exit, ctx);
            }
            _ => {}
        }
    }
}

impl Handler<StartChild> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: StartChild, ctx: &mut Self::Context) {
        let StartChild { spec, started } = message;
        let count = self.roster.lock().len();
        let refusal = if self.ending.is_some() {
            Some(StartError::SupervisorEnded)
        } else if count >= self.options.capacity {
            Some(StartError::Full(count))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            if let Some(started) = started {
                // The caller may have gone.
                let _ = started.send(Err(refusal));
            }
            return;
        }
        let id = {
            let mut roster = self.roster.lock();
            let id = roster.add(spec, false);
            if let Some(slot) = roster.get_mut(id) {
                slot.waiter = started;
            }
            id
        };
        match self.plans.get_mut(&Owner::All) {
            // Keeps the order: it starts after what is about to start.
            Some(plan) => plan.steps.push_back(Step::Start(id)),
            None => self.set_plan(self.owner_of(id), Plan::start([id]), ctx),
        }
    }
}

impl Handler<StopAll> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: StopAll, ctx: &mut Self::Context) {
        if self.ending.is_none() {
            self.end(Exit::Shutdown, ctx);
        }
    }
}

impl Handler<ListChildren> for Supervisor {
    type Result = Vec<ChildInfo>;

    fn handle(&mut self, _: ListChildren, _: &mut Self::Context) -> Vec<ChildInfo> {
        let roster = self.roster.lock();
        roster
            .iter()
            .map(|(_, slot)| ChildInfo {
                name: slot.name.clone(),
                state: slot.state,
                last_exit: slot.last_exit.clone(),
                vitals: slot.vitals.snapshot(),
            })
            .collect()
    }
}

// ===== Private helpers =====

impl Supervisor {
    fn owner_of(&self, id: ChildId) -> Owner {
        match self.options.strategy {
            RestartStrategy::OneForOne => Owner::Child(id),
            RestartStrategy::OneForAll | RestartStrategy::RestForOne => Owner::All,
        }
    }

    /// Decides what follows from the end of a child that was not told to stop.
    fn child_exited(&mut self, id: ChildId, exit: &Exit, ctx: &mut Context<Self>) {
        let (name, restarts, counts) = {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            let restarts = slot.care.restart.applies_to(exit) && self.ending.is_none();
            let forgiven =
                !slot.care.counts_request_panics && matches!(exit, Exit::RequestPanicked(_));
            (slot.name.clone(), restarts, !forgiven)
        };
        if !restarts {
            self.let_go(id, exit, ctx);
            return;
        }
        let now = Instant::now();
        if counts && !self.restarts.allows(self.options.intensity, now) {
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
        let children: Vec<_> = {
            let roster = self.roster.lock();
            let is_up =
                |slot: &Slot| matches!(slot.state, ChildState::Starting | ChildState::Running);
            roster.iter().filter(|(_, slot)| is_up(slot)).map(|(id, _)| id).collect()
        };
        let current = self.plans.get(&owner);
        let plan = Plan::restart(self.options.strategy, id, &children, current, delay);
        self.set_plan(owner, plan, ctx);
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
            if !slot.is_static {
                roster.remove(id);
            }
        }
        self.done(Step::Start(id), ctx);
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
    fn end(&mut self, exit: Exit, ctx: &mut Context<Self>) {
        self.ending = Some(exit);
        self.plans.clear();
        let ids: Vec<_> = self.roster.lock().iter().rev().map(|(id, _)| id).collect();
        self.set_plan(Owner::All, Plan::stop(ids), ctx);
    }

    fn delay_before_restart(&self, id: ChildId, now: Instant) -> Duration {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return Duration::ZERO };
        let was_stable = slot
            .since
            .is_some_and(|since| now.duration_since(since) >= self.options.intensity.within);
        match &mut slot.backoff {
            Some(backoff) if !was_stable => backoff.next_delay(&mut rand::rng()),
            backoff => {
                let SupervisorOptions { backoff_first, backoff_max, .. } = self.options;
                *backoff = Some(Backoff::new(backoff_first, backoff_max));
                Duration::ZERO
            }
        }
    }

    fn set_plan(&mut self, owner: Owner, mut plan: Plan, ctx: &mut Context<Self>) {
        self.plan_number += 1;
        plan.number = self.plan_number;
        self.plans.insert(owner, plan);
        self.advance(owner, ctx);
    }

    /// Notes that a step has been done, and goes on with the plan that waited for it.
    fn done(&mut self, step: Step, ctx: &mut Context<Self>) {
        let (Step::Stop(id) | Step::Start(id)) = step else { return };
        for owner in [Owner::Child(id), Owner::All] {
            if let Some(plan) = self.plans.get_mut(&owner)
                && plan.steps.front() == Some(&step)
            {
                plan.steps.pop_front();
                self.advance(owner, ctx);
                return;
            }
        }
    }

    /// Carries out steps until one has to be waited for.
    fn advance(&mut self, owner: Owner, ctx: &mut Context<Self>) {
        while let Some(plan) = self.plans.get_mut(&owner) {
            let number = plan.number;
            let Some(step) = plan.steps.front().copied() else {
                self.plans.remove(&owner);
                break;
            };
            let must_wait = match step {
                Step::Stop(id) => self.stop_child(id, ctx),
                Step::Start(id) => self.start_child(id, &ctx.address()),
                Step::Wait(delay) if delay.is_zero() => false,
                Step::Wait(delay) => {
                    ctx.run_later(delay, move |this, ctx| this.waited(owner, number, ctx));
                    true
                }
            };
            if must_wait {
                return;
            }
            if let Some(plan) = self.plans.get_mut(&owner) {
                plan.steps.pop_front();
            }
        }
        if self.ending.is_some() && self.plans.is_empty() {
            let exit = self.ending.clone().unwrap_or(Exit::Shutdown);
            ctx.exit(exit);
        }
    }

    fn waited(&mut self, owner: Owner, number: u64, ctx: &mut Context<Self>) {
        if let Some(plan) = self.plans.get_mut(&owner)
            && plan.number == number
            && matches!(plan.steps.front(), Some(Step::Wait(_)))
        {
            plan.steps.pop_front();
            self.advance(owner, ctx);
        }
    }

    /// Orders a child to stop; false when there is nothing to wait for.
    fn stop_child(&mut self, id: ChildId, ctx: &mut Context<Self>) -> bool {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return false };
        match slot.state {
            ChildState::Stopped => return false,
            ChildState::Stopping => return true,
            ChildState::Starting | ChildState::Running => {}
        }
        slot.state = ChildState::Stopping;
        slot.order(Order::Halt);
        let (epoch, deadline) = (slot.epoch, slot.care.shutdown);
        ctx.run_later(deadline, move |this, ctx| this.shutdown_deadline_passed(id, epoch, ctx));
        true
    }

    /// Drops a child that did not stop in time; its thread may be blocked, so nobody waits for it.
    fn shutdown_deadline_passed(&mut self, id: ChildId, epoch: u64, ctx: &mut Context<Self>) {
        {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            if slot.epoch != epoch || slot.state != ChildState::Stopping {
                return;
            }
            slot.order(Order::Abandon);
            slot.state = ChildState::Stopped;
            slot.last_exit = Some(Exit::Abandoned);
            tracing::warn!(
                supervisor = self.name,
                child = slot.name,
                deadline = ?slot.care.shutdown,
                "child did not stop in time and is abandoned"
            );
        }
        self.done(Step::Stop(id), ctx);
    }

    /// Orders a child to start; false when there is nothing to wait for.
    fn start_child(&mut self, id: ChildId, own: &Addr<Self>) -> bool {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return false };
        if matches!(slot.state, ChildState::Starting | ChildState::Running) {
            return slot.state == ChildState::Starting;
        }
        let own = own.clone();
        slot.start(move || {
            Box::new(move |epoch, report| own.do_send(ChildReport { id, epoch, report }))
        });
        true
    }
}

impl Slot {
    /// Writes down what its runner reported.
    fn note(&mut self, report: &Report) {
        match report {
            Report::Started => {
                if self.state == ChildState::Starting {
                    self.state = ChildState::Running;
                    self.since = Some(Instant::now());
                }
                if let Some(waiter) = self.waiter.take() {
                    // The caller may have gone.
                    let _ = waiter.send(Ok(()));
                }
            }
            Report::Exited(exit) => {
                self.state = ChildState::Stopped;
                self.last_exit = Some(exit.clone());
            }
        }
    }
}
