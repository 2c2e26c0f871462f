//! Handlers: objects with state, whose requests are handled one at a time.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::answer::{Answering, NO_ANSWER, Outcome};
use super::outbox::Outbox;
use super::time::Moment;
use super::wire;
use super::{Error, INBOX_LIMIT, Message, REQUESTS_PER_READING};

/// An object that handles the requests of its endpoints; built from a function that makes its state.
pub struct Object<S> {
    make: Box<dyn FnMut() -> S + Send>,
    endpoints: Vec<(&'static str, Handle<S>)>,
}

type Handle<S> = Box<dyn Fn(&mut S, Message, Answering<'_>) + Send>;

impl<S: Send + 'static> Object<S> {
    /// Creates an object without endpoints. What `make` makes is its state, until it panics.
    pub fn new(make: impl FnMut() -> S + Send + 'static) -> Self {
        Self { make: Box::new(make), endpoints: Vec::new() }
    }

    /// Adds an endpoint.
    #[must_use]
    pub fn endpoint(
        mut self,
        name: &'static str,
        handle: impl Fn(&mut S, Message, Answering<'_>) + Send + 'static,
    ) -> Self {
        self.endpoints.push((name, Box::new(handle)));
        self
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.endpoints.iter().map(|(name, _)| *name)
    }

    /// Spawns the object's task.
    pub(super) fn start(self) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        let mut running = Running { state: None, object: self };
        let ours = Arc::downgrade(&inbox);
        tokio::spawn(poll_fn(move |cx| running.turn(&ours, cx)));
        inbox
    }
}

impl<S> fmt::Debug for Object<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").finish_non_exhaustive()
    }
}

/// Requests that wait for an object, in batches that came together.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    batches: std::collections::VecDeque<Batch>,
    requests: usize,
    /// Batches that have been taken.
    taken: usize,
    /// Requests that are not to be started, and how many batches will have been taken when theirs
    /// has.
    cancelled: Vec<(Weak<Outbox>, u64, usize)>,
    spare: Option<Batch>,
    task: Option<Waker>,
}

/// Requests of one connection to one object that came together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) outbox: Option<Arc<Outbox>>,
    pub(super) requests: Vec<Request>,
    pub(super) bytes: Vec<u8>,
}

/// A request within a [`Batch`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) deadline: Moment,
    pub(super) endpoint: u16,
    pub(super) flags: u8,
    /// Where its value ends in the batch's bytes.
    pub(super) end: u32,
}

impl Inbox {
    /// Hands a batch over and leaves an empty one; gives it back, if the object has too much to do.
    pub(super) fn push(&self, batch: &mut Batch) -> bool {
        let mut waiting = self.0.lock();
        if waiting.requests + batch.requests.len() > INBOX_LIMIT {
            return false;
        }
        waiting.requests += batch.requests.len();
        let next = waiting.spare.take().unwrap_or_default();
        waiting.batches.push_back(std::mem::replace(batch, next));
        if let Some(task) = waiting.task.take() {
            task.wake();
        }
        true
    }

    /// Lets a request be left out, if it has not been started.
    pub(super) fn cancel(&self, outbox: &Arc<Outbox>, id: u64) {
        let mut waiting = self.0.lock();
        if waiting.requests > 0 && waiting.cancelled.len() < INBOX_LIMIT {
            let last = waiting.taken + waiting.batches.len();
            waiting.cancelled.push((Arc::downgrade(outbox), id, last));
        }
    }
}

impl Waiting {
    fn next(&mut self, cx: &Context<'_>) -> Option<(Batch, Vec<u64>)> {
        let Some(batch) = self.batches.pop_front() else {
            self.task = Some(cx.waker().clone());
            return None;
        };
        self.requests -= batch.requests.len();
        self.taken += 1;
        let mut cancelled = Vec::new();
        if !self.cancelled.is_empty() {
            let ours = batch.outbox.as_ref().map(Arc::as_ptr);
            let all = self.cancelled.iter();
            let of_ours = all.filter(|(outbox, ..)| Some(outbox.as_ptr()) == ours);
            cancelled = of_ours.map(|(_, id, _)| *id).collect();
            let taken = self.taken;
            self.cancelled.retain(|(.., last)| *last > taken);
        }
        Some((batch, cancelled))
    }
}

/// An object, and its state if it has been used since it was made or panicked.
struct Running<S> {
    state: Option<S>,
    object: Object<S>,
}

impl<S> Running<S> {
    /// Handles one batch, and lets others have their turn.
    fn turn(&mut self, inbox: &Weak<Inbox>, cx: &Context<'_>) -> Poll<()> {
        let Some(inbox) = inbox.upgrade() else { return Poll::Ready(()) };
        let Some((mut batch, cancelled)) = inbox.0.lock().next(cx) else { return Poll::Pending };
        if let Some(outbox) = batch.outbox.take() {
            self.handle(&batch, &outbox, &cancelled);
        }
        batch.requests.clear();
        batch.bytes.clear();
        inbox.0.lock().spare = Some(batch);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn handle(&mut self, batch: &Batch, outbox: &Arc<Outbox>, cancelled: &[u64]) {
        let mut out = outbox.borrow();
        let (mut start, mut answered, mut failed) = (0, 0, 0);
        for requests in batch.requests.chunks(REQUESTS_PER_READING) {
            let now = Moment::now();
            for request in requests {
                let end = request.end as usize;
                let bytes = &batch.bytes[std::mem::replace(&mut start, end)..end];
                let outcome = if request.deadline <= now {
                    fail(&mut out, request.id, 408, "the time of the request was over")
                } else if cancelled.contains(&request.id) {
                    Outcome::Failed
                } else {
                    self.start(request, bytes, outbox, &mut out)
                };
                answered += u32::from(outcome != Outcome::Later);
                failed += u32::from(outcome == Outcome::Failed);
            }
        }
        outbox.give_back(out, answered, failed);
    }

    /// Handles one request; a panic ends it, and the state begins anew.
    #[inline]
    fn start(
        &mut self,
        request: &Request,
        bytes: &[u8],
        outbox: &Arc<Outbox>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let Ok(message) = wire::take_message(request.flags, bytes) else {
            return fail(out, request.id, 400, "the request cannot be read");
        };
        let (length, mut outcome) = (out.len(), Outcome::Open);
        let Object { make, endpoints } = &mut self.object;
        let state = &mut self.state;
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let (_, handle) = &endpoints[usize::from(request.endpoint)];
            let answering = Answering::new(outbox, request.id, out, &mut outcome);
            handle(state.get_or_insert_with(make), message, answering);
        }));
        match (handled, outcome) {
            (Ok(()), Outcome::Open) => fail(out, request.id, 500, NO_ANSWER),
            (Ok(()), outcome) => outcome,
            (Err(_), outcome) => {
                // What panics once may do so again at its end.
                let _ = catch_unwind(AssertUnwindSafe(|| self.state = None));
                // A request that was answered before stays so; one that was not whole is none.
                if outcome != Outcome::Open {
                    return outcome;
                }
                out.truncate(length);
                fail(out, request.id, 500, "the handler panicked")
            }
        }
    }
}

fn fail(out: &mut Vec<u8>, id: u64, code: u16, text: &str) -> Outcome {
    let Error::Status { code, text } = Error::status(code, text) else { return Outcome::Failed };
    wire::put_status(out, id, code, &text);
    Outcome::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_requests_wait_than_may() {
        let (inbox, most) = (Inbox::default(), INBOX_LIMIT);
        let request = Request { id: 0, deadline: Moment::NEVER, endpoint: 0, flags: 0, end: 0 };
        let batch = |count| Batch { requests: vec![request; count], ..Batch::default() };
        assert!(inbox.push(&mut batch(most - 1)));
        let mut more = batch(2);
        assert!(!inbox.push(&mut more));
        assert_eq!(more.requests.len(), 2, "they are given back");
        assert!(inbox.push(&mut batch(1)));
    }
}
