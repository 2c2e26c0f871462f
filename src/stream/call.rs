//! A stream as its client has it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use callboard_actors::Status;
use callboard_actors::client::CallError;
use callboard_actors::stream::{Allowance, Fetched};
use futures_util::{Sink, Stream};

use super::StreamEndpoint;
use super::side::CallSide;

/// A stream that a node has taken; dropping it cancels it there.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::{CallError, StreamCall};
///
/// async fn ask<T>(mut call: StreamCall<T>, items: Vec<T::Item>) -> Result<Vec<T::Reply>, CallError>
/// where
///     T: StreamEndpoint,
/// {
///     let mut replies = Vec::new();
///     for item in items {
///         call.send(item).await?;
///     }
///     call.close().await;
///     while let Some(reply) = call.recv().await? {
///         replies.push(reply);
///     }
///     Ok(replies)
/// }
/// ```
pub struct StreamCall<T: StreamEndpoint> {
    // Dropped first, so that what is dropped as a whole is cancelled and not closed.
    receiver: CallReceiver<T>,
    sender: CallSender<T>,
}

/// The half of a stream that sends; dropping it closes it.
///
/// When the other half has gone before, dropping this one cancels the stream.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::{CallError, stream::CallSender};
///
/// async fn count<T: StreamEndpoint<Item = u64>>(mut half: CallSender<T>) -> Result<(), CallError> {
///     for number in 0..10 {
///         half.send(number).await?;
///     }
///     half.close().await;
///     Ok(())
/// }
/// ```
pub struct CallSender<T: StreamEndpoint> {
    side: Arc<CallSide<T>>,
    allowance: Allowance,
}

/// The half of a stream that receives.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::{CallError, stream::CallReceiver};
///
/// async fn sum<T: StreamEndpoint<Reply = u64>>(mut half: CallReceiver<T>) -> Result<u64, CallError> {
///     let mut sum = 0;
///     while let Some(number) = half.recv().await? {
///         sum += number;
///     }
///     Ok(sum)
/// }
/// ```
pub struct CallReceiver<T: StreamEndpoint> {
    side: Arc<CallSide<T>>,
    fetched: Fetched,
}

impl<T: StreamEndpoint> StreamCall<T> {
    /// One whose sender may send this much without asking.
    pub(super) fn new(side: CallSide<T>, allowance: Allowance) -> Self {
        let side = Arc::new(side);
        let sender = CallSender { side: Arc::clone(&side), allowance };
        Self { sender, receiver: CallReceiver { side, fetched: Fetched::default() } }
    }

    /// Sends an item; waits while the handler has not taken enough of what was sent before.
    ///
    /// # Cancellation
    /// Nothing was sent.
    ///
    /// # Errors
    /// The stream is over (status 410; [`recv`](Self::recv) says how), or the item cannot be
    /// encoded or is too large.
    pub async fn send(&mut self, item: T::Item) -> Result<(), CallError> {
        self.sender.send(item).await
    }

    /// The next item; `None` when the handler has ended the stream.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// # Errors
    /// The handler's status, or why the stream cannot go on; once, and then `None`.
    pub async fn recv(&mut self) -> Result<Option<T::Reply>, CallError> {
        self.receiver.recv().await
    }

    /// Tells the handler that no more items come; receiving goes on. Does not wait.
    pub async fn close(&mut self) {
        self.sender.close().await;
    }

    /// The address of the node that is talked to.
    pub fn node(&self) -> &str {
        self.sender.side.node()
    }

    /// Takes the halves apart, e.g. to send from another task than the one that receives. When both
    /// have been dropped the stream is cancelled.
    pub fn split(self) -> (CallSender<T>, CallReceiver<T>) {
        (self.sender, self.receiver)
    }
}

impl<T: StreamEndpoint> CallSender<T> {
    /// Sends an item; see [`StreamCall::send`].
    ///
    /// # Errors
    /// The stream is over, or the item cannot be encoded or is too large.
    pub async fn send(&mut self, item: T::Item) -> Result<(), CallError> {
        poll_fn(|cx| self.poll_free(cx)).await?;
        self.side.send(&mut self.allowance, item)
    }

    /// Tells the handler that no more items come. Does not wait.
    #[allow(clippy::unused_async, reason = "other transports may have to wait")]
    pub async fn close(&mut self) {
        self.side.close();
    }

    fn poll_free(&mut self, cx: &Context<'_>) -> Poll<Result<(), CallError>> {
        let is_free = ready!(self.side.poll_ready(&mut self.allowance, cx));
        let over = || Status::new(T::NAME, 410, "the stream is over; receiving says how it ended");
        Poll::Ready(if is_free { Ok(()) } else { Err(CallError::Status(over())) })
    }
}

impl<T: StreamEndpoint> CallReceiver<T> {
    /// The next item; see [`StreamCall::recv`].
    ///
    /// # Errors
    /// The handler's status, or why the stream cannot go on; once, and then `None`.
    pub async fn recv(&mut self) -> Result<Option<T::Reply>, CallError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Result<Option<T::Reply>, CallError>> {
        self.side.poll_receive(&mut self.fetched, cx)
    }
}

impl<T: StreamEndpoint> Drop for CallSender<T> {
    fn drop(&mut self) {
        // With nobody to receive, the stream is cancelled: the handler must not take that for an
        // end in order.
        if Arc::strong_count(&self.side) > 1 {
            self.side.close();
        }
    }
}

impl<T: StreamEndpoint> Stream for CallReceiver<T> {
    type Item = Result<T::Reply, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Result::transpose)
    }
}

impl<T: StreamEndpoint> Stream for StreamCall<T> {
    type Item = Result<T::Reply, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(Result::transpose)
    }
}

impl<T: StreamEndpoint> Sink<T::Item> for CallSender<T> {
    type Error = CallError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.poll_free(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T::Item) -> Result<(), CallError> {
        let half = &mut *self;
        half.side.send(&mut half.allowance, item)
    }

    /// What was sent is on its way already.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.side.close();
        Poll::Ready(Ok(()))
    }
}

impl<T: StreamEndpoint> fmt::Debug for StreamCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCall").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}

impl<T: StreamEndpoint> fmt::Debug for CallSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSender").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}

impl<T: StreamEndpoint> fmt::Debug for CallReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallReceiver").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
