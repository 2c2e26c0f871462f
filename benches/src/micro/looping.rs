//! Loops that count operations for a while, on the present arbiter.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

/// Nanoseconds per call when `in_flight` callers call one after the other.
///
/// # Panics
/// When a caller does.
pub async fn ask(in_flight: u64, time: Duration, call: impl AsyncFn(u64) + Clone + 'static) -> f64 {
    let progress = Rc::<Progress>::default();
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (call, progress) = (call.clone(), Rc::clone(&progress));
            actix_rt::spawn(async move {
                while !progress.is_over.get() {
                    let id = progress.count.get();
                    call(id).await;
                    progress.count.set(progress.count.get() + 1);
                }
            })
        })
        .collect();
    sleep(time / 8).await;
    let (begun, before) = (Instant::now(), progress.count.get());
    sleep(time).await;
    let (elapsed, count) = (begun.elapsed(), progress.count.get() - before);
    progress.is_over.set(true);
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    elapsed.as_nanos() as f64 / count.max(1) as f64
}

#[derive(Default)]
struct Progress {
    count: Cell<u64>,
    is_over: Cell<bool>,
}

/// Nanoseconds per message when `batch` messages are sent at once and then awaited.
pub async fn tell(batch: u64, time: Duration, tally: &Tally, send: impl Fn(u64)) -> f64 {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        // Reading the clock is a part of none of them.
        for _ in 0..BATCHES_PER_LOOK {
            tally.expect(batch);
            (0..batch).for_each(&send);
            tally.reached().await;
            count += batch;
        }
    }
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Nanoseconds per run of `operation`, of `count` runs.
pub fn repeat(count: u64, mut operation: impl FnMut(u64)) -> f64 {
    let begun = Instant::now();
    (0..count).for_each(&mut operation);
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Counts messages where they are handled, and tells when all that were sent have been.
#[derive(Debug, Default)]
pub struct Tally {
    handled: AtomicU64,
    goal: AtomicU64,
    reached: Notify,
}

impl Tally {
    /// Counts a message that has been handled.
    pub fn count(&self) {
        if self.handled.fetch_add(1, Ordering::AcqRel) + 1 == self.goal.load(Ordering::Acquire) {
            self.reached.notify_one();
        }
    }

    /// Expects `more` messages, after all that were expected before have been handled.
    pub fn expect(&self, more: u64) {
        self.goal.store(self.handled.load(Ordering::Acquire) + more, Ordering::Release);
    }

    /// Waits for what is expected.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Messages handled so far.
    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::Acquire)
    }
}

const BATCHES_PER_LOOK: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn callers_call_until_the_time_is_over() {
        let nanos =
            ask(4, Duration::from_millis(40), async |_| sleep(Duration::from_millis(4)).await);
        // Four at a time, each 4 ms long: one per millisecond, and never faster.
        assert!(nanos.await > 0.9e6);
    }

    #[actix::test]
    async fn a_tally_tells_when_all_have_been_handled() {
        let tally = Tally::default();
        let nanos = tell(3, Duration::from_millis(1), &tally, |_| tally.count()).await;
        assert!(nanos > 0.0 && tally.handled().is_multiple_of(3 * BATCHES_PER_LOOK));
    }
}
