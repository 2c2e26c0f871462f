//! The supervisor actor.
//!
//! Supervised by the supervisor above it, or by nobody at the top. A restart keeps its children's
//! mailboxes; the children themselves are dropped and started afresh.

use std::collections::HashMap;
use std::sync::Arc;

use actix::prelude::{Actor, AsyncContext, Handler, Message, Running};
use parking_lot::Mutex;

use super::handle::{ChildInfo, ChildState, Ended, ListChildren, StartChild, StartError, StopAll};
use super::intensity::RestartLog;
use super::plan::{Owner, Plan, Step};
use super::roster::{ChildId, Roster};
use super::{Exit, SupervisorOptions};
use crate::context::{Context, Order, Report};

/// An actor that starts, restarts and stops others.
///
/// Made by [`Supervisor::builder`], talked to through a
/// [`SupervisorRef`](super::SupervisorRef).
#[derive(Debug)]
pub struct Supervisor {
    pub(super) name: String,
    pub(super) options: SupervisorOptions,
    pub(super) roster: Arc<Mutex<Roster>>,
    pub(super) plans: HashMap<Owner, Plan>,
    pub(super) plan_number: u64,
    pub(super) restarts: RestartLog,
    /// Set once it is ending: how it will have ended.
    pub(super) ending: Option<Exit>,
    pub(super) ended: Ended,
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
pub(super) struct ChildReport {
    pub(super) id: ChildId,
    pub(super) epoch: u64,
    pub(super) report: Report,
}

// ===== Handlers =====

impl Handler<ChildReport> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: ChildReport, ctx: &mut Self::Context) {
        let ChildReport { id, epoch, report } = message;
        let was = {
            let mut roster = self.roster.lock();
            let Some(slot) = roster.get_mut(id) else { return };
            // An arbiter takes all incarnations with it, those still ordered included.
            let is_gone = matches!(report, Report::Exited(Exit::ArbiterGone));
            if slot.epoch != epoch && !is_gone {
                return;
            }
            let was = slot.state;
            slot.note(&report);
            if let Some(timer) = slot.stop_timer.take_if(|_| slot.state == ChildState::Stopped) {
                ctx.cancel_future(timer);
            }
            was
        };
        match (report, was) {
            (Report::Started, ChildState::Starting) => self.done(Step::Start(id), ctx),
            (Report::Exited(_), ChildState::Stopping) => self.child_stopped(id, ctx),
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
