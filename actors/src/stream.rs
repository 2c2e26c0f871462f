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

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use self::flow::Flow;
use crate::message::{Body, Items, Outgoing, RequestId};
use crate::transport::TransportError;
use crate::transport::outbox::Outbox;

pub use self::client::ClientStream;
pub(crate) use self::client::OpenFailure;
pub(crate) use self::flow::StreamFrame;
pub use self::flow::{Allowance, Fetched, StreamWindow};
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
    /// This side has told the peer that it sends no more.
    has_closed: AtomicBool,
}

/// Who waits for items, and who waits to send; as a waker, that of the stream's answer.
struct Wakers {
    receiver: AtomicWaker,
    sender: AtomicWaker,
    /// The answer may be there: nobody has looked yet, or it has woken this since.
    may_be_answered: AtomicBool,
}

impl Default for Wakers {
    fn default() -> Self {
        let (receiver, sender) = (AtomicWaker::new(), AtomicWaker::new());
        Self { receiver, sender, may_be_answered: AtomicBool::new(true) }
    }
}

impl Wakers {
    fn wake_both(&self) {
        self.receiver.wake();
        self.sender.wake();
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.may_be_answered.store(true, Ordering::Release);
        self.wake_both();
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
            has_closed: AtomicBool::new(false),
        })
    }

    /// Lets the peer send as much as the window allows; once, when the stream has been accepted.
    pub fn accept(&self, window: StreamWindow) {
        let (items, bytes) = self.flow.lock().open(window);
        self.credit(items, bytes);
    }

    /// Has the next item read; `None` when the peer sends no more, or the stream is over.
    ///
    /// `fetched` is what the task has, empty at first.
    #[inline]
    pub fn poll_receive<R>(
        &self,
        fetched: &mut Fetched,
        cx: &Context<'_>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Option<R>> {
        // An item that comes in between was sent before the end.
        if !self.fetch_or_register(fetched, cx)
            && !self.is_over()
            && !self.flow.lock().has_peer_ended()
        {
            return Poll::Pending;
        }
        Poll::Ready(self.take(fetched, read))
    }

    /// Resolves when an item may be sent; false when the stream is over or was closed.
    ///
    /// `allowance` is what the task has, nothing at first.
    #[inline]
    pub fn poll_ready(&self, allowance: &mut Allowance, cx: &Context<'_>) -> Poll<bool> {
        match self.may_send(allowance) {
            Some(true) => return self.poll_room(cx),
            Some(false) => return Poll::Ready(false),
            None => self.wakers.sender.register(cx.waker()),
        }
        // Credit may have come before the waker was there.
        match self.may_send(allowance) {
            Some(true) => self.poll_room(cx),
            Some(false) => Poll::Ready(false),
            None => Poll::Pending,
        }
    }

    /// Sends an item; what is sent without being [ready](Self::poll_ready) breaks the connection.
    ///
    /// # Errors
    /// The item cannot be encoded, or is larger than the peer's largest frame. Nothing was sent.
    #[inline]
    pub fn send(&self, allowance: &mut Allowance, item: &dyn Body) -> Result<(), TransportError> {
        let item = Measured { item, size: Cell::new(0) };
        if !self.is_over() {
            self.outbox.send(Outgoing::StreamData { id: self.id, body: &item })?;
            allowance.sent(item.size.get());
        }
        Ok(())
    }

    /// Tells the peer that no more items come; receiving goes on.
    pub fn close(&self) {
        if !self.has_closed.swap(true, Ordering::AcqRel) && !self.is_over() {
            self.tell(Outgoing::StreamEnd { id: self.id });
        }
    }

    /// Ends it on this side; what has arrived can still be taken.
    pub fn finish(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wakers.wake_both();
    }

    /// Whether it has ended.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Bytes that have arrived and were not fetched.
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

    /// Whether an item may be sent; none when it may be later.
    #[inline]
    fn may_send(&self, allowance: &mut Allowance) -> Option<bool> {
        if self.is_over() || self.has_closed.load(Ordering::Acquire) {
            return Some(false);
        }
        (allowance.may_send() || self.flow.lock().allow(allowance)).then_some(true)
    }

    /// Resolves when the connection has room for an item.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<bool> {
        if self.outbox.poll_item_room(&self.place, cx).is_ready() {
            return Poll::Ready(true);
        }
        // The end of the stream does not wait for that.
        self.wakers.sender.register(cx.waker());
        if self.is_over() { Poll::Ready(false) } else { Poll::Pending }
    }

    /// Whether there is an item; if not, the task that receives will be woken.
    #[inline]
    fn fetch_or_register(&self, fetched: &mut Fetched, cx: &Context<'_>) -> bool {
        if self.fetch(fetched) {
            return true;
        }
        self.wakers.receiver.register(cx.waker());
        // One may have come before the waker was there.
        self.fetch(fetched)
    }

    /// Whether there is an item.
    #[inline]
    fn fetch(&self, fetched: &mut Fetched) -> bool {
        if fetched.is_empty() {
            self.flow.lock().fetch(fetched);
        }
        !fetched.is_empty()
    }

    /// Has an item read, and gives the peer credit for what was taken before.
    #[inline]
    fn take<R>(&self, fetched: &mut Fetched, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if !self.fetch(fetched) {
            return None;
        }
        let read = fetched.take(read);
        if fetched.is_due() && !self.is_over() {
            // The lock must be free before the outbox is locked, which is locked first elsewhere.
            let grant = self.flow.lock().grant(fetched);
            if let Some((items, bytes)) = grant {
                self.credit(items, bytes);
            }
        }
        read
    }

    /// Notes what the peer sent.
    fn note(&self, frame: StreamFrame) {
        self.flow.lock().note(frame);
        self.wakers.wake_both();
    }

    /// Takes in items that have arrived together.
    fn push(&self, items: impl Iterator<Item = Items>) -> Result<(), TransportError> {
        self.flow.lock().push(items)?;
        self.wakers.receiver.wake();
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

/// An item, and how long it became.
struct Measured<'a> {
    item: &'a dyn Body,
    size: Cell<usize>,
}

impl Body for Measured<'_> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        let before = buffer.len();
        self.item.encode(buffer)?;
        self.size.set(buffer.len().saturating_sub(before));
        Ok(())
    }
}

impl fmt::Debug for StreamSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSide").field("id", &self.id).finish_non_exhaustive()
    }
}
