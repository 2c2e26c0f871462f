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
        0 => renew(),
        left => {
            LEFT.set(left - 1);
            true
        }
    }
}

/// Woken once the executor has looked for timers and sockets.
#[derive(Default)]
struct Renewal(AtomicBool);

impl Wake for Renewal {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Begins the next allowance with a call, if it is due; else asks for it.
///
/// Tokio wakes whoever gives way when it has looked for timers and sockets, and not before. Where it
/// wakes at once, as on a thread that only polls tasks of its own, the one call that gets nothing
/// gives way to them.
#[cold]
fn renew() -> bool {
    let renewed = RENEWAL.try_with(|renewal| {
        if renewal.0.swap(false, Ordering::Relaxed) {
            LEFT.set(CALLS - 1);
            return true;
        }
        // Nobody has been asked, or an executor ended before it looked.
        if Arc::strong_count(renewal) == 1 {
            let waker = Waker::from(Arc::clone(renewal));
            let _ = pin!(yield_now()).poll(&mut TaskContext::from_waker(&waker));
        }
        false
    });
    // It is gone when the thread ends.
    renewed.unwrap_or(false)
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
        // Whoever does not give way gets nothing, however often it asks.
        tokio::task::unconstrained(async { assert_eq!(all(), 0) }).await;
    }

    #[test]
    fn an_executor_that_ends_takes_no_allowance_along() {
        let run = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let spend = || while take_one() {};
        run().block_on(async { spend() });
        let renewed = async {
            for _ in 0..3 {
                if take_one() {
                    return true;
                }
                yield_now().await;
            }
            false
        };
        assert!(run().block_on(renewed));
    }

    /// There tokio wakes at once whoever gives way.
    #[test]
    fn a_call_gives_way_between_two_allowances_on_a_thread_without_an_executor_of_its_own() {
        let run = || (0..CALLS * 3).filter(|_| !take_one()).count();
        assert!(std::thread::spawn(run).join().expect("it ends") >= 2);
    }
}
