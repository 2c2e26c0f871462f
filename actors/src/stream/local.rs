//! A stream within one process: items stay what they are, and credit holds as between nodes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::StreamWindow;

/// A stream between two tasks of one process.
///
/// It carries items only. How it ends is told on another way: whoever tells it
/// [finishes](Self::finish) the stream after that.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use callboard_actors::stream::{LocalStream, StreamWindow};
///
/// let stream = LocalStream::<u32, String>::new(StreamWindow::default());
/// stream.accept(StreamWindow::default());
/// assert!(stream.up.send(7, 4));
/// let cx = Context::from_waker(Waker::noop());
/// assert_eq!(stream.up.poll_receive(&cx), Poll::Ready(Some(7)));
/// ```
pub struct LocalStream<Up, Down> {
    /// From the client to the handler; opened when the handler takes the stream.
    pub up: ItemLane<Up>,
    /// From the handler to the client; open from the beginning.
    pub down: ItemLane<Down>,
}

/// One direction of a stream within a process.
///
/// One task may send and another one receive at the same time; each of both is one task only. The
/// example is at [`LocalStream`].
pub struct ItemLane<I> {
    state: Mutex<State<I>>,
    receiver: AtomicWaker,
    sender: AtomicWaker,
}

struct State<I> {
    /// With what each of them counts.
    waiting: VecDeque<(I, usize)>,
    queued: usize,
    /// Absent until the receiver has said how much it takes.
    window: Option<StreamWindow>,
    /// The sender waits until half of the window is free.
    is_blocked: bool,
    has_closed: bool,
    is_over: bool,
}

impl<Up, Down> LocalStream<Up, Down> {
    /// Begins a stream whose client takes this much ahead; nobody has taken it yet.
    pub fn new(window: StreamWindow) -> Arc<Self> {
        let stream = Self { up: ItemLane::new(), down: ItemLane::new() };
        stream.down.open(window);
        Arc::new(stream)
    }

    /// The handler takes the stream, and this much ahead.
    pub fn accept(&self, window: StreamWindow) {
        self.up.open(window);
        self.down.receiver.wake();
    }

    /// Whether the handler has taken the stream; has the client's receiving task woken when it
    /// does.
    pub fn is_accepted(&self, cx: &Context<'_>) -> bool {
        self.down.receiver.register(cx.waker());
        self.up.state.lock().window.is_some()
    }

    /// Ends both directions; what waits can still be taken.
    pub fn finish(&self) {
        self.up.finish();
        self.down.finish();
    }
}

impl<Up: Send + 'static, Down: Send + 'static> LocalStream<Up, Down> {
    /// Wakes the client: the task that receives, and the one that sends.
    pub fn client_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(Client(Arc::clone(self))))
    }
}

struct Client<Up, Down>(Arc<LocalStream<Up, Down>>);

impl<Up: Send + 'static, Down: Send + 'static> Wake for Client<Up, Down> {
    fn wake(self: Arc<Self>) {
        self.0.down.receiver.wake();
        self.0.up.sender.wake();
    }
}

impl<I> ItemLane<I> {
    fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            queued: 0,
            window: None,
            is_blocked: false,
            has_closed: false,
            is_over: false,
        };
        Self { state: Mutex::new(state), receiver: AtomicWaker::new(), sender: AtomicWaker::new() }
    }

    fn open(&self, window: StreamWindow) {
        self.state.lock().window = Some(window.at_least_one());
        self.sender.wake();
    }

    /// Resolves to the next item; `None` when no more will come.
    pub fn poll_receive(&self, cx: &Context<'_>) -> Poll<Option<I>> {
        self.receiver.register(cx.waker());
        let mut state = self.state.lock();
        let Some((item, size)) = state.waiting.pop_front() else {
            let is_last = state.has_closed || state.is_over;
            return if is_last { Poll::Ready(None) } else { Poll::Pending };
        };
        state.queued -= size;
        // As between nodes: the sender goes on when half of the window is free, not for each item.
        let may_go_on = state.is_blocked && state.is_half_free();
        if may_go_on {
            state.is_blocked = false;
        }
        drop(state);
        if may_go_on {
            self.sender.wake();
        }
        Poll::Ready(Some(item))
    }

    /// Resolves when an item may be sent; false when the stream is over or was closed.
    pub fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
        self.sender.register(cx.waker());
        let mut state = self.state.lock();
        if state.is_over || state.has_closed {
            return Poll::Ready(false);
        }
        state.is_blocked = !state.has_room();
        if state.is_blocked { Poll::Pending } else { Poll::Ready(true) }
    }

    /// Sends an item that counts with this many bytes; false when there is no room for it, or
    /// nobody to take it.
    pub fn send(&self, item: I, size: usize) -> bool {
        {
            let mut state = self.state.lock();
            if state.is_over || state.has_closed || !state.has_room() {
                return false;
            }
            state.queued += size;
            state.waiting.push_back((item, size));
        }
        self.receiver.wake();
        true
    }

    /// Tells the receiver that no more items come.
    pub fn close(&self) {
        self.state.lock().has_closed = true;
        self.receiver.wake();
    }

    fn finish(&self) {
        self.state.lock().is_over = true;
        self.receiver.wake();
        self.sender.wake();
    }
}

impl<I> State<I> {
    fn has_room(&self) -> bool {
        self.window.is_some_and(|StreamWindow { items, bytes }| {
            self.waiting.len() < items as usize && self.queued < bytes as usize
        })
    }

    fn is_half_free(&self) -> bool {
        self.window.is_some_and(|StreamWindow { items, bytes }| {
            self.waiting.len() * 2 <= items as usize && self.queued * 2 <= bytes as usize
        })
    }
}

impl<Up, Down> fmt::Debug for LocalStream<Up, Down> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStream").field("up", &self.up).field("down", &self.down).finish()
    }
}

impl<I> fmt::Debug for ItemLane<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("ItemLane")
            .field("items", &state.waiting.len())
            .field("bytes", &state.queued)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn fill(lane: &ItemLane<u32>, cx: &Context<'_>, size: usize) -> usize {
        let mut count = 0;
        while lane.poll_ready(cx).is_ready() {
            assert!(lane.send(0, size));
            count += 1;
        }
        assert!(!lane.send(0, size), "what was not ready is not taken");
        count
    }

    #[test]
    fn either_limit_stops_the_sender_and_half_a_window_lets_it_go_on() {
        for (size, first, woken_after) in [(0, 8, 4), (30, 4, 3), (1000, 1, 1)] {
            let stream = LocalStream::<u32, u32>::new(StreamWindow { items: 8, bytes: 100 });
            let (count, lane) = (Arc::new(Count::default()), &stream.down);
            let waker = Waker::from(Arc::clone(&count));
            let cx = Context::from_waker(&waker);
            assert_eq!(fill(lane, &cx, size), first);
            let mut taken = 0;
            while count.0.load(Ordering::Relaxed) == 0 {
                let noop = Context::from_waker(Waker::noop());
                assert!(lane.poll_receive(&noop).is_ready());
                taken += 1;
            }
            assert_eq!(taken, woken_after, "{size}");
            assert_eq!(fill(lane, &cx, size), woken_after, "{size}");
        }
    }

    #[test]
    fn nothing_goes_up_before_the_handler_has_taken_the_stream() {
        let stream = LocalStream::<u32, u32>::new(StreamWindow::default());
        let cx = Context::from_waker(Waker::noop());
        assert!(stream.up.poll_ready(&cx).is_pending() && !stream.is_accepted(&cx));
        stream.accept(StreamWindow { items: 0, bytes: 0 });
        assert!(stream.is_accepted(&cx));
        assert_eq!(fill(&stream.up, &cx, 0), 1, "zero is taken for one");
    }

    #[test]
    fn what_was_sent_before_the_end_can_be_taken_after_it() {
        let stream = LocalStream::<u32, u32>::new(StreamWindow::default());
        let cx = Context::from_waker(Waker::noop());
        assert!(stream.down.send(7, 4));
        stream.finish();
        assert!(!stream.down.send(8, 4));
        assert_eq!(stream.down.poll_receive(&cx), Poll::Ready(Some(7)));
        assert_eq!(stream.down.poll_receive(&cx), Poll::Ready(None));
        assert_eq!(stream.down.poll_ready(&cx), Poll::Ready(false));
    }
}
