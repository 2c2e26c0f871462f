//! What a runner is made of, and how it talks with its supervisor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::Actor;
use parking_lot::Mutex;

use super::mail::Mail;
use super::{Context, Provided};
use crate::bell::Bell;
use crate::contain::contain_drop;
use crate::inbox::InboxReceiver;
use crate::supervisor::Exit;
use crate::vitals::Vitals;

/// What a supervisor tells a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Make an actor and run it; the number comes back with what is reported of it.
    Start(u64),
    /// Stop the actor in order, and wait.
    Halt,
    /// Drop the actor at once, and wait.
    Abandon,
    /// Refuse what is queued and what arrives, until told to start.
    Dismiss,
    /// Close the mailbox and end.
    Close,
}

/// What a runner tells its supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    /// `started` has returned.
    Started,
    /// There is no incarnation any more.
    Exited(Exit),
}

/// The way from a supervisor to a runner; outlives both.
pub(crate) struct Control {
    orders: Mutex<Vec<Order>>,
    /// Spares the runner the lock on each of its polls.
    has_orders: AtomicBool,
    /// Whether there may be something in the mailbox, which rings the same bell.
    pub(super) has_mail: AtomicBool,
    pub(super) bell: Bell,
}

impl Default for Control {
    fn default() -> Self {
        let has_orders = AtomicBool::new(false);
        // Until the runner has looked.
        let has_mail = AtomicBool::new(true);
        Self { orders: Mutex::default(), has_orders, has_mail, bell: Bell::default() }
    }
}

impl Control {
    pub(super) fn has_orders(&self) -> bool {
        self.has_orders.load(Ordering::Acquire)
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.lock().push(order);
        self.has_orders.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub(super) fn take(&self) -> Vec<Order> {
        if !self.has_orders() {
            return Vec::new();
        }
        // Cleared before the orders are taken: one that comes in between is seen the next time.
        if !self.has_orders.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.orders.lock())
    }
}

/// The way from a runner to its supervisor.
///
/// The number is that of the order to start.
pub(crate) type Reporter = Box<dyn Fn(u64, Report) + Send>;

/// Makes the values of an actor.
pub(crate) type Factory<A> = Box<dyn FnMut() -> A + Send>;

/// A runner that has not been moved to its arbiter yet.
pub(crate) struct Seed<A: Actor<Context = Context<A>>> {
    pub(crate) mailbox: Mail<A>,
    pub(crate) inbox: Option<InboxReceiver<A>>,
    pub(crate) factory: Factory<A>,
    pub(crate) control: Arc<Control>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) provided: Provided,
}

impl<A: Actor<Context = Context<A>>> Drop for Seed<A> {
    // One by one: messages and the factory are the user's, and their drops may panic.
    fn drop(&mut self) {
        while self.refuse_message() {}
        let factory = std::mem::replace(&mut self.factory, Box::new(|| unreachable!("dropped")));
        contain_drop("a factory", factory);
    }
}

impl<A: Actor<Context = Context<A>>> Seed<A> {
    /// Drops one message of the mailbox, so that its sender is told; false when there is none.
    pub(super) fn refuse_message(&mut self) -> bool {
        let envelope = self.mailbox.next();
        let is_one = envelope.is_some();
        contain_drop("a message", envelope);
        is_one
    }
}
