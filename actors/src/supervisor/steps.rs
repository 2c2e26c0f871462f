//! How a supervisor carries out its plans.

use actix::prelude::{Addr, AsyncContext};

use super::Exit;
use super::handle::ChildState;
use super::plan::{Owner, Plan, Step};
use super::roster::ChildId;
use super::tree::{ChildReport, Supervisor};
use crate::context::{Context, Order, Report};

impl Supervisor {
    pub(super) fn set_plan(&mut self, owner: Owner, mut plan: Plan, ctx: &mut Context<Self>) {
        self.plan_number += 1;
        plan.number = self.plan_number;
        self.plans.insert(owner, plan);
        self.advance(owner, ctx);
    }

    /// Notes that a step has been done, and goes on with the plan that waited for it.
    pub(super) fn done(&mut self, step: Step, ctx: &mut Context<Self>) {
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
        let passed = move |this: &mut Self, ctx: &mut Context<Self>| {
            this.shutdown_deadline_passed(id, epoch, ctx);
        };
        slot.stop_timer = Some(ctx.run_later(deadline, passed));
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
            slot.stop_timer = None;
            tracing::warn!(
                supervisor = self.name,
                child = slot.name,
                deadline = ?slot.care.shutdown,
                "child did not stop in time and is abandoned"
            );
        }
        self.child_stopped(id, ctx);
    }

    /// Orders a child to start; false when there is nothing to wait for.
    fn start_child(&mut self, id: ChildId, own: &Addr<Self>) -> bool {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return false };
        if matches!(slot.state, ChildState::Starting | ChildState::Running) {
            return slot.state == ChildState::Starting;
        }
        if slot.is_gone {
            slot.state = ChildState::Starting;
            let report = Report::Exited(Exit::ArbiterGone);
            own.do_send(ChildReport { id, epoch: slot.epoch, report });
            return true;
        }
        let own = own.clone();
        slot.start(move || {
            Box::new(move |epoch, report| own.do_send(ChildReport { id, epoch, report }))
        });
        true
    }
}
