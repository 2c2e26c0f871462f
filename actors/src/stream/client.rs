//! The side of a stream that opened it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::{Allowance, Fetched, StreamSide};
use crate::client::CallError;
use crate::message::BodyForm;
use crate::transport::in_flight::{Answer, Failure};
use crate::transport::outbox::{Outbox, Ticket};

/// A stream as its client has it; dropping it cancels the stream at the node.
///
/// One task may receive and another one send at the same time.
pub struct ClientStream {
    side: Arc<StreamSide>,
    outbox: Arc<Outbox>,
    endpoint: &'static str,
    form: BodyForm,
    end: Mutex<End>,
}

enum End {
    /// Resolves to what ends the stream.
    Awaited(Ticket),
    /// It has ended, and nobody has been told.
    Untold(Answer),
    Told,
}

/// A stream was not accepted.
pub(crate) struct OpenFailure {
    pub(crate) failure: Box<Failure>,
    pub(crate) outbox: Arc<Outbox>,
}

impl ClientStream {
    pub(crate) fn new(
        side: Arc<StreamSide>,
        ticket: Ticket,
        endpoint: &'static str,
        form: BodyForm,
    ) -> Self {
        let outbox = Arc::clone(ticket.outbox());
        Self { side, outbox, endpoint, form, end: Mutex::new(End::Awaited(ticket)) }
    }

    /// The form in which it was opened, and in which all items of both sides are.
    pub fn form(&self) -> BodyForm {
        self.form
    }

    /// The address of the node that is talked to.
    pub fn node(&self) -> &str {
        self.outbox.address()
    }

    /// The side itself, to send and to close.
    pub fn side(&self) -> &StreamSide {
        &self.side
    }

    /// Has the next item read, then resolves to the end: `None`, or once why there is no more.
    ///
    /// # Errors
    /// The handler's status, or why the stream could not go on.
    #[inline]
    pub fn poll_receive<R>(
        &self,
        fetched: &mut Fetched,
        cx: &Context<'_>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Result<Option<R>, CallError>> {
        if !self.side.fetch_or_register(fetched, cx) && !self.has_ended() {
            return Poll::Pending;
        }
        // An item that came in between was sent before the end.
        match self.side.take(fetched, read) {
            Some(item) => Poll::Ready(Ok(Some(item))),
            None => self.poll_end(),
        }
    }

    /// How it ended, once.
    fn poll_end<R>(&self) -> Poll<Result<Option<R>, CallError>> {
        match std::mem::replace(&mut *self.end.lock(), End::Told) {
            End::Untold(Answer::Failed(failure)) => {
                let node = self.node().to_owned();
                Poll::Ready(Err(failure.cause.into_stream_error(node, self.endpoint)))
            }
            _ => Poll::Ready(Ok(None)),
        }
    }

    /// Resolves when an item may be sent; false when the stream is over or was closed.
    pub fn poll_ready(&self, allowance: &mut Allowance, cx: &Context<'_>) -> Poll<bool> {
        if self.has_ended() {
            return Poll::Ready(false);
        }
        let is_ready = self.side.poll_ready(allowance, cx);
        // The end may have come before the waker was there.
        if is_ready.is_pending() && self.has_ended() { Poll::Ready(false) } else { is_ready }
    }

    /// Resolves when the node has accepted the stream, or has not.
    pub(crate) async fn opened(&self) -> Result<(), OpenFailure> {
        poll_fn(|cx| {
            self.side.wakers.receiver.register(cx.waker());
            if self.side.is_accepted() {
                return Poll::Ready(Ok(()));
            }
            if !self.has_ended() {
                return Poll::Pending;
            }
            if self.side.is_accepted() {
                return Poll::Ready(Ok(()));
            }
            let mut end = self.end.lock();
            match std::mem::replace(&mut *end, End::Told) {
                End::Untold(Answer::Failed(failure)) => {
                    Poll::Ready(Err(OpenFailure { failure, outbox: Arc::clone(&self.outbox) }))
                }
                other => {
                    *end = other;
                    Poll::Ready(Ok(()))
                }
            }
        })
        .await
    }

    /// Whether the end has come; has both halves woken when it does.
    fn has_ended(&self) -> bool {
        let may_be_answered = &self.side.wakers.may_be_answered;
        if !may_be_answered.load(Ordering::Acquire) {
            // It was looked for, and has not woken anybody since.
            return false;
        }
        let mut end = self.end.lock();
        if let End::Awaited(ticket) = &mut *end {
            // First: what comes from here on sets it again, or is found below.
            may_be_answered.store(false, Ordering::Release);
            let waker = self.side.waker();
            match Pin::new(ticket).poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => return false,
                Poll::Ready(answer) => *end = End::Untold(answer),
            }
            may_be_answered.store(true, Ordering::Release);
            drop(end);
            self.side.finish();
        }
        true
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.side.finish();
    }
}

impl fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream")
            .field("endpoint", &self.endpoint)
            .field("node", &self.node())
            .finish_non_exhaustive()
    }
}
