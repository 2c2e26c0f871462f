//! The futures of one actor; waking one costs the same however many there are.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use actix::fut::LocalBoxActorFuture;
use actix::prelude::{Actor, SpawnHandle};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use slab::Slab;

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

pub(super) struct TaskSet<A: Actor> {
    tasks: Slab<Task<A>>,
    handles: HashMap<SpawnHandle, usize>,
    ready: Arc<ReadyQueue>,
    /// Taken from the queue and not polled yet.
    turn: VecDeque<usize>,
}

struct Task<A: Actor> {
    work: Work<A>,
    origin: Origin,
    waker: Arc<TaskWaker>,
}

impl<A: Actor<Context = Context<A>>> TaskSet<A> {
    pub(super) fn new() -> Self {
        Self {
            tasks: Slab::new(),
            handles: HashMap::new(),
            ready: Arc::default(),
            turn: VecDeque::new(),
        }
    }

    pub(super) fn insert(&mut self, origin: Origin, work: Work<A>) {
        let entry = self.tasks.vacant_entry();
        let index = entry.key();
        let waker = Arc::new(TaskWaker {
            index,
            queued: AtomicBool::new(true),
            ready: Arc::clone(&self.ready),
        });
        entry.insert(Task { work, origin, waker });
        if let Origin::Spawned(handle) = origin {
            self.handles.insert(handle, index);
        }
        self.turn.push_back(index);
    }

    /// Whether a request is still being answered.
    pub(super) fn has_requests(&self) -> bool {
        self.tasks.len() > self.handles.len()
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.ready.parent.register(waker);
    }

    /// Moves what was woken into this turn; false when there is nothing to poll.
    pub(super) fn collect_ready(&mut self) -> bool {
        let mut woken = self.ready.indices.lock();
        if self.turn.is_empty() {
            std::mem::swap(&mut self.turn, &mut *woken);
        } else {
            self.turn.append(&mut woken);
        }
        !self.turn.is_empty()
    }

    /// Polls one task of this turn. `None` when the turn is over, else what ended, if it did.
    ///
    /// A panic in a task that uses the actor passes through; one in a task that does not ends that
    /// task only.
    pub(super) fn poll_next(
        &mut self,
        actor: &mut A,
        ctx: &mut Context<A>,
    ) -> Option<Option<Origin>> {
        let index = self.turn.pop_front()?;
        let Some(task) = self.tasks.get_mut(index) else { return Some(None) };
        // Cleared before polling, so that a wake-up during the poll queues it again.
        task.waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&task.waker));
        let mut cx = TaskContext::from_waker(&waker);
        // Polled in place: if it panics it is dropped later, when nothing unwinds.
        let poll = match &mut task.work {
            Work::Actor(future) => future.as_mut().poll(actor, ctx, &mut cx),
            Work::Free(future) => poll_free(future, &ctx.vitals, &mut cx),
        };
        match poll {
            Poll::Pending => Some(None),
            Poll::Ready(()) => Some(Some(self.discard(index))),
        }
    }

    /// The same where there is no actor.
    pub(super) fn poll_next_free(&mut self, vitals: &Vitals) -> Option<Option<Origin>> {
        let index = self.turn.pop_front()?;
        let Some(Task { work: Work::Free(future), waker, .. }) = self.tasks.get_mut(index) else {
            return Some(None);
        };
        waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(waker));
        match poll_free(future, vitals, &mut TaskContext::from_waker(&waker)) {
            Poll::Pending => Some(None),
            Poll::Ready(()) => Some(Some(self.discard(index))),
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
        let doomed: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| !matches!(task.work, Work::Free(_)))
            .map(|(index, task)| (index, task.origin))
            .collect();
        for (index, origin) in doomed {
            self.discard(index);
            if let Origin::Request(_, endpoint) = origin {
                ended(endpoint);
            }
        }
    }

    /// Drops everything, one by one: a panic in one drop must not meet another.
    pub(super) fn drop_all(&mut self) {
        let all: Vec<_> = self.tasks.iter().map(|(index, _)| index).collect();
        for index in all {
            self.discard(index);
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
    indices: Mutex<VecDeque<usize>>,
    parent: AtomicWaker,
}

struct TaskWaker {
    index: usize,
    queued: AtomicBool,
    ready: Arc<ReadyQueue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    // A waker that outlives its task may wake the one that took its index; that costs it one poll.
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.indices.lock().push_back(self.index);
            self.ready.parent.wake();
        }
    }
}
