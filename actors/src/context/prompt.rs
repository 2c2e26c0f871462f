//! Gives an actor its turn at once, inside the turn of another one on the same arbiter.
//!
//! As a rule the executor decides when an actor has its turn, and much comes in between. A
//! connection that carries one request at a time has nothing to do before it is answered: with the
//! actor's turn inside its own it is polled once for a request, not twice, while all it has just
//! worked on is still in the processor's cache. A caller within the process gains more: its request
//! is handled before its call has to wait for anything.
//!
//! Such turns nest, as an actor may call another one in its own. They nest [so deep](DEPTH_MOST) at
//! most, so that the stack they need is bounded; whoever is deeper has its actor woken instead.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};

/// A runner as a task; others on its arbiter may give it a turn too.
pub(super) struct Hosted<R> {
    /// By which others find it.
    number: Option<u64>,
    stage: Rc<Stage<R>>,
}

struct Stage<R> {
    runner: RefCell<R>,
    /// Of the task; none before its first poll.
    waker: RefCell<Option<Waker>>,
    is_over: Cell<bool>,
}

impl<R: Future<Output = ()> + Unpin + 'static> Hosted<R> {
    /// Hosts a runner on the present arbiter; without a number it has the turns of its task only.
    pub(super) fn new(runner: R, number: Option<u64>) -> Self {
        let (runner, waker) = (RefCell::new(runner), RefCell::default());
        let stage = Rc::new(Stage { runner, waker, is_over: Cell::new(false) });
        if let Some(number) = number {
            let turn = Rc::downgrade(&stage) as Weak<dyn Turn>;
            HERE.with_borrow_mut(|here| {
                let place = here.partition_point(|(other, _)| *other < number);
                here.insert(place, (number, turn));
            });
        }
        Self { number, stage }
    }
}

/// Gives the runner of this number a turn, if it lives on the present arbiter and has none now.
///
/// It is as if its task had been woken and polled: nothing is left to be done for it.
pub(crate) fn take_turn(number: u64) -> bool {
    find(number).is_some_and(|turn| turn.take())
}

/// Has the runner of this number, if it is an `R`, do `work` as its turn; false, and nothing has
/// happened, where [`take_turn`] would give none.
pub(super) fn take_turn_with<R: Future<Output = ()> + Unpin + 'static>(
    number: u64,
    work: impl FnOnce(&mut R, &mut TaskContext<'_>) -> Poll<()>,
) -> bool {
    let Some(turn) = find(number) else { return false };
    turn.stage().downcast_ref::<Stage<R>>().is_some_and(|stage| stage.take_with(work))
}

fn find(number: u64) -> Option<Rc<dyn Turn>> {
    // Let go of before the turn, in which runners may come and go.
    let turn = HERE.try_with(|here| {
        let here = here.borrow();
        let place = here.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        here[place].1.upgrade()
    });
    turn.ok().flatten()
}

trait Turn {
    fn take(&self) -> bool;

    fn stage(&self) -> &dyn Any;
}

impl<R: Future<Output = ()> + Unpin + 'static> Turn for Stage<R> {
    fn take(&self) -> bool {
        self.take_with(|runner, cx| Pin::new(runner).poll(cx))
    }

    fn stage(&self) -> &dyn Any {
        self
    }
}

impl<R> Stage<R> {
    fn take_with(&self, work: impl FnOnce(&mut R, &mut TaskContext<'_>) -> Poll<()>) -> bool {
        let waker = self.waker.borrow();
        let (Some(waker), Ok(mut runner)) = (&*waker, self.runner.try_borrow_mut()) else {
            return false;
        };
        let Some(_level) = Level::enter().filter(|_| !self.is_over.get()) else { return false };
        if work(&mut runner, &mut TaskContext::from_waker(waker)).is_ready() {
            // Its task is to end too.
            self.is_over.set(true);
            waker.wake_by_ref();
        }
        true
    }
}

/// One turn inside of another.
struct Level;

impl Level {
    /// `None` when there are as many as there may be.
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        (depth < DEPTH_MOST).then(|| {
            DEPTH.set(depth + 1);
            Self
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl<R: Future<Output = ()> + Unpin> Future for Hosted<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let stage = &self.stage;
        if !stage.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            stage.waker.replace(Some(cx.waker().clone()));
        }
        if stage.is_over.get() {
            return Poll::Ready(());
        }
        // No task is polled inside of another one, so that nobody has borrowed it.
        let poll = Pin::new(&mut *stage.runner.borrow_mut()).poll(cx);
        stage.is_over.set(poll.is_ready());
        poll
    }
}

impl<R> Drop for Hosted<R> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // When the thread ends the list may be gone already.
            let _ = HERE.try_with(|here| here.borrow_mut().retain(|(other, _)| *other != number));
        }
    }
}

thread_local! {
    /// The runners of this arbiter that have a number, in its order.
    static HERE: RefCell<Vec<(u64, Weak<dyn Turn>)>> = const { RefCell::new(Vec::new()) };

    /// Turns that are being taken inside of others.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Turns inside of turns: each needs a few kilobytes of stack, of the two megabytes that a thread
/// has by default.
const DEPTH_MOST: u32 = 8;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::LocalSet;

    use super::*;

    /// Counts its turns, and ends with the third.
    fn counting(turns: &Rc<Cell<u32>>) -> impl Future<Output = ()> + Unpin + 'static {
        let turns = Rc::clone(turns);
        poll_fn(move |_| {
            turns.set(turns.get() + 1);
            // It is having one already.
            assert!(!take_turn(7));
            if turns.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    #[tokio::test]
    async fn a_turn_is_given_on_the_same_arbiter_and_not_inside_of_itself() {
        let turns = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        let all = local.run_until(async {
            let hosted = Hosted::new(counting(&turns), Some(7));
            assert!(!take_turn(7), "its task has not begun");
            let hosted = tokio::task::spawn_local(hosted);
            tokio::task::yield_now().await;
            assert_eq!(turns.get(), 1);
            assert!(!take_turn(8));
            assert!(!std::thread::spawn(|| take_turn(7)).join().unwrap());
            assert!(take_turn(7) && take_turn(7));
            assert_eq!(turns.get(), 3);
            assert!(!take_turn(7), "it is over");
            // The task ends with its runner, though that ended in another's turn.
            hosted.await.unwrap();
        });
        all.await;
        assert!(HERE.with_borrow(Vec::is_empty));
    }

    #[tokio::test]
    async fn turns_nest_only_so_deep() {
        let deepest = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        let all = local.run_until(async {
            for number in 0..20 {
                let deepest = Rc::clone(&deepest);
                let next = poll_fn(move |_| {
                    if take_turn(number + 1) {
                        deepest.set(deepest.get().max(number + 1));
                    }
                    Poll::Pending
                });
                tokio::task::spawn_local(Hosted::new(next, Some(number)));
            }
            // Those that come later are not there yet for those that come first.
            tokio::task::yield_now().await;
            deepest.set(0);
            assert!(take_turn(0));
            assert_eq!((deepest.get(), DEPTH.get()), (u64::from(DEPTH_MOST) - 1, 0));
            // And further from further down.
            assert!(take_turn(10));
            assert_eq!(deepest.get(), 10 + u64::from(DEPTH_MOST) - 1);
        });
        all.await;
    }
}
