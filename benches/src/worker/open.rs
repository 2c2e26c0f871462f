//! The open loop: calls begin at fixed times.
//!
//! The pacer never sleeps, as a timer of this runtime is a millisecond coarse: it looks at the
//! clock whenever the runtime has nothing else to do, and so keeps the client's processor busy. Where
//! it did not look for long, the client had no processor, or one turn of its work was long.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use tokio::task::{JoinHandle, spawn_local, yield_now};

use super::Caller;
use super::message::Messages;
use super::schedule::Schedule;
use crate::meter::{Phase, count, look, next_number, phase};

/// What the pacer and its callers share.
struct Loop {
    schedule: RefCell<Schedule>,
    /// Callers without a call.
    idle: RefCell<Vec<Rc<Place>>>,
}

/// Where a caller waits for its next call.
#[derive(Default)]
struct Place {
    due: Cell<Option<Instant>>,
    waker: Cell<Option<Waker>>,
}

/// Spawns a pacer, and callers that do what it says.
pub(super) fn spawn<C: Caller>(
    callers: impl Iterator<Item = C>,
    messages: &Messages,
    rate: f64,
) -> Vec<JoinHandle<()>> {
    let schedule = RefCell::new(Schedule::new(Instant::now(), rate));
    let this = Rc::new(Loop { schedule, idle: RefCell::default() });
    let mut tasks: Vec<JoinHandle<()>> = callers
        .map(|caller| spawn_local(call(caller, messages.clone(), Rc::clone(&this))))
        .collect();
    tasks.push(spawn_local(pace(this)));
    tasks
}

/// Gives calls that come due to callers without one, until the measurement is over.
async fn pace(this: Rc<Loop>) {
    while phase() != Phase::Over {
        let now = look();
        while let Some(place) = this.pop_idle() {
            let Some(due) = this.take_due(now) else {
                this.idle.borrow_mut().push(place);
                break;
            };
            place.give(Some(due));
        }
        yield_now().await;
    }
    while let Some(place) = this.pop_idle() {
        place.give(None);
    }
}

async fn call<C: Caller>(caller: C, mut messages: Messages, this: Rc<Loop>) {
    let place = Rc::new(Place::default());
    let mut now = Instant::now();
    while phase() != Phase::Over {
        // What came due while all callers were busy waits for nobody.
        let due = this.take_due(now);
        let Some(due) = (if due.is_some() { due } else { this.wait(&place).await }) else { return };
        let id = next_number();
        let reply = caller.call(messages.next(id)).await;
        now = Instant::now();
        count(due, now);
        messages.check(id, reply);
    }
}

impl Loop {
    fn take_due(&self, now: Instant) -> Option<Instant> {
        self.schedule.borrow_mut().take_due(now)
    }

    fn pop_idle(&self) -> Option<Rc<Place>> {
        self.idle.borrow_mut().pop()
    }

    /// Waits for the pacer; `None` when the measurement is over.
    async fn wait(&self, place: &Rc<Place>) -> Option<Instant> {
        let mut is_queued = false;
        poll_fn(|cx| {
            if is_queued && place.waker.take().is_none() {
                return Poll::Ready(place.due.take());
            }
            place.waker.set(Some(cx.waker().clone()));
            if !is_queued {
                self.idle.borrow_mut().push(Rc::clone(place));
                is_queued = true;
            }
            Poll::Pending
        })
        .await
    }
}

impl Place {
    fn give(&self, due: Option<Instant>) {
        self.due.set(due);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
