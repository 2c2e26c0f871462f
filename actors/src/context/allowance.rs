//! Keeps callers that are answered at once from starving the rest of their arbiter.
//!
//! A call that is answered within its own first poll gives way to nobody, so a task that makes one
//! after the other would never end its turn; and when many tasks do, an arbiter that looks for timers
//! and sockets only after so many turns would look seldom. So an arbiter has an allowance of such
//! calls, which is renewed when it has looked.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Wake, Waker};

use tokio::task::yield_now;

/// Takes one of the present arbiter's calls that are answered at once; false when it has none left
/// until it has looked for timers and sockets.
pub(crate) fn take_one() -> bool {
    match LEFT.get() {
        0 => return renew(),
        1 => ask_for_renewal(),
        _ => {}
    }
    LEFT.set(LEFT.get() - 1);
    true
}

/// Woken once the executor has looked for timers and sockets.
#[derive(Default)]
struct Renewal(AtomicBool);

impl Wake for Renewal {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tokio wakes whoever gives way when it has looked for timers and sockets, and not before. Where
/// there is no executor it does so at once: nobody can be starved.
#[cold]
fn ask_for_renewal() {
    // It is gone when the thread ends.
    let _ = RENEWAL.try_with(|renewal| {
        let waker = Waker::from(Arc::clone(renewal));
        let _ = pin!(yield_now()).poll(&mut TaskContext::from_waker(&waker));
    });
}

/// Begins the next allowance with a call, if it is due.
#[cold]
fn renew() -> bool {
    let is_due = RENEWAL.try_with(|renewal| renewal.0.swap(false, Ordering::Relaxed));
    let is_due = is_due.unwrap_or(false);
    if is_due {
        LEFT.set(CALLS - 1);
    }
    is_due
}

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(CALLS) };
    static RENEWAL: Arc<Renewal> = Arc::default();
}

/// Calls that are answered at once between two looks: as many as the messages that an actor takes
/// in one turn.
const CALLS: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_allowance_is_renewed_when_the_executor_has_looked_around() {
        let most = CALLS as usize;
        let all = || std::iter::repeat_with(take_one).take(most * 2).filter(|got| *got).count();
        assert_eq!((all(), all()), (most, 0));
        yield_now().await;
        assert_eq!((all(), all()), (most, 0));
        // Whoever does not give way gets nothing.
        tokio::task::unconstrained(async { assert_eq!(all(), 0) }).await;
    }
}
