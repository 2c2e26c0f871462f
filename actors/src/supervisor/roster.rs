//! The children of one supervisor, over all its incarnations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use actix::prelude::SpawnHandle;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Exit;
use super::child::{Care, ChildSpec, FIRST_EPOCH, Plant};
use super::handle::{ChildState, StartError};
use crate::backoff::Backoff;
use crate::context::{Control, Order, Report, Reporter};
use crate::vitals::Vitals;

/// Numbers a child; greater ones were added later and start later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChildId(pub(super) u64);

/// The children of one supervisor in the order in which they start.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Boxed, because a tree keeps up to half of its places free.
    slots: BTreeMap<ChildId, Box<Slot>>,
    last: u64,
}

/// One child and what its supervisor knows of it.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) care: Care,
    pub(super) state: ChildState,
    /// Counts the orders to start; reports of earlier incarnations are recognised by it.
    pub(super) epoch: u64,
    pub(super) vitals: Arc<Vitals>,
    pub(super) backoff: Option<Backoff>,
    /// When its present incarnation had started.
    pub(super) since: Option<Instant>,
    /// Abandons it when it does not stop in time.
    pub(super) stop_timer: Option<SpawnHandle>,
    pub(super) last_exit: Option<Exit>,
    /// Told when the first start has succeeded or failed for good.
    pub(super) waiter: Option<oneshot::Sender<Result<(), StartError>>>,
    /// Belongs to the supervisor's description: stays on the roster when it ends.
    pub(super) is_static: bool,
    /// Its runner is gone with its arbiter; it can never be started again.
    pub(super) is_gone: bool,
    /// When it is a supervisor: its children.
    roster: Weak<Mutex<Roster>>,
    control: Arc<Control>,
    plant: Option<Plant>,
}

impl Roster {
    pub(super) fn add(&mut self, spec: ChildSpec, is_static: bool) -> ChildId {
        self.last += 1;
        let id = ChildId(self.last);
        let slot = Slot {
            name: spec.name,
            care: spec.care,
            state: ChildState::Stopped,
            epoch: FIRST_EPOCH - 1,
            vitals: spec.vitals,
            backoff: None,
            since: None,
            stop_timer: None,
            last_exit: None,
            waiter: None,
            is_static,
            is_gone: false,
            roster: spec.roster,
            control: spec.control,
            plant: Some(spec.plant),
        };
        self.slots.insert(id, Box::new(slot));
        id
    }

    pub(super) fn get_mut(&mut self, id: ChildId) -> Option<&mut Slot> {
        self.slots.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildId, &Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot.as_ref()))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.values_mut().map(Box::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Gives up a child that has ended for good.
    ///
    /// One of the supervisor's description is dismissed: when its supervisor is restarted, so is
    /// it. Others are taken off, which closes their mailbox.
    pub(super) fn let_go(&mut self, id: ChildId) {
        match self.slots.get(&id) {
            Some(slot) if slot.is_static => slot.dismiss(),
            _ => {
                self.slots.remove(&id);
            }
        }
    }

    /// Tells those who wait for a start that it will not come.
    pub(super) fn refuse_waiters(&mut self) {
        self.slots.retain(|_, slot| match slot.waiter.take() {
            Some(waiter) => {
                // The caller may have gone.
                let _ = waiter.send(Err(StartError::SupervisorEnded));
                slot.state != ChildState::Stopped
            }
            None => true,
        });
    }
}

impl Slot {
    /// Orders a new incarnation; `reporter` is used the first time only.
    pub(super) fn start(&mut self, reporter: impl FnOnce() -> Reporter) {
        self.epoch += 1;
        self.state = ChildState::Starting;
        self.control.order(Order::Start(self.epoch));
        if let Some(plant) = self.plant.take() {
            plant(reporter());
        }
    }

    pub(super) fn order(&self, order: Order) {
        self.control.order(order);
    }

    /// Writes down what its runner reported.
    pub(super) fn note(&mut self, report: &Report) {
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
                self.is_gone |= *exit == Exit::ArbiterGone;
            }
        }
    }

    /// Has it refuse what waits in its mailbox: it has ended and nobody will start it.
    ///
    /// Its own children, if it is a supervisor, will not be started either.
    pub(super) fn dismiss(&self) {
        self.order(Order::Dismiss);
        if let Some(roster) = self.roster.upgrade() {
            roster.lock().iter().for_each(|(_, slot)| slot.dismiss());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.control.order(Order::Close);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("name", &self.name)
            .field("state", &self.state)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
