//! One side of a stream: what has arrived and was not taken, and what may be sent.
//!
//! A stream is a request whose answer takes its time. The answer ends it, exactly once, with a
//! value (empty) or a status, and all that holds for requests holds for streams: deadlines,
//! cancellation, draining, refusals, broken connections. What is new is between opening and
//! answer: items both ways, and credit, so that whoever reads slowly bounds what the other side
//! may send.

mod client;
mod flow;
mod local;
mod table;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use self::flow::Flow;
use crate::message::{Body, Outgoing, RequestId};
use crate::transport::TransportError;
use crate::transport::outbox::Outbox;

pub use self::client::ClientStream;
pub(crate) use self::client::OpenFailure;
pub(crate) use self::flow::StreamFrame;
pub use self::flow::StreamWindow;
pub use self::local::{ItemLane, LocalStream};
pub(crate) use self::table::StreamTable;

/// One side of a stream.
///
/// One task may receive and another one send at the same time; each of both is one task only.
pub struct StreamSide {
    outbox: Arc<Outbox>,
    id: RequestId,
    flow: Mutex<Flow>,
    /// Among the streams that wait for room on the connection.
    place: AtomicU64,
    wakers: Arc<Wakers>,
    /// Nothing more is sent, nor expected.
    is_over: AtomicBool,
}

/// Who waits for items, and who waits to send.
#[derive(Default)]
struct Wakers {
    receiver: AtomicWaker,
    sender: AtomicWaker,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.receiver.wake();
        self.sender.wake();
    }
}

impl StreamSide {
    pub(crate) fn new(outbox: Arc<Outbox>, id: RequestId) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            id,
            flow: Mutex::default(),
            place: AtomicU64::new(0),
            wakers: Arc::default(),
            is_over: AtomicBool::new(false),
        })
    }

    /// Lets the peer send as much as the window allows; once, when the stream has been accepted.
    pub fn accept(&self, window: StreamWindow) {
        let (items, bytes) = self.flow.lock().open(window);
        self.credit(items, bytes);
    }

    /// Resolves to the next item; `None` when the peer sends no more, or the stream is over.
    pub fn poll_receive(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        self.wakers.receiver.register(cx.waker());
        match self.take() {
            Some(item) => Poll::Ready(Some(item)),
            None if self.is_over() || self.flow.lock().has_peer_ended() => {
                // An item that came in between was sent before the end.
                Poll::Ready(self.take())
            }
            None => Poll::Pending,
        }
    }

    /// Resolves when an item may be sent; false when the stream is over or was closed.
    pub fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
        self.wakers.sender.register(cx.waker());
        {
            let flow = self.flow.lock();
            if self.is_over() || flow.has_closed() {
                return Poll::Ready(false);
            }
            if !flow.may_send() {
                return Poll::Pending;
            }
        }
        self.outbox.poll_item_room(&self.place, cx).map(|()| true)
    }

    /// Sends an item; what is sent without being [ready](Self::poll_ready) breaks the connection.
    ///
    /// # Errors
    /// The item cannot be encoded, or is larger than the peer's largest frame. Nothing was sent.
    pub fn send(&self, item: &dyn Body) -> Result<(), TransportError> {
        let mut body = BytesMut::new();
        item.encode(&mut body).map_err(TransportError::Encode)?;
        if !self.is_over() {
            self.outbox.send(Outgoing::StreamData { id: self.id, body: &body })?;
            self.flow.lock().sent(body.len());
        }
        Ok(())
    }

    /// Tells the peer that no more items come; receiving goes on.
    pub fn close(&self) {
        if !self.flow.lock().close() && !self.is_over() {
            self.tell(Outgoing::StreamEnd { id: self.id });
        }
    }

    /// Ends it on this side; what has arrived can still be taken.
    pub fn finish(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wakers.wake_by_ref();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Bytes that have arrived and were not taken.
    pub fn queued(&self) -> usize {
        self.flow.lock().queued()
    }

    /// Whether the peer has accepted the stream.
    fn is_accepted(&self) -> bool {
        self.flow.lock().is_accepted()
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wakers))
    }

    /// Takes an item, and gives the peer credit for what was taken before.
    fn take(&self) -> Option<Bytes> {
        // The lock must be free before the outbox is locked, which is locked first elsewhere.
        let (item, grant) = self.flow.lock().take()?;
        if let Some((items, bytes)) = grant
            && !self.is_over()
        {
            self.credit(items, bytes);
        }
        Some(item)
    }

    /// Notes what the peer sent.
    fn note(&self, frame: StreamFrame) -> Result<(), TransportError> {
        self.flow.lock().note(frame)?;
        self.wakers.wake_by_ref();
        Ok(())
    }

    fn credit(&self, items: u32, bytes: u32) {
        self.tell(Outgoing::StreamCredit { id: self.id, items, bytes });
    }

    fn tell(&self, message: Outgoing<'_>) {
        // Such a frame is small and fits; on a broken connection it is moot.
        if let Err(error) = self.outbox.send(message) {
            tracing::debug!(%error, "a frame of a stream was not sent");
        }
    }
}

impl fmt::Debug for StreamSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSide").field("id", &self.id).finish_non_exhaustive()
    }
}
