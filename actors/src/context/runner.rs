//! The task that runs an actor through all its incarnations.
//!
//! ```text
//!      ┌────────────────────Start─────────────────────────┐
//!      ▼     Start                 panic, stop, halt      │
//! (waiting) ───────▶ (alive) ──────────────────────▶ (waiting) ──Close──▶ ended
//!                                                         │ Dismiss
//!                                                         ▼
//!                                                    (refusing) ──Start──▶ (alive)
//! ```
//!
//! The runner owns what outlives an incarnation: the mailbox, the inbox, the factory, the counters.
//! It never decides: it reports what happened to the supervisor and does what that orders.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::{Actor, Addr};

use super::Context;
use super::guest::Guest;
use super::life::{Desk, Life, Turn};
use super::patience::Patience;
use super::prompt::{Hosted, take_turn_with};
use super::seed::{Order, Report, Reporter, Seed};
use super::tasks::{Origin, Polled, TaskSet};
use super::turns::Turns;
use crate::bell::Bell;
use crate::contain::{Panic, contain, contain_drop};
use crate::inbox::{InboxReceiver, Job};
use crate::supervisor::Exit;
use crate::vitals::Work;
use crate::waiting;

impl<A: Actor<Context = Context<A>>> Seed<A> {
    /// Becomes the future to spawn on the present arbiter.
    pub(crate) fn run(self, reporter: Reporter) -> impl Future<Output = ()> {
        let number = self.inbox.as_ref().map(InboxReceiver::number);
        let runner = Runner {
            seed: self,
            reporter,
            life: None,
            tasks: TaskSet::new(),
            current: None,
            epoch: None,
            duty: Duty::Work,
            turns: Turns::default(),
            patience: Patience::default(),
        };
        Hosted::new(runner, number)
    }
}

/// Gives the actor behind the inbox of this number a turn, if it lives on the present arbiter and
/// has none now, and has it handle `job` in it, unless something keeps it from that or is ahead of
/// it; whether it did.
pub(crate) fn take_turn_for<A: Actor<Context = Context<A>>>(
    number: u64,
    job: &mut dyn Job<A>,
) -> bool {
    let mut guest = Guest::new(job);
    take_turn_with::<Runner<A>>(number, |runner, cx| {
        if runner.receive(&mut guest) { Poll::Pending } else { runner.turn(Some(&mut guest), cx) }
    });
    guest.was_served()
}

struct Runner<A: Actor<Context = Context<A>>> {
    seed: Seed<A>,
    reporter: Reporter,
    life: Option<Life<A>>,
    tasks: TaskSet<A>,
    current: Option<Box<dyn Job<A>>>,
    /// Of the latest incarnation.
    epoch: Option<u64>,
    duty: Duty,
    turns: Turns,
    patience: Patience,
}

/// What the supervisor wants at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Work, when there is an incarnation.
    Work,
    /// Stop, and take nothing new until then.
    Halt,
    /// The actor was told to stop and will do so when it wants to.
    Linger,
    /// Refuse everything.
    Dismissed,
    /// End.
    Closed,
}

// Nothing in it is ever pinned in place: futures are boxed.
impl<A: Actor<Context = Context<A>>> Unpin for Runner<A> {}

impl<A: Actor<Context = Context<A>>> Future for Runner<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.register(cx);
        this.turn(None, cx)
    }
}

impl<A: Actor<Context = Context<A>>> Runner<A> {
    /// Handles a guest as a turn of its own, where there is nothing else to do and nothing is left to
    /// do afterwards; false when a whole turn is needed, be it for the guest or for what it brought.
    fn receive(&mut self, guest: &mut Guest<'_, A>) -> bool {
        let Self { seed, life: Some(life), tasks, turns, duty: Duty::Work, .. } = self else {
            return false;
        };
        let Some(inbox) = seed.inbox.as_mut().filter(|inbox| !inbox.has_cancels()) else {
            return false;
        };
        let is_quiet = !seed.control.has_orders() && seed.mailbox.is_empty();
        if !is_quiet || !tasks.is_quiet() || !life.is_quiet() {
            return false;
        }
        let mut turn = turns.begin();
        let result = contain(|| life.receive(guest, inbox, (tasks, &mut turn.work)));
        if matches!(result, Ok(true)) && life.is_quiet() && tasks.is_quiet() {
            seed.vitals.add(&turn.end());
            return true;
        }
        turns.put_off(turn);
        if let Err(panic) = result {
            self.panicked(panic, Some(guest));
        }
        false
    }

    /// Does what is ready. Within the turn of another one nothing need be registered: what rings
    /// meanwhile has the task polled, as it is not being polled now.
    fn turn(&mut self, guest: Option<&mut Guest<'_, A>>, cx: &mut TaskContext<'_>) -> Poll<()> {
        // Whoever is answered in it is woken at its end.
        let answers = self.seed.inbox.is_some().then(waiting::Turn::begin);
        for order in self.seed.control.take() {
            match order {
                Order::Start(epoch) => self.start(epoch),
                Order::Halt => self.duty = Duty::Halt,
                Order::Abandon => self.abandon(),
                Order::Dismiss => self.duty = Duty::Dismissed,
                Order::Close => {
                    self.duty = Duty::Closed;
                    return Poll::Ready(());
                }
            }
        }
        let turn = if self.life.is_some() { self.live(guest, cx) } else { self.wait() };
        self.settle();
        let stays = answers.is_some_and(|answers| self.patience.lasts(answers.end()));
        if turn == Turn::More || stays {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn register(&self, cx: &TaskContext<'_>) {
        let inbox = self.seed.inbox.as_ref().map(InboxReceiver::bell);
        let bells = [&self.seed.control.bell, self.tasks.bell()].into_iter().chain(inbox);
        Bell::register(bells, cx.waker());
    }

    fn start(&mut self, epoch: u64) {
        if self.life.is_some() {
            self.end(Exit::Abandoned);
        }
        self.duty = Duty::Work;
        if self.epoch.replace(epoch).is_some() {
            self.seed.vitals.restarted();
        }
        let address = Addr::new(self.seed.mailbox.sender()).downgrade();
        let (vitals, provided) = (Arc::clone(&self.seed.vitals), self.seed.provided.clone());
        let (factory, context) = (&mut self.seed.factory, Context::new(address, vitals, provided));
        let life = match contain(|| Life::new(factory(), context)) {
            Ok(life) => self.life.insert(life),
            Err(panic) => return self.failed_to_start(panic),
        };
        match contain(|| life.start(&mut self.tasks)) {
            Ok(()) => (self.reporter)(epoch, Report::Started),
            Err(panic) => self.failed_to_start(panic),
        }
    }

    fn failed_to_start(&mut self, panic: Panic) {
        self.seed.vitals.panicked();
        self.end(Exit::StartFailed(panic));
    }

    fn live(&mut self, mut guest: Option<&mut Guest<'_, A>>, cx: &mut TaskContext<'_>) -> Turn {
        let mut turn = self.turns.begin();
        self.apply_cancels(&mut turn.work);
        let result = self.work(&mut turn.work, guest.as_deref_mut(), cx);
        self.seed.vitals.add(&turn.end());
        match result {
            // Also when there is more to do: a future that is always ready must not keep an actor
            // from stopping.
            Ok(turn) => self.stop_if_due(turn),
            Err(panic) => {
                self.panicked(panic, guest);
                Turn::More
            }
        }
    }

    /// Counts out the requests that this poll answered.
    fn settle(&mut self) {
        if let Some(inbox) = self.seed.inbox.as_mut() {
            inbox.settle();
        }
    }

    fn work(
        &mut self,
        work: &mut Work,
        guest: Option<&mut Guest<'_, A>>,
        cx: &mut TaskContext<'_>,
    ) -> Result<Turn, Panic> {
        let Some(life) = self.life.as_mut() else { return Ok(Turn::Idle) };
        let mut desk = Desk {
            mailbox: &mut self.seed.mailbox,
            inbox: self.seed.inbox.as_mut(),
            tasks: &mut self.tasks,
            current: &mut self.current,
            guest,
            work,
            is_halting: self.duty == Duty::Halt,
        };
        contain(|| life.work(&mut desk, cx))
    }

    /// Between two incarnations: what does not need the actor goes on.
    fn wait(&mut self) -> Turn {
        let mut turn = self.turns.begin();
        self.apply_cancels(&mut turn.work);
        self.seed.vitals.add(&turn.end());
        if self.duty == Duty::Dismissed {
            if let Some(inbox) = self.seed.inbox.as_mut() {
                inbox.refuse_queued();
            }
            let refused = |_| self.seed.refuse_message();
            if (0..REFUSALS_PER_POLL).all(refused) {
                return Turn::More;
            }
        }
        self.finish_answers()
    }

    fn finish_answers(&mut self) -> Turn {
        let mut budget = ANSWERS_PER_POLL;
        while self.tasks.collect_ready() {
            loop {
                if let Some(inbox) = self.seed.inbox.as_mut() {
                    inbox.wake_answered();
                }
                match self.tasks.poll_next_free(&self.seed.vitals) {
                    Polled::None => break,
                    Polled::Ended(Origin::Request(_, endpoint)) => {
                        if let Some(inbox) = self.seed.inbox.as_mut() {
                            inbox.answered(endpoint);
                        }
                    }
                    Polled::Pending | Polled::Ended(Origin::Spawned(_)) => {}
                }
                budget -= 1;
                if budget == 0 {
                    return Turn::More;
                }
            }
        }
        Turn::Idle
    }

    fn apply_cancels(&mut self, work: &mut Work) {
        let Some(inbox) = self.seed.inbox.as_mut() else { return };
        let Some((cancels, dropped)) = inbox.take_cancels() else { return };
        work.cancelled += dropped;
        self.tasks.cancel_requests(
            |key| cancels.name(key),
            |endpoint| {
                work.cancelled += 1;
                inbox.answered(endpoint);
            },
        );
    }

    fn panicked(&mut self, panic: Panic, guest: Option<&mut Guest<'_, A>>) {
        self.seed.vitals.panicked();
        let polled = self.tasks.take_polled();
        if let Some(job) = guest.and_then(Guest::take_running) {
            tell(job, &panic);
            if let Some(inbox) = self.seed.inbox.as_mut() {
                inbox.guest_answered(job.endpoint());
            }
            self.end(Exit::RequestPanicked(panic));
        } else if let Some(mut job) = self.current.take() {
            tell(&mut *job, &panic);
            if let Some(inbox) = self.seed.inbox.as_mut() {
                inbox.answered(job.endpoint());
            }
            contain_drop("a request", job);
            self.end(Exit::RequestPanicked(panic));
        } else if let Some(Origin::Request(..)) = polled {
            self.end(Exit::RequestPanicked(panic));
        } else {
            self.end(Exit::Panicked(panic));
        }
    }

    fn stop_if_due(&mut self, turn: Turn) -> Turn {
        let Some(life) = self.life.as_mut() else { return Turn::Idle };
        // A halting actor finishes the answers it is working on; its supervisor sets the limit.
        let halts = self.duty == Duty::Halt && !life.is_waiting() && !self.tasks.has_requests();
        if !halts && !life.state().stopping() {
            return turn;
        }
        match contain(|| life.try_stop()) {
            Ok(true) => {
                let was_told = matches!(self.duty, Duty::Halt | Duty::Linger);
                let asked = if was_told { Exit::Shutdown } else { Exit::Normal };
                let exit = life.take_exit().unwrap_or(asked);
                self.end(exit);
            }
            // It goes on. What it asked for in `stopping` is taken in by the next poll; it is
            // asked again when it calls `stop`.
            Ok(false) if self.duty == Duty::Halt => self.duty = Duty::Linger,
            Ok(false) => {}
            Err(panic) => self.panicked(panic, None),
        }
        Turn::More
    }

    fn abandon(&mut self) {
        if self.life.is_some() {
            self.end(Exit::Abandoned);
        }
    }

    /// Ends the incarnation, and what belonged to it.
    fn end(&mut self, exit: Exit) {
        self.duty = Duty::Work;
        let inbox = &mut self.seed.inbox;
        self.tasks.drop_actor_work(|endpoint| {
            if let Some(inbox) = inbox {
                inbox.answered(endpoint);
            }
        });
        if let Some(life) = self.life.take() {
            life.bury();
        }
        (self.reporter)(self.epoch.unwrap_or_default(), Report::Exited(exit));
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Runner<A> {
    // Also reached when an arbiter is torn down with actors on it.
    fn drop(&mut self) {
        let inbox = &mut self.seed.inbox;
        self.tasks.drop_all(|endpoint| {
            if let Some(inbox) = inbox {
                inbox.answered(endpoint);
            }
        });
        if let Some(life) = self.life.take() {
            life.bury();
        }
        if self.duty != Duty::Closed {
            (self.reporter)(self.epoch.unwrap_or_default(), Report::Exited(Exit::ArbiterGone));
        }
    }
}

/// Has a request answer that handling it panicked.
fn tell<A: Actor>(job: &mut dyn Job<A>, panic: &Panic) {
    if let Err(panic) = contain(|| job.panicked(panic)) {
        tracing::error!(%panic, "a request panicked when it was told of a panic");
    }
}

/// Messages refused and answers polled at a time while there is no incarnation.
const REFUSALS_PER_POLL: usize = 256;
const ANSWERS_PER_POLL: usize = 256;
