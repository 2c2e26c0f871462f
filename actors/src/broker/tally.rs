//! Counts the answers to one event.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::{Acknowledgement, Published};
use crate::transport::in_flight::{Failure, Gathering};

/// The answers to one event, wherever they come from; whoever waits for them learns of it once all
/// are there.
///
/// An acknowledgement, which is what nearly all answers are, changes one number.
pub(super) struct Tally {
    /// Answers that are missing; one more until all that are expected have been named.
    open: AtomicU32,
    sum: Mutex<Sum>,
    end: End,
}

/// What is known of the answers apart from how many are missing.
#[derive(Default)]
struct Sum {
    expected: u32,
    /// Answers that were no plain acknowledgements, and what they came to.
    others: u32,
    counted: Published,
    /// Of these, calls that failed and that nobody has looked at.
    failed: Vec<FailedCall>,
}

/// A call that brought no answer; what it comes to is for its caller to find out.
pub(super) struct FailedCall {
    pub(super) number: u32,
    pub(super) failure: Box<Failure>,
}

/// Who learns of the end.
enum End {
    /// Whoever polls.
    Task(AtomicWaker),
    Then(Mutex<Option<Then>>),
}

type Then = Box<dyn FnOnce(Published) + Send>;

impl Tally {
    /// Begins to count for somebody who polls; nothing is expected yet.
    pub(super) fn new() -> Arc<Self> {
        Self::begin(End::Task(AtomicWaker::new()))
    }

    /// Begins to count; `then` is called once, when all are there.
    pub(super) fn then(then: impl FnOnce(Published) + Send + 'static) -> Arc<Self> {
        Self::begin(End::Then(Mutex::new(Some(Box::new(then)))))
    }

    fn begin(end: End) -> Arc<Self> {
        Arc::new(Self { open: AtomicU32::new(1), sum: Mutex::default(), end })
    }

    /// Expects so many answers more; to be called before they can come.
    pub(super) fn expect(&self, answers: u32) {
        self.sum.lock().expected += answers;
        self.open.fetch_add(answers, Ordering::Relaxed);
    }

    /// So many of those that were expected will not come.
    pub(super) fn withdraw(&self, answers: u32) {
        self.sum.lock().expected -= answers;
        self.open.fetch_sub(answers, Ordering::Relaxed);
    }

    /// All that are expected have been named; to be called once.
    pub(super) fn complete(&self) {
        self.close_one().into_iter().for_each(Waker::wake);
    }

    pub(super) fn count(&self, answer: Acknowledgement) {
        let last = match answer {
            Acknowledgement::Acknowledged => self.close_one(),
            answer => self.note(|sum| sum.counted.add(Published::of(answer))),
        };
        last.into_iter().for_each(Waker::wake);
    }

    /// Notes an answer that is no plain acknowledgement; whom to wake.
    fn note(&self, note: impl FnOnce(&mut Sum)) -> Option<Waker> {
        let mut sum = self.sum.lock();
        sum.others += 1;
        note(&mut sum);
        // Under the lock, so that no sum is made between the two.
        let was_last = self.open.fetch_sub(1, Ordering::AcqRel) == 1;
        drop(sum);
        if was_last { self.ended() } else { None }
    }

    fn close_one(&self) -> Option<Waker> {
        // Whoever sees that nothing is open sees all that was noted before.
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 { self.ended() } else { None }
    }

    fn ended(&self) -> Option<Waker> {
        match &self.end {
            End::Task(waker) => waker.take(),
            End::Then(then) => {
                let then = then.lock().take();
                if let Some(then) = then {
                    then(self.so_far());
                }
                None
            }
        }
    }

    /// Has `waker` woken when the last answer is there, or one that must be looked at.
    pub(super) fn register(&self, waker: &Waker) {
        if let End::Task(known) = &self.end {
            known.register(waker);
        }
    }

    /// Whether all answers are there.
    pub(super) fn has_ended(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Waits until all answers are there.
    pub(super) async fn wait(&self) {
        poll_fn(|cx| {
            self.register(cx.waker());
            if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes the calls that failed since the last time.
    pub(super) fn take_failed(&self) -> Vec<FailedCall> {
        std::mem::take(&mut self.sum.lock().failed)
    }

    /// The answers until now; those that are missing count as failed, as nobody knows, and so do
    /// calls that failed and were not taken. Those that were taken count for nothing.
    pub(super) fn so_far(&self) -> Published {
        let sum = self.sum.lock();
        let open = self.open.load(Ordering::Acquire);
        let plain = sum.expected - sum.others - open;
        let untaken = u32::try_from(sum.failed.len()).unwrap_or(u32::MAX);
        let failed = open.saturating_add(untaken);
        let mut published = Published { acknowledged: plain, failed, refused: 0 };
        published.add(sum.counted);
        published
    }
}

impl Gathering for Tally {
    fn replied(&self, body: &[u8]) -> Option<Waker> {
        // What cannot be read comes from a newer node; it has got the event.
        let told = Published::read(body);
        match told.unwrap_or(Published { failed: 1, ..Published::default() }) {
            Published { acknowledged: 1, failed: 0, refused: 0 } => self.close_one(),
            published => self.note(|sum| sum.counted.add(published)),
        }
    }

    fn failed(&self, number: u32, failure: Box<Failure>) -> Option<Waker> {
        let last = self.note(|sum| sum.failed.push(FailedCall { number, failure }));
        match &self.end {
            // What follows from it is begun without waiting for the others.
            End::Task(waker) => last.or_else(|| waker.take()),
            End::Then(_) => last,
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("open", &self.open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::in_flight::Cause;

    #[test]
    fn a_call_that_fails_in_the_last_moment_is_not_left_out() {
        let tally = Tally::new();
        tally.expect(2);
        tally.complete();
        let failure = Failure { cause: Cause::TimedOut, candidate: None, timing: None };
        assert!(tally.failed(0, Box::new(failure)).is_none());
        let told = Published { acknowledged: 0, failed: 2, refused: 0 };
        assert_eq!(tally.so_far(), told, "one that failed, and one that nobody knows of");
        assert_eq!(tally.take_failed().len(), 1);
        assert_eq!(
            tally.so_far(),
            Published { failed: 1, ..told },
            "what follows tells of the other"
        );
    }
}
