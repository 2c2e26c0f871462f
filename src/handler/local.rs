//! The way to a handler in the same process: no socket, no serialisation.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use callboard_actors::Status;
use callboard_actors::client::CallError;
use callboard_actors::inbox::InboxStatus;
use callboard_actors::message::Refusal;
use callboard_actors::server::LOCAL_ORIGIN;
use tokio::sync::oneshot;
use tokio::time::Instant;

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

/// The way back to a caller in this process.
pub(crate) struct LocalReply<M: Delivery>(oneshot::Sender<LocalResult<M>>);

/// What a local caller waits for.
pub(crate) type LocalAnswer<M> = oneshot::Receiver<LocalResult<M>>;

/// How a local call ends.
pub(crate) type LocalResult<M> = Result<Annotated<<M as Delivery>::Value>, LocalFailure<M>>;

/// Creates the two ends of a local call's way back.
pub(super) fn local_reply<M: Delivery>() -> (LocalReply<M>, LocalAnswer<M>) {
    let (reply, answer) = oneshot::channel();
    (LocalReply(reply), answer)
}

impl<M: Delivery> LocalReply<M> {
    pub(super) fn answer(self, result: Result<Annotated<M::Value>, Status>) {
        self.end(result.map_err(LocalFailure::Status));
    }

    pub(super) fn refuse(self, refusal: Refusal, payload: Option<M::Payload>) {
        self.end(Err(LocalFailure::Refused(refusal, payload)));
    }

    pub(super) fn end(self, result: LocalResult<M>) {
        // The caller may have gone.
        let _ = self.0.send(result);
    }
}

/// Hands messages of one type to a handler in this process.
pub(crate) struct LocalEndpoint<M: Delivery> {
    submit: Box<Submit<M>>,
    is_wrapped: bool,
    /// Of the handler's actors.
    inboxes: Vec<Arc<dyn InboxStatus>>,
    backstage: Arc<Backstage>,
}

/// Takes a message, its way back, its number, and the present if that is known.
type Submit<M> = dyn Fn(M, LocalReply<M>, u64, Option<Instant>) + Send + Sync;

impl<M: Delivery> LocalEndpoint<M> {
    pub(super) fn new(
        submit: impl Fn(M, LocalReply<M>, u64, Option<Instant>) + Send + Sync + 'static,
        is_wrapped: bool,
        inboxes: Vec<Arc<dyn InboxStatus>>,
        backstage: Arc<Backstage>,
    ) -> Self {
        Self { submit: Box::new(submit), is_wrapped, inboxes, backstage }
    }

    /// Whether messages go through middleware, which wants to know who sends them.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.is_wrapped
    }

    /// Whether it is handled on the present thread.
    pub(crate) fn is_here(&self) -> bool {
        self.inboxes.iter().all(|inbox| inbox.is_here())
    }

    /// Queues a message; its answer, and the number to [cancel](Self::cancel) it by.
    ///
    /// Without `now` its time has not begun, and whoever waits for the answer
    /// [tells](Self::begin) when it does.
    pub(crate) fn send(&self, message: M, now: Option<Instant>) -> (LocalAnswer<M>, u64) {
        let (reply, answer) = local_reply();
        let number = next_number();
        (self.submit)(message, reply, number, now);
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
