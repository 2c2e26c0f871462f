//! A stream to a handler in the same process, as its client has it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use callboard_actors::client::{CallError, CallOptions, Executed};
use callboard_actors::stream::{LocalStream, StreamWindow};
use callboard_actors::{Deadline, Status};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::side::ItemSide;
use super::{StreamEndpoint, Streaming};
use crate::client::{Alarm, ServiceRef};
use crate::codec::length;
use crate::handler::{LocalAnswer, LocalEndpoint, LocalFailure, LocalResult};
use crate::request::{Due, Peer, RequestContext};

/// A conversation with a handler in this process; dropping it cancels it there.
pub(super) struct LocalTalk<T: StreamEndpoint> {
    stream: Arc<LocalStream<T::Item, T::Reply>>,
    end: Mutex<End<T>>,
    /// By which it is cancelled.
    number: u64,
    service: ServiceRef,
    /// When it is over, whatever it has come to.
    deadline: Option<Deadline>,
    _alarm: Option<Alarm>,
}

enum End<T: StreamEndpoint> {
    Awaited(LocalAnswer<Streaming<T>>),
    /// It has ended, and nobody has been told.
    Untold(LocalResult<Streaming<T>>),
    Told,
}

/// How long a stream may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Until it has been taken.
    pub(super) opened_by: Deadline,
    /// In all.
    pub(super) whole: Option<Deadline>,
    /// What the handler may send ahead.
    pub(super) window: StreamWindow,
}

impl<T: StreamEndpoint> LocalTalk<T> {
    /// Hands an opening message to the handler, and waits until the handler has taken it.
    pub(super) async fn open(
        opening: T,
        options: &CallOptions,
        limits: Limits,
        service: &ServiceRef,
    ) -> Result<Self, LocalFailure<Streaming<T>>> {
        let Limits { opened_by, whole, window } = limits;
        let Some(handler) = handler::<T>(service) else {
            let status = Status::not_found(T::NAME, "this node has no such endpoint");
            return Err(LocalFailure::Status(status));
        };
        let stream = LocalStream::new(window);
        let alarm = |deadline| Alarm::set(service, deadline, stream.client_waker());
        let (own_alarm, opening_alarm) = (whole.map(alarm), alarm(opened_by));
        let context = RequestContext {
            endpoint: T::NAME,
            metadata: options.metadata.clone(),
            due: Due::At(whole),
            peer: Peer::of(service.system().hello()),
        };
        let streaming = Streaming::new(opening, context, ItemSide::Local(Arc::clone(&stream)));
        let (answer, number) = handler.send(streaming, Instant::now());
        let talk = Self {
            stream,
            end: Mutex::new(End::Awaited(answer)),
            number,
            service: service.clone(),
            deadline: whole,
            _alarm: own_alarm,
        };
        poll_fn(|cx| talk.poll_opened(cx, options, opened_by)).await?;
        drop(opening_alarm);
        Ok(talk)
    }

    fn poll_opened(
        &self,
        cx: &Context<'_>,
        options: &CallOptions,
        opened_by: Deadline,
    ) -> Poll<Result<(), LocalFailure<Streaming<T>>>> {
        // Whoever ends a stream has taken it before, or has refused it.
        if self.stream.is_accepted(cx) || (self.has_ended() && self.stream.is_accepted(cx)) {
            return Poll::Ready(Ok(()));
        }
        let mut end = self.end.lock();
        match std::mem::replace(&mut *end, End::Told) {
            End::Untold(Err(failure)) => return Poll::Ready(Err(failure)),
            other => *end = other,
        }
        if opened_by.has_passed() {
            let (endpoint, timeout) = (T::NAME, options.timeout);
            let error = CallError::Timeout { endpoint, timeout, executed: Executed::Maybe };
            return Poll::Ready(Err(LocalFailure::TimedOut(error)));
        }
        Poll::Pending
    }

    pub(super) fn node(&self) -> &str {
        &self.service.system().node().address
    }

    pub(super) fn poll_receive(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<T::Reply>, CallError>> {
        // Once it is over for the handler no further item comes, but the end may still be on its
        // way through middleware.
        if let Poll::Ready(Some(item)) = self.stream.down.poll_receive(cx) {
            return Poll::Ready(Ok(Some(item)));
        }
        if !self.has_ended() {
            return Poll::Pending;
        }
        // An item that came in between was sent before the end.
        if let Poll::Ready(Some(item)) = self.stream.down.poll_receive(cx) {
            return Poll::Ready(Ok(Some(item)));
        }
        Poll::Ready(match std::mem::replace(&mut *self.end.lock(), End::Told) {
            End::Untold(Err(failure)) => Err(told(failure)),
            _ => Ok(None),
        })
    }

    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
        let is_free = self.stream.up.poll_ready(cx);
        if self.has_ended() { Poll::Ready(false) } else { is_free }
    }

    pub(super) fn send(&self, item: T::Item) {
        let size = length(&item);
        // What is over takes nothing more, and needs nothing more.
        self.stream.up.send(item, size);
    }

    pub(super) fn close(&self) {
        self.stream.up.close();
    }

    /// Whether the end has come; has both halves woken when it does.
    fn has_ended(&self) -> bool {
        let mut end = self.end.lock();
        let End::Awaited(answer) = &mut *end else { return true };
        let waker = self.stream.client_waker();
        let result = match Pin::new(answer).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(end)) => end.result,
            Poll::Ready(Err(_)) => {
                let detail = "the handler ended without an answer";
                Err(LocalFailure::Status(Status::internal(T::NAME, detail)))
            }
            Poll::Pending if self.deadline.is_some_and(Deadline::has_passed) => {
                self.cancel();
                Err(LocalFailure::TimedOut(expired::<T>()))
            }
            Poll::Pending => return false,
        };
        *end = End::Untold(result);
        drop(end);
        waker.wake();
        true
    }

    /// Has the handler dropped, if it still runs.
    fn cancel(&self) {
        if let Some(handler) = handler::<T>(&self.service) {
            handler.cancel(self.number);
        }
    }
}

impl<T: StreamEndpoint> Drop for LocalTalk<T> {
    fn drop(&mut self) {
        if matches!(*self.end.lock(), End::Awaited(_)) {
            self.cancel();
        }
    }
}

fn handler<T: StreamEndpoint>(service: &ServiceRef) -> Option<&LocalEndpoint<Streaming<T>>> {
    service.system().handler()
}

/// What the client of a stream that was taken is told, as when it had come over a connection.
fn told<T: StreamEndpoint>(failure: LocalFailure<Streaming<T>>) -> CallError {
    match failure {
        // The handler was cut short at the deadline.
        LocalFailure::Status(status) if status.code == 408 && status.id == T::NAME => {
            expired::<T>()
        }
        failure => failure.into_call_error(),
    }
}

fn expired<T: StreamEndpoint>() -> CallError {
    let timeout = std::time::Duration::ZERO;
    CallError::Timeout { endpoint: T::NAME, timeout, executed: Executed::Maybe }
}
