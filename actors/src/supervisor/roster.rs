//! The children of one supervisor, over all its incarnations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Exit;
use super::child::{Care, ChildSpec, FIRST_EPOCH, Plant};
use super::handle::{ChildState, StartError};
use crate::backoff::Backoff;
use crate::context::{Control, Order, Reporter};
use crate::vitals::Vitals;

/// Numbers a child; greater ones were added later and start later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChildId(pub(super) u64);

/// The children of one supervisor in the order in which they start.
#[derive(Debug, Default)]
pub(super) struct Roster {
    slots: BTreeMap<ChildId, Slot>,
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
    pub(super) since: Option<Instant>,
    pub(super) last_exit: Option<Exit>,
    /// Told when the first start has succeeded or failed for good.
    pub(super) waiter: Option<oneshot::Sender<Result<(), StartError>>>,
    /// Belongs to the supervisor's description: stays on the roster when it ends.
    pub(super) is_static: bool,
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
            last_exit: None,
            waiter: None,
            is_static,
            control: spec.control,
            plant: Some(spec.plant),
        };
        self.slots.insert(id, slot);
        id
    }

    pub(super) fn get_mut(&mut self, id: ChildId) -> Option<&mut Slot> {
        self.slots.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildId, &Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.values_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes a child off for good; its mailbox closes.
    pub(super) fn remove(&mut self, id: ChildId) {
        self.slots.remove(&id);
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
