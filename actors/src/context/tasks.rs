//! The futures of one actor; waking one costs the same however many there are.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use actix::fut::LocalBoxActorFuture;
use actix::prelude::{Actor, AsyncContext, SpawnHandle};
use parking_lot::Mutex;
use slab::Slab;

use crate::bell::Bell;
use crate::contain::{contain, contain_drop};
use crate::context::Context;
use crate::inbox::JobKey;
use crate::vitals::Vitals;

/// A future of an actor.
pub(super) enum Work<A: Actor> {
    /// Uses the actor, so it ends when the actor does.
    Actor(LocalBoxActorFuture<A, ()>),
    /// Does not use the actor and outlives it, as an answer under way should.
    Free(Pin<Box<dyn Future<Output = ()>>>),
}

/// What ended, for whoever keeps count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// `ctx.spawn`.
    Spawned(SpawnHandle),
    /// A request whose answer takes time, and the index of its endpoint.
    Request(JobKey, usize),
}

/// What came of polling the next task of a turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Polled {
    /// The turn is over.
    None,
    /// It goes on, or had been cancelled.
    Pending,
    /// It has ended.
    Ended(Origin),
}

pub(super) struct TaskSet<A: Actor> {
    tasks: Slab<Task<A>>,
    handles: HashMap<SpawnHandle, usize>,
    ready: Arc<ReadyQueue>,
    /// Taken from the queue and not polled yet.
    turn: VecDeque<Ticket>,
    last_serial: u64,
    /// Using the actor right now; still there after a panic.
    polled: Option<Origin>,
}

struct Task<A: Actor> {
    work: Work<A>,
    origin: Origin,
    waker: Arc<TaskWaker>,
}

/// Names a task; its place may be taken by a later one, which then is another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    index: usize,
    serial: u64,
}

impl<A: Actor<Context = Context<A>>> TaskSet<A> {
    pub(super) fn new() -> Self {
        Self {
            tasks: Slab::new(),
            handles: HashMap::new(),
            ready: Arc::default(),
            turn: VecDeque::new(),
            last_serial: 0,
            polled: None,
        }
    }

    pub(super) fn insert(&mut self, origin: Origin, work: Work<A>) {
        let entry = self.tasks.vacant_entry();
        let index = entry.key();
        self.last_serial += 1;
        let ticket = Ticket { index, serial: self.last_serial };
        let waker = Arc::new(TaskWaker {
            ticket,
            queued: AtomicBool::new(true),
            ready: Arc::clone(&self.ready),
        });
        entry.insert(Task { work, origin, waker });
        if let Origin::Spawned(handle) = origin {
            self.handles.insert(handle, index);
        }
        self.turn.push_back(ticket);
    }

    /// Whether a request is still being answered.
    pub(super) fn has_requests(&self) -> bool {
        self.tasks.len() > self.handles.len()
    }

    /// Rings when a task has been woken.
    pub(super) fn bell(&self) -> &Bell {
        &self.ready.parent
    }

    /// Whether there is certainly nothing to poll.
    pub(super) fn is_quiet(&self) -> bool {
        self.turn.is_empty() && !self.ready.has_some.load(Ordering::Acquire)
    }

    /// Moves what was woken into this turn; false when there is nothing to poll.
    pub(super) fn collect_ready(&mut self) -> bool {
        if self.ready.has_some.load(Ordering::Acquire) {
            let mut woken = self.ready.tickets.lock();
            self.ready.has_some.store(false, Ordering::Release);
            if self.turn.is_empty() {
                std::mem::swap(&mut self.turn, &mut *woken);
            } else {
                self.turn.append(&mut woken);
            }
        }
        !self.turn.is_empty()
    }

    /// What was using the actor when it panicked, if it was one of these.
    pub(super) fn take_polled(&mut self) -> Option<Origin> {
        self.polled.take()
    }

    /// Polls one task of this turn.
    ///
    /// A panic in a task that uses the actor passes through, and [`take_polled`](Self::take_polled)
    /// says which one it was; one in a task that does not ends that task only.
    pub(super) fn poll_next(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Polled {
        let Some(ticket) = self.turn.pop_front() else { return Polled::None };
        let Some(task) = find(&mut self.tasks, ticket) else { return Polled::Pending };
        // Cleared before polling, so that a wake-up during the poll queues it again.
        task.waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&task.waker));
        let mut cx = TaskContext::from_waker(&waker);
        // Polled in place: if it panics it is dropped later, when nothing unwinds.
        let poll = match &mut task.work {
            Work::Actor(future) => {
                self.polled = Some(task.origin);
                let poll = future.as_mut().poll(actor, ctx, &mut cx);
                self.polled = None;
                poll
            }
            Work::Free(future) => poll_free(future, &ctx.vitals, &mut cx),
        };
        match poll {
            Poll::Ready(()) => Polled::Ended(self.discard(ticket.index)),
            Poll::Pending => {
                // Actix's streams stop early when the actor is to wait, and rely on being polled
                // after it without having been woken.
                if ctx.waiting() && !task.waker.queued.swap(true, Ordering::AcqRel) {
                    self.turn.push_back(ticket);
                }
                Polled::Pending
            }
        }
    }

    /// The same where there is no actor.
    pub(super) fn poll_next_free(&mut self, vitals: &Vitals) -> Polled {
        let Some(ticket) = self.turn.pop_front() else { return Polled::None };
        let Some(Task { work: Work::Free(future), waker, .. }) = find(&mut self.tasks, ticket)
        else {
            return Polled::Pending;
        };
        waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(waker));
        match poll_free(future, vitals, &mut TaskContext::from_waker(&waker)) {
            Poll::Pending => Polled::Pending,
            Poll::Ready(()) => Polled::Ended(self.discard(ticket.index)),
        }
    }

    pub(super) fn cancel(&mut self, handle: SpawnHandle) {
        if let Some(index) = self.handles.get(&handle).copied() {
            self.discard(index);
        }
    }

    /// Drops the requests that `is_cancelled` names; calls `ended` with each one's endpoint.
    pub(super) fn cancel_requests(
        &mut self,
        is_cancelled: impl Fn(JobKey) -> bool,
        mut ended: impl FnMut(usize),
    ) {
        let doomed: Vec<_> = self
            .tasks
            .iter()
            .filter_map(|(index, task)| match task.origin {
                Origin::Request(key, endpoint) if is_cancelled(key) => Some((index, endpoint)),
                _ => None,
            })
            .collect();
        for (index, endpoint) in doomed {
            self.discard(index);
            ended(endpoint);
        }
    }

    /// Drops everything that uses the actor; calls `ended` with the endpoint of each request.
    pub(super) fn drop_actor_work(&mut self, mut ended: impl FnMut(usize)) {
        self.drop_those(|work| matches!(work, Work::Actor(_)), &mut ended);
    }

    /// Drops everything; calls `ended` with the endpoint of each request.
    pub(super) fn drop_all(&mut self, mut ended: impl FnMut(usize)) {
        self.drop_those(|_| true, &mut ended);
    }

    /// One by one: a panic in one drop must not meet another.
    fn drop_those(&mut self, is_doomed: fn(&Work<A>) -> bool, ended: &mut dyn FnMut(usize)) {
        let doomed = self.tasks.iter().filter(|(_, task)| is_doomed(&task.work));
        let doomed: Vec<_> = doomed.map(|(index, _)| index).collect();
        for index in doomed {
            if let Origin::Request(_, endpoint) = self.discard(index) {
                ended(endpoint);
            }
        }
    }

    fn discard(&mut self, index: usize) -> Origin {
        let task = self.tasks.remove(index);
        if let Origin::Spawned(handle) = task.origin {
            self.handles.remove(&handle);
        }
        contain_drop("a future of an actor", task.work);
        task.origin
    }
}

fn find<A: Actor>(tasks: &mut Slab<Task<A>>, ticket: Ticket) -> Option<&mut Task<A>> {
    tasks.get_mut(ticket.index).filter(|task| task.waker.ticket == ticket)
}

/// Polls a future whose panic ends nothing but itself.
fn poll_free(
    future: &mut Pin<Box<dyn Future<Output = ()>>>,
    vitals: &Vitals,
    cx: &mut TaskContext<'_>,
) -> Poll<()> {
    contain(|| future.as_mut().poll(cx)).unwrap_or_else(|panic| {
        tracing::error!(%panic, "a future of a handler panicked");
        vitals.panicked();
        Poll::Ready(())
    })
}

/// Tasks that were woken; at most one entry for each living waker.
#[derive(Default)]
struct ReadyQueue {
    tickets: Mutex<VecDeque<Ticket>>,
    /// Spares a poll without any the lock; changed under it.
    has_some: AtomicBool,
    parent: Bell,
}

struct TaskWaker {
    ticket: Ticket,
    queued: AtomicBool,
    ready: Arc<ReadyQueue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            {
                let mut tickets = self.ready.tickets.lock();
                tickets.push_back(self.ticket);
                self.ready.has_some.store(true, Ordering::Release);
            }
            self.ready.parent.ring();
        }
    }
}
