//! The task that runs an actor through all its incarnations.
//!
//! ```text
//!            Start                 panic, stop, halt
//! (waiting) ───────▶ (alive) ──────────────────────▶ (waiting) ──Close──▶ ended
//!      ▲                                                  │
//!      └────────────────────Start─────────────────────────┘
//! ```
//!
//! The runner owns what outlives an incarnation: the mailbox, the inbox, the factory, the counters.
//! It never decides: it reports what happened to the supervisor and does what that orders.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::channel::AddressReceiver;
use actix::prelude::{Actor, Addr};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Context;
use super::life::{Desk, Life, Turn};
use super::tasks::{Origin, TaskSet};
use crate::contain::{Panic, contain, contain_drop};
use crate::inbox::{InboxReceiver, Job, names};
use crate::supervisor::Exit;
use crate::vitals::{Vitals, Work};

/// What a supervisor tells a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Make an actor and run it; the number comes back with what is reported of it.
    Start(u64),
    /// Stop the actor in order, and wait.
    Halt,
    /// Drop the actor at once, and wait.
    Abandon,
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
#[derive(Default)]
pub(crate) struct Control {
    orders: Mutex<Vec<Order>>,
    waker: AtomicWaker,
}

impl Control {
    pub(crate) fn order(&self, order: Order) {
        self.orders.lock().push(order);
        self.waker.wake();
    }

    fn take(&self) -> Vec<Order> {
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
    pub(crate) mailbox: AddressReceiver<A>,
    pub(crate) inbox: Option<InboxReceiver<A>>,
    pub(crate) factory: Factory<A>,
    pub(crate) control: Arc<Control>,
    pub(crate) vitals: Arc<Vitals>,
}

impl<A: Actor<Context = Context<A>>> Seed<A> {
    /// Becomes the future to spawn on the present arbiter.
    pub(crate) fn run(self, reporter: Reporter) -> impl Future<Output = ()> {
        Runner {
            seed: self,
            reporter,
            life: None,
            tasks: TaskSet::new(),
            current: None,
            epoch: 0,
            has_lived: false,
            is_halting: false,
        }
    }
}

struct Runner<A: Actor<Context = Context<A>>> {
    seed: Seed<A>,
    reporter: Reporter,
    life: Option<Life<A>>,
    tasks: TaskSet<A>,
    current: Option<Box<dyn Job<A>>>,
    epoch: u64,
    has_lived: bool,
    is_halting: bool,
}

// Nothing in it is ever pinned in place: futures are boxed.
impl<A: Actor<Context = Context<A>>> Unpin for Runner<A> {}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.register(cx);
        for order in this.seed.control.take() {
            match order {
                Order::Start(epoch) => this.start(epoch),
                Order::Halt => this.is_halting = true,
                Order::Abandon => this.abandon(),
                Order::Close => return Poll::Ready(()),
            }
        }
        if this.life.is_some() {
            this.live(cx);
        } else {
            this.finish_answers();
        }
        Poll::Pending
    }
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    fn register(&self, cx: &TaskContext<'_>) {
        self.seed.control.waker.register(cx.waker());
        self.tasks.register(cx.waker());
        if let Some(inbox) = &self.seed.inbox {
            inbox.register(cx.waker());
        }
    }

    fn start(&mut self, epoch: u64) {
        if self.life.is_some() {
            self.end(Exit::Abandoned);
        }
        self.epoch = epoch;
        self.is_halting = false;
        if std::mem::replace(&mut self.has_lived, true) {
            self.seed.vitals.restarted();
        }
        let address = Addr::new(self.seed.mailbox.sender()).downgrade();
        let (factory, vitals) = (&mut self.seed.factory, Arc::clone(&self.seed.vitals));
        let life = match contain(|| Life::new(factory(), Context::new(address, vitals))) {
            Ok(life) => self.life.insert(life),
            Err(panic) => return self.failed_to_start(panic),
        };
        match contain(|| life.start(&mut self.tasks)) {
            Ok(()) => (self.reporter)(self.epoch, Report::Started),
            Err(panic) => self.failed_to_start(panic),
        }
    }

    fn failed_to_start(&mut self, panic: Panic) {
        self.seed.vitals.panicked();
        self.end(Exit::StartFailed(panic));
    }

    fn live(&mut self, cx: &mut TaskContext<'_>) {
        let begun = Instant::now();
        let mut work = Work::default();
        self.apply_cancels(&mut work);
        let result = self.work(&mut work, cx);
        work.busy = begun.elapsed();
        self.seed.vitals.add(&work);
        match result {
            Ok(Turn::More) => cx.waker().wake_by_ref(),
            Ok(Turn::Idle) => self.stop_if_due(cx),
            Err(panic) => self.panicked(panic),
        }
    }

    fn work(&mut self, work: &mut Work, cx: &mut TaskContext<'_>) -> Result<Turn, Panic> {
        let Some(life) = self.life.as_mut() else { return Ok(Turn::Idle) };
        let mut desk = Desk {
            mailbox: &mut self.seed.mailbox,
            inbox: self.seed.inbox.as_mut(),
            tasks: &mut self.tasks,
            current: &mut self.current,
            work,
            is_halting: self.is_halting,
        };
        contain(|| life.work(&mut desk, cx))
    }

    /// Between two incarnations: what does not need the actor goes on.
    fn finish_answers(&mut self) {
        while self.tasks.collect_ready() {
            while let Some(ended) = self.tasks.poll_next_free(&self.seed.vitals) {
                if let (Some(Origin::Request(_, endpoint)), Some(inbox)) =
                    (ended, self.seed.inbox.as_mut())
                {
                    inbox.answered(endpoint);
                }
            }
        }
    }

    fn apply_cancels(&mut self, work: &mut Work) {
        let Some(inbox) = self.seed.inbox.as_mut() else { return };
        let (cancels, dropped) = inbox.take_cancels();
        work.cancelled += dropped;
        if !cancels.is_empty() {
            self.tasks.cancel_requests(
                |key| names(&cancels, key),
                |endpoint| {
                    work.cancelled += 1;
                    inbox.answered(endpoint);
                },
            );
        }
    }

    fn panicked(&mut self, panic: Panic) {
        self.seed.vitals.panicked();
        if let Some(mut job) = self.current.take() {
            job.panicked(&panic);
            if let Some(inbox) = self.seed.inbox.as_mut() {
                inbox.answered(job.endpoint());
            }
            contain_drop("a request", job);
            self.end(Exit::RequestPanicked(panic));
        } else {
            self.end(Exit::Panicked(panic));
        }
    }

    fn stop_if_due(&mut self, cx: &mut TaskContext<'_>) {
        let Some(life) = self.life.as_mut() else { return };
        // A halting actor finishes the answers it is working on; its supervisor sets the limit.
        let halts = self.is_halting && !life.is_waiting() && !self.tasks.has_requests();
        if !halts && !life.state().stopping() {
            return;
        }
        match contain(|| life.try_stop()) {
            Ok(true) => {
                let asked = if self.is_halting { Exit::Shutdown } else { Exit::Normal };
                let exit = life.take_exit().unwrap_or(asked);
                self.end(exit);
            }
            // It goes on. What it asked for in `stopping` is taken in by the next poll; it is
            // asked again when it calls `stop`.
            Ok(false) => {
                self.is_halting = false;
                cx.waker().wake_by_ref();
            }
            Err(panic) => self.panicked(panic),
        }
    }

    fn abandon(&mut self) {
        if self.life.is_some() {
            self.end(Exit::Abandoned);
        }
    }

    /// Ends the incarnation, and what belonged to it.
    fn end(&mut self, exit: Exit) {
        self.is_halting = false;
        let inbox = &mut self.seed.inbox;
        self.tasks.drop_actor_work(|endpoint| {
            if let Some(inbox) = inbox {
                inbox.answered(endpoint);
            }
        });
        if let Some(life) = self.life.take() {
            life.bury();
        }
        (self.reporter)(self.epoch, Report::Exited(exit));
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Runner<A> {
    // Also reached when an arbiter is torn down with actors on it.
    fn drop(&mut self) {
        self.tasks.drop_all();
        if let Some(life) = self.life.take() {
            life.bury();
        }
        if let Some(inbox) = self.seed.inbox.as_mut() {
            inbox.close();
        }
    }
}
