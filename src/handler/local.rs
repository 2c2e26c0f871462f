//! The way to a handler in the same process: no socket, no serialisation.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use callboard_actors::Status;
use callboard_actors::client::CallError;
use callboard_actors::message::Refusal;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::request::{Endpoint, Reply, Request};

/// What a local call ends with, when not with the handler's reply.
#[derive(Debug)]
pub(crate) enum LocalFailure<T> {
    /// The handler answered with a status, or failed.
    Status(Status),
    /// It was not executed; the message comes back where it still exists.
    Refused(Refusal, Option<T>),
    /// The caller's patience ended; always a [`CallError::Timeout`].
    TimedOut(CallError),
}

/// The way back to a caller in this process.
pub(crate) struct LocalReply<T: Endpoint>(oneshot::Sender<Result<T::Reply, LocalFailure<T>>>);

/// What a local caller waits for.
pub(crate) type LocalAnswer<T> = oneshot::Receiver<Result<<T as Endpoint>::Reply, LocalFailure<T>>>;

/// Creates the two ends of a local call's way back.
pub(super) fn local_reply<T: Endpoint>() -> (LocalReply<T>, LocalAnswer<T>) {
    let (reply, answer) = oneshot::channel();
    (LocalReply(reply), answer)
}

impl<T: Endpoint> LocalReply<T> {
    pub(super) fn answer(self, reply: Reply<T>) {
        self.end(reply.map_err(LocalFailure::Status));
    }

    pub(super) fn refuse(self, refusal: Refusal, message: Option<T>) {
        self.end(Err(LocalFailure::Refused(refusal, message)));
    }

    pub(super) fn end(self, result: Result<T::Reply, LocalFailure<T>>) {
        // The caller may have gone.
        let _ = self.0.send(result);
    }
}

/// Hands requests of one type to a handler in this process.
pub(crate) struct LocalEndpoint<T: Endpoint> {
    submit: Box<Submit<T>>,
    cancel: Box<dyn Fn(u64, u64) + Send + Sync>,
}

/// Takes a request, its way back, its number, and the present.
type Submit<T> = dyn Fn(Request<T>, LocalReply<T>, u64, Instant) + Send + Sync;

impl<T: Endpoint> LocalEndpoint<T> {
    pub(super) fn new(
        submit: impl Fn(Request<T>, LocalReply<T>, u64, Instant) + Send + Sync + 'static,
        cancel: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Self {
        Self { submit: Box::new(submit), cancel: Box::new(cancel) }
    }

    /// Queues a request; its answer, and the number to [cancel](Self::cancel) it by.
    pub(crate) fn send(&self, request: Request<T>, now: Instant) -> (LocalAnswer<T>, u64) {
        let (reply, answer) = local_reply();
        let number = next_number();
        (self.submit)(request, reply, number, now);
        (answer, number)
    }

    /// Drops a request whose caller went away.
    pub(crate) fn cancel(&self, number: u64) {
        (self.cancel)(LOCAL_ORIGIN, number);
    }
}

impl<T: Endpoint> fmt::Debug for LocalEndpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEndpoint").field("endpoint", &T::NAME).finish_non_exhaustive()
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

/// Connections are numbered from 1.
pub(super) const LOCAL_ORIGIN: u64 = 0;
