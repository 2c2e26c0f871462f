//! One incarnation of an actor: the value, its context and its futures.

use std::task::Context as TaskContext;

use actix::dev::EnvelopeProxy;
use actix::fut::LocalBoxActorFuture;
use actix::prelude::{Actor, ActorState, Running};

use super::Context;
use super::guest::Guest;
use super::mail::Mail;
use super::tasks::{Origin, Polled, TaskSet, Work as TaskWork};
use crate::contain::{contain, contain_drop};
use crate::inbox::{InboxReceiver, Job, Next, Progress};
use crate::vitals::Work;

/// One incarnation of an actor.
///
/// Its code runs only inside [`contain`](crate::contain::contain), put there by the runner.
pub(super) struct Life<A: Actor<Context = Context<A>>> {
    actor: A,
    ctx: Context<A>,
    waits: Vec<LocalBoxActorFuture<A, ()>>,
}

/// What a turn of work ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Everything that was ready is done.
    Idle,
    /// More is ready: the budget ran out.
    More,
}

/// What an incarnation works on; it belongs to the runner and outlives the incarnation.
pub(super) struct Desk<'a, 'g, A: Actor<Context = Context<A>>> {
    pub(super) mailbox: &'a mut Mail<A>,
    pub(super) inbox: Option<&'a mut InboxReceiver<A>>,
    pub(super) tasks: &'a mut TaskSet<A>,
    /// The request being handled; still there after a panic.
    pub(super) current: &'a mut Option<Box<dyn Job<A>>>,
    /// A request that is handled once the inbox is empty.
    pub(super) guest: Option<&'a mut Guest<'g, A>>,
    pub(super) work: &'a mut Work,
    /// Whether to leave new messages and requests alone.
    pub(super) is_halting: bool,
}

impl<A: Actor<Context = Context<A>>> Desk<'_, '_, A> {
    /// Whom this turn has answered is not to wait for what takes long.
    fn wake_answered(&mut self) {
        if let Some(inbox) = self.inbox.as_deref_mut() {
            inbox.wake_answered();
        }
    }
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    pub(super) fn new(actor: A, ctx: Context<A>) -> Self {
        Self { actor, ctx, waits: Vec::new() }
    }

    pub(super) fn start(&mut self, tasks: &mut TaskSet<A>) {
        self.actor.started(&mut self.ctx);
        if self.ctx.state == ActorState::Started {
            self.ctx.state = ActorState::Running;
        }
        self.merge_news(tasks);
    }

    pub(super) fn state(&self) -> ActorState {
        self.ctx.state
    }

    pub(super) fn take_exit(&mut self) -> Option<crate::supervisor::Exit> {
        self.ctx.exit.take()
    }

    /// Asks the actor whether it stops; when it does, its last code runs.
    pub(super) fn try_stop(&mut self) -> bool {
        if self.ctx.state != ActorState::Stopped {
            self.ctx.state = ActorState::Stopping;
            if self.actor.stopping(&mut self.ctx) == Running::Continue {
                // `stopping` may have called `stop` again; continuing wins, as in actix.
                self.ctx.state = ActorState::Running;
                self.ctx.exit = None;
                return false;
            }
            self.ctx.state = ActorState::Stopped;
        }
        self.actor.stopped(&mut self.ctx);
        true
    }

    /// Does what is ready, within a budget.
    pub(super) fn work(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> Turn {
        if self.is_blocked(desk, cx) {
            return Turn::Idle;
        }
        let mut turn = Turn::Idle;
        for step in [Self::read_mailbox, Self::serve_inbox, Self::poll_tasks] {
            match step(self, desk, cx) {
                Step::Blocked => return Turn::Idle,
                Step::Budget => turn = Turn::More,
                Step::Done => {}
            }
        }
        turn
    }

    fn read_mailbox(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> Step {
        if desk.is_halting {
            return Step::Done;
        }
        for _ in 0..MESSAGES_PER_POLL {
            let Some(mut envelope) = desk.mailbox.next() else { return Step::Done };
            desk.work.messages += 1;
            desk.wake_answered();
            envelope.handle(&mut self.actor, &mut self.ctx);
            // It still holds the message when nobody waits for the answer any more.
            contain_drop("a message", envelope);
            if self.is_blocked(desk, cx) {
                return Step::Blocked;
            }
        }
        Step::Budget
    }

    fn serve_inbox(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> Step {
        if desk.is_halting || desk.inbox.is_none() {
            return Step::Done;
        }
        for _ in 0..REQUESTS_PER_POLL {
            let Some(inbox) = desk.inbox.as_deref_mut() else { return Step::Done };
            match inbox.next() {
                Next::Empty => return self.serve_guest(desk, cx),
                Next::Expired => desk.work.expired += 1,
                Next::Run(job) => {
                    self.serve(job, desk);
                    if self.is_blocked(desk, cx) {
                        return Step::Blocked;
                    }
                }
            }
        }
        match &desk.inbox {
            Some(inbox) if inbox.has_more() => Step::Budget,
            _ => Step::Done,
        }
    }

    fn serve(&mut self, job: Box<dyn Job<A>>, desk: &mut Desk<'_, '_, A>) {
        desk.work.requests += 1;
        // Kept outside this frame, so that a panic can be answered after the unwinding.
        let job = desk.current.insert(job);
        let progress = job.run(&mut self.actor, &mut self.ctx);
        let endpoint = job.endpoint();
        let rest = rest_of(progress).map(|rest| (Origin::Request(job.key(), endpoint), rest));
        let spare = desk.current.take().and_then(let_go);
        if let Some((origin, rest)) = rest {
            desk.tasks.insert(origin, rest);
        } else if let Some(inbox) = desk.inbox.as_deref_mut() {
            inbox.answered(endpoint);
        }
        if let (Some(inbox), Some(spare)) = (desk.inbox.as_deref_mut(), spare) {
            inbox.keep(spare);
        }
    }

    /// Whether it wants nothing but requests and messages.
    pub(super) fn is_quiet(&self) -> bool {
        self.waits.is_empty() && !self.ctx.news.any && !self.ctx.state.stopping()
    }

    fn serve_guest(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> Step {
        let (Some(guest), Some(inbox)) = (desk.guest.as_deref_mut(), desk.inbox.as_deref_mut())
        else {
            return Step::Done;
        };
        if guest.is_waiting() {
            self.receive(guest, inbox, (desk.tasks, desk.work));
        }
        if self.is_blocked(desk, cx) { Step::Blocked } else { Step::Done }
    }

    /// Handles a guest, unless something is ahead of it: what is in the inbox came before, and so did
    /// what waits for the place of another request.
    pub(super) fn receive(
        &mut self,
        guest: &mut Guest<'_, A>,
        inbox: &mut InboxReceiver<A>,
        (tasks, work): (&mut TaskSet<A>, &mut Work),
    ) -> bool {
        if !inbox.admit(guest.job()) {
            return false;
        }
        work.requests += 1;
        let job = guest.begin();
        let (key, endpoint) = (job.key(), job.endpoint());
        let progress = job.run(&mut self.actor, &mut self.ctx);
        guest.end();
        match rest_of(progress) {
            None => inbox.guest_answered(endpoint),
            Some(rest) => {
                inbox.guest_stays();
                tasks.insert(Origin::Request(key, endpoint), rest);
            }
        }
        true
    }

    fn poll_tasks(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> Step {
        // One round, not until none is ready: a task that wakes itself to let others on the
        // arbiter have their turn must not have it again before them.
        desk.tasks.collect_ready();
        for budget in (0..TASKS_PER_POLL).rev() {
            desk.wake_answered();
            match desk.tasks.poll_next(&mut self.actor, &mut self.ctx) {
                Polled::None => break,
                Polled::Ended(Origin::Request(_, endpoint)) => {
                    if let Some(inbox) = desk.inbox.as_deref_mut() {
                        inbox.answered(endpoint);
                    }
                }
                Polled::Pending | Polled::Ended(Origin::Spawned(_)) => {}
            }
            if self.is_blocked(desk, cx) {
                return Step::Blocked;
            }
            if budget == 0 {
                return Step::Budget;
            }
        }
        // An answer may have freed the place that a queued request waits for.
        match &desk.inbox {
            Some(inbox) if !desk.is_halting && inbox.is_unblocked() => Step::Budget,
            _ => Step::Done,
        }
    }

    /// Takes in what the actor's code asked for; true while it must do nothing else.
    #[inline]
    fn is_blocked(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> bool {
        // Asked after each request, and nearly always so.
        !self.is_quiet() && self.waits_or_stops(desk, cx)
    }

    fn waits_or_stops(&mut self, desk: &mut Desk<'_, '_, A>, cx: &mut TaskContext<'_>) -> bool {
        loop {
            if self.ctx.news.any {
                self.merge_news(desk.tasks);
            }
            // An actor that stops waits for nothing.
            if self.ctx.state.stopping() {
                return true;
            }
            // The newest first: it is what the others wait for.
            let Some(wait) = self.waits.last_mut() else { return false };
            if wait.as_mut().poll(&mut self.actor, &mut self.ctx, cx).is_ready() {
                contain_drop("a finished future", self.waits.pop());
                self.ctx.is_waiting = !self.waits.is_empty();
            } else if self.ctx.news.waits.is_empty() {
                if self.ctx.news.any {
                    self.merge_news(desk.tasks);
                }
                return true;
            }
            // Else it waits for a newer one, which has to be polled to wake anybody.
        }
    }

    fn merge_news(&mut self, tasks: &mut TaskSet<A>) {
        let news = &mut self.ctx.news;
        news.any = false;
        for (handle, future) in news.spawned.drain(..) {
            tasks.insert(Origin::Spawned(handle), TaskWork::Actor(future));
        }
        for handle in news.cancelled.drain(..) {
            tasks.cancel(handle);
        }
        self.waits.append(&mut news.waits);
        self.ctx.is_waiting = !self.waits.is_empty();
    }

    /// Drops the incarnation piece by piece: a panic in one drop must not meet another.
    pub(super) fn bury(self) {
        for wait in self.waits {
            contain_drop("a future of an actor", wait);
        }
        let mut news = self.ctx.news;
        for (_, future) in news.spawned.drain(..) {
            contain_drop("a future of an actor", future);
        }
        for wait in news.waits.drain(..) {
            contain_drop("a future of an actor", wait);
        }
        contain_drop("an actor", self.actor);
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }
}

/// What has yet to answer a request.
fn rest_of<A: Actor>(progress: Progress<A>) -> Option<TaskWork<A>> {
    match progress {
        Progress::Done => None,
        Progress::Free(future) => Some(TaskWork::Free(future)),
        Progress::Actor(future) => Some(TaskWork::Actor(future)),
    }
}

/// Lets go of a request that has been run; what is left of it.
fn let_go<A: Actor>(job: Box<dyn Job<A>>) -> Option<Box<dyn Job<A>>> {
    contain(|| job.finish()).unwrap_or_else(|panic| {
        tracing::error!(%panic, "a request panicked when it was let go of");
        None
    })
}

enum Step {
    Done,
    Budget,
    Blocked,
}

/// Messages, requests and futures one poll may take; then others on the arbiter get their turn.
const MESSAGES_PER_POLL: usize = 128;
const REQUESTS_PER_POLL: usize = 256;
const TASKS_PER_POLL: usize = 256;
