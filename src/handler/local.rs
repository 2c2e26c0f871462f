//! The way to a handler in the same process: no socket, no serialisation.

mod at_once;
mod way;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use callboard_actors::client::CallError;
use callboard_actors::inbox::InboxStatus;
use callboard_actors::message::Refusal;
use callboard_actors::server::LOCAL_ORIGIN;
use callboard_actors::waiting::{BatchedWaker, WaitingRoom};
use callboard_actors::{Deadline, Status};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(super) use self::way::LocalWay;
use super::backstage::Backstage;
use super::delivery::Delivery;
use crate::request::Annotated;

/// What a local call ends with, when not with the handler's reply.
pub(crate) enum LocalFailure<M: Delivery> {
    /// The handler answered with a status, or failed.
    Status(Status),
    /// It was not executed; what was sent comes back where it still exists.
    Refused(Refusal, Option<M::Payload>),
    /// The caller's patience ended; always a [`CallError::Timeout`].
    TimedOut(CallError),
}

/// The way back to a caller in this process; none for what nobody waits for.
pub(crate) struct LocalReply<M: Delivery> {
    sender: Option<oneshot::Sender<LocalEnd<M>>>,
    // Dropped last: whom it wakes finds the answer, or that there will be none.
    caller: Option<BatchedWaker>,
}

/// What a local caller waits for.
pub(crate) type LocalAnswer<M> = oneshot::Receiver<LocalEnd<M>>;

/// What a local caller is given.
pub(crate) struct LocalEnd<M: Delivery> {
    pub(crate) result: LocalResult<M>,
    /// The caller's arbiter took its memory, and is the one to give it back.
    _job: Option<Box<dyn Send>>,
}

/// How a local call ends.
pub(crate) type LocalResult<M> = Result<Annotated<<M as Delivery>::Value>, LocalFailure<M>>;

/// What a message came to that was handled at once.
pub(crate) enum LocalOutcome<M: Delivery> {
    /// This.
    Answered(LocalResult<M>),
    /// Its answer takes time.
    Later(LocalAnswer<M>),
}

/// A message that was handed to a handler.
pub(crate) struct LocalSent<M: Delivery> {
    pub(crate) outcome: LocalOutcome<M>,
    /// By which it is [cancelled](LocalEndpoint::cancel).
    pub(crate) number: u64,
    /// If its time has begun.
    pub(crate) deadline: Option<Deadline>,
    /// Where the caller waits whose task is woken when the answer can be taken; else it has to ask
    /// to be told.
    pub(crate) room: Option<WaitingRoom>,
}

/// Creates the two ends of a local call's way back.
pub(super) fn local_reply<M: Delivery>() -> (LocalReply<M>, LocalAnswer<M>) {
    let (reply, answer) = oneshot::channel();
    (LocalReply { sender: Some(reply), caller: None }, answer)
}

impl<M: Delivery> LocalReply<M> {
    pub(super) fn answer(self, result: Result<Annotated<M::Value>, Status>) {
        self.end(result.map_err(LocalFailure::Status));
    }

    pub(super) fn refuse(self, refusal: Refusal, payload: Option<M::Payload>) {
        self.end(Err(LocalFailure::Refused(refusal, payload)));
    }

    pub(super) fn end(self, result: LocalResult<M>) {
        self.send(LocalEnd { result, _job: None });
    }

    /// Whether it leads to another arbiter.
    pub(super) fn crosses(&self) -> bool {
        self.caller.is_some()
    }

    /// Answers, and has the memory of the job given back where it came from.
    pub(super) fn give_back(self, result: Result<Annotated<M::Value>, Status>, job: Box<dyn Send>) {
        let result = result.map_err(LocalFailure::Status);
        self.send(LocalEnd { result, _job: Some(job) });
    }

    fn send(self, end: LocalEnd<M>) {
        if let Some(reply) = self.sender {
            // The caller may have gone.
            let _ = reply.send(end);
        }
        drop(self.caller);
    }
}

/// The way to a handler's actors, without their type.
pub(super) trait LocalPort<M: Delivery>: Send + Sync {
    /// The actor whose turn it is; asked once for each message.
    fn choose(&self) -> usize;

    /// Queues a message for an actor, with its number, its way back, and the present if known.
    fn submit(&self, place: (usize, u64), message: M, reply: LocalReply<M>, now: Option<Instant>);

    /// Has an actor handle it before this returns; if that cannot be, it is left where it is.
    fn run_at_once(&self, place: (usize, u64), message: &mut Option<M>) -> Option<LocalOutcome<M>>;
}

/// Hands messages of one type to a handler in this process.
pub(crate) struct LocalEndpoint<M: Delivery> {
    port: Box<dyn LocalPort<M>>,
    is_wrapped: bool,
    /// Of the handler's actors.
    inboxes: Vec<Arc<dyn InboxStatus>>,
    backstage: Arc<Backstage>,
}

impl<M: Delivery> LocalEndpoint<M> {
    pub(super) fn new(
        port: impl LocalPort<M> + 'static,
        is_wrapped: bool,
        inboxes: Vec<Arc<dyn InboxStatus>>,
        backstage: Arc<Backstage>,
    ) -> Self {
        Self { port: Box::new(port), is_wrapped, inboxes, backstage }
    }

    /// Whether messages go through middleware, which wants to know who sends them.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.is_wrapped
    }

    /// Whether it is handled on the present thread.
    fn is_here(&self) -> bool {
        self.inboxes.iter().all(|inbox| inbox.is_here())
    }

    /// Has a message handled before this returns, if its actor is on this thread and free, and there
    /// is no middleware; else queues it.
    ///
    /// Without `now` its time has not begun. It begins now if the message goes to another thread;
    /// else whoever waits for the answer [tells](Self::begin) when it does. If it goes there, the
    /// answer wakes `task` together with others, where that can be.
    pub(crate) fn call(
        &self,
        message: M,
        now: Option<Instant>,
        task: Option<&Waker>,
    ) -> LocalSent<M> {
        let (number, mut message) = (next_number(), Some(message));
        let place = (self.port.choose(), number);
        if !self.is_wrapped
            && let Some(outcome) = self.port.run_at_once(place, &mut message)
        {
            return LocalSent { outcome, number, deadline: None, room: None };
        }
        let ((mut reply, answer), mut deadline) = (local_reply(), None);
        let task = task.filter(|_| !self.is_here());
        let room = task.and_then(WaitingRoom::of);
        reply.caller = room.zip(task).map(|(room, task)| room.waker(task));
        if let Some(message) = message {
            deadline = self.queue(place, message, reply, now);
        }
        LocalSent { outcome: LocalOutcome::Later(answer), number, deadline, room }
    }

    /// Queues a message that nobody waits for; without `now` its time begins as that of a call.
    pub(crate) fn post(&self, message: M, now: Option<Instant>) {
        let place = (self.port.choose(), next_number());
        self.queue(place, message, LocalReply { sender: None, caller: None }, now);
    }

    /// The deadline of what is queued, if its time has begun.
    fn queue(
        &self,
        place: (usize, u64),
        message: M,
        reply: LocalReply<M>,
        now: Option<Instant>,
    ) -> Option<Deadline> {
        let now = now.or_else(|| (!self.is_here()).then(Instant::now));
        let due = &message.context_ref().due;
        if let Some(now) = now {
            due.begin(now);
        }
        let deadline = due.begun();
        self.port.submit(place, message, reply, now);
        deadline
    }

    /// Queues a message; its answer, and the number to [cancel](Self::cancel) it by.
    pub(crate) fn send(&self, message: M, now: Instant) -> (LocalAnswer<M>, u64) {
        let (reply, answer) = local_reply();
        let number = next_number();
        self.port.submit((self.port.choose(), number), message, reply, Some(now));
        (answer, number)
    }

    /// Has the time of all messages that still wait run from `now` on, unless it does already.
    pub(crate) fn begin(&self, now: Instant) {
        for inbox in &self.inboxes {
            inbox.begin(now);
        }
    }

    /// Drops a message whose caller went away.
    pub(crate) fn cancel(&self, number: u64) {
        self.backstage.cancel(LOCAL_ORIGIN, Some(number));
        for inbox in &self.inboxes {
            inbox.cancel(LOCAL_ORIGIN, Some(number));
        }
    }
}

impl<M: Delivery> fmt::Debug for LocalEndpoint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEndpoint").field("endpoint", &M::ENDPOINT).finish_non_exhaustive()
    }
}

/// A number that no other local call has; threads take them from the common store by the thousand.
fn next_number() -> u64 {
    NUMBERS.with(|numbers| {
        let (next, end) = numbers.get();
        let next = if next < end { next } else { NEXT_NUMBER.fetch_add(STORE, Ordering::Relaxed) };
        let end = if next < end { end } else { next + STORE };
        numbers.set((next + 1, end));
        next
    })
}

thread_local! {
    /// The next number of this thread, and where its store ends.
    static NUMBERS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

const STORE: u64 = 1024;
