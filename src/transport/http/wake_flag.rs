//! Tells whether a future has anything new to say, before it is polled.
//!
//! The engine polls a connection for many reasons, and the HTTP library is only one of them: an
//! answer of the engine's is no news to it before it has been handed over. A poll in vain costs it
//! about as much as reading a short request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls a future with a waker of its own, which notes that it was called.
pub(super) struct WakeFlag {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    state: AtomicU8,
    /// Of the connection.
    task: AtomicWaker,
}

impl WakeFlag {
    /// Creates one that is set: what has never been polled has something to say.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared { state: AtomicU8::new(SET), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&shared));
        Self { shared, waker }
    }

    /// Has the future polled next time, whatever becomes of its wakers.
    pub(super) fn set(&self) {
        self.shared.state.store(SET, Ordering::Release);
    }

    /// Whether a poll is worth its price; if not, the present task is woken when it is.
    pub(super) fn is_set(&self, cx: &mut Context<'_>) -> bool {
        // First of all: who polls may be another task than the time before.
        self.shared.task.register(cx.waker());
        self.shared.state.load(Ordering::Acquire) == SET
    }

    /// Polls; again, while the future wakes itself, a few times.
    ///
    /// Not again when `has_time` says that it will be [set](Self::set) before anything else matters.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
        has_time: impl Fn() -> bool,
    ) -> Poll<T> {
        let state = &self.shared.state;
        for _ in 0..POLLS_MOST {
            state.swap(POLLED, Ordering::AcqRel);
            let polled = poll(&mut Context::from_waker(&self.waker));
            if polled.is_ready() {
                // It may be polled after its end, and then says so again.
                self.set();
                return polled;
            }
            if state.compare_exchange(POLLED, CLEAR, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Poll::Pending;
            }
            if has_time() {
                state.store(CLEAR, Ordering::Release);
                return Poll::Pending;
            }
        }
        // It is set, and whoever set it left the waking to this.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever polls looks at the state when it is done, and a task that has been woken polls.
        if self.state.swap(SET, Ordering::AcqRel) == CLEAR {
            self.task.wake();
        }
    }
}

/// Nothing has happened since the last poll.
const CLEAR: u8 = 0;
/// A poll is under way.
const POLLED: u8 = 1;
/// The next poll is worth its price.
const SET: u8 = 2;

/// Polls in a row; then others on the arbiter get their turn.
const POLLS_MOST: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls a future that wakes itself this often; how often it was polled.
    fn polls(flag: &WakeFlag, cx: &mut Context<'_>, wakes: usize, has_time: bool) -> usize {
        if !flag.is_set(cx) {
            return 0;
        }
        let mut polls = 0;
        let poll = |cx: &mut Context<'_>| {
            polls += 1;
            if polls <= wakes {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        };
        assert!(flag.poll(cx, poll, || has_time).is_pending());
        polls
    }

    #[test]
    fn a_future_is_polled_when_it_was_woken_and_its_task_is_told_once() {
        let (flag, task) = (WakeFlag::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&task));
        let cx = &mut Context::from_waker(&waker);
        let mut inner = None;
        assert!(flag.is_set(cx), "nobody has polled it yet");
        let poll = |cx: &mut Context<'_>| {
            inner = Some(cx.waker().clone());
            Poll::<()>::Pending
        };
        assert!(flag.poll(cx, poll, || false).is_pending());
        assert_eq!(polls(&flag, cx, 0, false), 0, "it has nothing to say");
        let inner = inner.unwrap();
        inner.wake_by_ref();
        inner.wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert_eq!(polls(&flag, cx, 0, false), 1);
        flag.set();
        assert_eq!(polls(&flag, cx, 0, false), 1);
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_that_wakes_itself_is_polled_again_but_not_for_ever() {
        let (flag, task) = (WakeFlag::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&task));
        let cx = &mut Context::from_waker(&waker);
        assert_eq!(polls(&flag, cx, 2, false), 3);
        flag.set();
        assert_eq!(polls(&flag, cx, 1, true), 1, "there is time until it is set");
        assert_eq!(polls(&flag, cx, 0, false), 0);
        assert_eq!(task.0.load(Ordering::Relaxed), 0);
        flag.set();
        assert_eq!(polls(&flag, cx, usize::MAX, false), POLLS_MOST);
        assert_eq!(task.0.load(Ordering::Relaxed), 1, "others have their turn first");
        assert!(flag.is_set(cx));
    }

    #[test]
    fn a_task_that_polls_without_news_is_the_one_that_is_woken() {
        let (flag, old, new) = (WakeFlag::new(), Arc::new(Count::default()), Arc::default());
        let mut inner = None;
        let waker = Waker::from(Arc::clone(&old));
        let poll = |cx: &mut Context<'_>| {
            inner = Some(cx.waker().clone());
            Poll::<()>::Pending
        };
        let _ = flag.is_set(&mut Context::from_waker(&waker));
        assert!(flag.poll(&mut Context::from_waker(&waker), poll, || false).is_pending());
        let waker = Waker::from(Arc::<Count>::clone(&new));
        assert!(!flag.is_set(&mut Context::from_waker(&waker)));
        inner.unwrap().wake();
        let counts = [&old, &new].map(|task| task.0.load(Ordering::Relaxed));
        assert_eq!(counts, [0, 1]);
    }
}
