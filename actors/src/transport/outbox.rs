//! The send queue of one connection, and the calls that wait on it.
//!
//! Whoever has something to send encodes it here at once, under a lock that is held for the
//! encoding only; the connection's own task takes all that is queued and writes it in one go. The
//! task is woken once per batch, whoever wakes it.

mod room;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::room::Room;
use super::in_flight::{Answer, InFlight, Look, MOST_IN_FLIGHT};
use super::{Batch, Encoder, TransportError};
use crate::deadline::Deadline;
use crate::message::{Body, GoAway, Outgoing, RequestId, Route, RouteSlot};
use crate::metadata::Metadata;

/// The sending half of a connection; shared by everybody who sends on it.
pub(crate) struct Outbox {
    number: u64,
    state: Mutex<State>,
    task: AtomicWaker,
    /// Whether the task has been woken and has not taken the queue since.
    is_scheduled: AtomicBool,
    is_closing: AtomicBool,
    /// Requests accepted from the peer and not answered.
    unanswered: AtomicUsize,
    settled: Notify,
    max_in_flight: usize,
}

struct State {
    encoder: Box<dyn Encoder>,
    /// Something has been encoded and not been written.
    is_dirty: bool,
    calls: InFlight,
    routes: Vec<Route>,
    /// Callers that found no room, in the order in which they came.
    waiters: BTreeMap<u64, Waker>,
    last_waiter: u64,
    is_over: bool,
}

/// A call as it is sent.
pub(crate) struct OutgoingCall<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) deadline: Deadline,
    /// The present, read once for the whole call.
    pub(crate) now: Instant,
    pub(crate) metadata: &'a Metadata,
    pub(crate) body: &'a dyn Body,
}

/// Why a call was not sent; it has not been executed.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// As many calls are in flight, or as many bytes queued, as may be; see [`Outbox::room`].
    Full,
    /// The connection is over.
    Closed,
    /// The call itself is at fault.
    Invalid(TransportError),
}

impl Outbox {
    pub(crate) fn new(encoder: Box<dyn Encoder>, max_in_flight: u32) -> Arc<Self> {
        Arc::new(Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(State {
                encoder,
                is_dirty: false,
                calls: InFlight::default(),
                routes: Vec::new(),
                waiters: BTreeMap::new(),
                last_waiter: 0,
                is_over: false,
            }),
            task: AtomicWaker::new(),
            is_scheduled: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            settled: Notify::new(),
            max_in_flight: (max_in_flight as usize).min(MOST_IN_FLIGHT),
        })
    }

    /// Distinguishes this connection from all others of the process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    // ===== Sending =====

    /// Sends a call; who has a waker already spares the first poll of the ticket.
    pub(crate) fn call(
        self: &Arc<Self>,
        call: &OutgoingCall<'_>,
        waker: Option<&Waker>,
    ) -> Result<Ticket, NotSent> {
        let id = {
            let mut state = self.state.lock();
            state.check_room(self.max_in_flight)?;
            let id = state.calls.reserve();
            let end = state.encode_call(id, false, call)?;
            state.calls.insert(call.deadline.instant(), end, waker.cloned());
            id
        };
        self.schedule();
        Ok(Ticket { outbox: Arc::clone(self), id, is_over: false })
    }

    /// Resolves when there may be room for a call, or the connection is over.
    pub(crate) fn room(&self) -> Room<'_> {
        Room { outbox: self, place: None }
    }

    /// Sends a call that nobody waits for.
    pub(crate) fn one_way(&self, call: &OutgoingCall<'_>) -> Result<(), NotSent> {
        {
            let mut state = self.state.lock();
            state.check_room(usize::MAX)?;
            // The number is free to be used again: nothing is ever answered to it.
            state.encode_call(RequestId(0), true, call)?;
        }
        self.schedule();
        Ok(())
    }

    /// Queues a message; on a connection that is over it vanishes, as it would on the way.
    pub(crate) fn send(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        {
            let mut state = self.state.lock();
            if state.is_over {
                return Ok(());
            }
            state.encoder.encode(message)?;
            state.is_dirty = true;
        }
        self.schedule();
        Ok(())
    }

    /// Tells the peer to send no more requests.
    pub(crate) fn go_away(&self, reason: &GoAway) {
        if let Err(error) = self.send(Outgoing::GoAway { reason }) {
            tracing::debug!(%error, "a go-away was not sent");
        }
    }

    /// Closes the connection in order once all that is queued has been written.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.schedule();
    }

    fn schedule(&self) {
        if !self.is_scheduled.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }

    // ===== Requests of the peer =====

    /// Counts an accepted request; returns how many are unanswered.
    pub(crate) fn accepted(&self) -> usize {
        self.unanswered.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(crate) fn answered(&self) {
        if self.unanswered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_waiters();
        }
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Acquire)
    }

    /// Resolves when the connection is over, or when nothing of the peer's is unanswered and all
    /// answers have been written.
    pub(crate) async fn settled(&self) {
        loop {
            let notified = self.settled.notified();
            let (is_over, is_dirty) = {
                let state = self.state.lock();
                (state.is_over, state.is_dirty)
            };
            if is_over || (!is_dirty && self.unanswered() == 0) {
                return;
            }
            notified.await;
        }
    }

    /// Resolves when the connection is over.
    pub(crate) async fn ended(&self) {
        loop {
            let notified = self.settled.notified();
            if self.is_over() {
                return;
            }
            notified.await;
        }
    }

    // ===== The connection's own task =====

    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
        // What is sent during this poll is flushed at its end; nobody needs to wake the task.
        self.is_scheduled.store(true, Ordering::Release);
    }

    /// Moves what is queued into the empty `batch`.
    pub(crate) fn take(&self, batch: &mut Batch) {
        self.is_scheduled.store(false, Ordering::Release);
        let mut state = self.state.lock();
        state.encoder.take(batch);
        let room = self.max_in_flight.saturating_sub(state.calls.len());
        state.wake_waiters(room);
    }

    /// Notes that all that was queued has been written.
    pub(crate) fn flushed(&self) {
        {
            let mut state = self.state.lock();
            if !state.is_dirty || state.encoder.queued() > 0 {
                return;
            }
            state.is_dirty = false;
        }
        self.settled.notify_waiters();
    }

    /// Whether it was told to close and nothing is under way in either direction.
    pub(crate) fn may_close(&self) -> bool {
        self.is_closing.load(Ordering::Acquire) && self.unanswered() == 0 && self.calls().0 == 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Bytes that wait to be taken.
    pub(crate) fn queued(&self) -> usize {
        self.state.lock().encoder.queued()
    }

    /// Calls without an answer, and the earliest deadline among them.
    pub(crate) fn calls(&self) -> (usize, Option<Instant>) {
        let state = self.state.lock();
        (state.calls.len(), state.calls.earliest())
    }

    /// Hands out answers; collects whom to wake once the lock is gone.
    pub(crate) fn answer(
        &self,
        answers: impl Iterator<Item = (RequestId, Answer)>,
        wakers: &mut Vec<Waker>,
    ) {
        let mut state = self.state.lock();
        for (id, answer) in answers {
            wakers.extend(state.calls.answer(id, answer));
        }
    }

    pub(crate) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        self.state.lock().calls.expire(now, wakers);
    }

    /// Ends the connection for everybody who waits on it; `written` as in
    /// [`Socket::written`](super::Socket::written). Repeating it changes nothing.
    pub(crate) fn fail(&self, written: u64, error: TransportError) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            if state.is_over {
                return;
            }
            let error = Arc::new(error);
            state.calls.fail_all(written, &error, &mut wakers);
            state.is_over = true;
            wakers.extend(std::mem::take(&mut state.waiters).into_values());
        }
        wakers.into_iter().for_each(Waker::wake);
        self.settled.notify_waiters();
    }
}

impl State {
    fn check_room(&self, max_in_flight: usize) -> Result<(), NotSent> {
        if self.is_over {
            return Err(NotSent::Closed);
        }
        if self.calls.len() < max_in_flight && self.encoder.queued() < QUEUE_LIMIT {
            Ok(())
        } else {
            Err(NotSent::Full)
        }
    }

    fn encode_call(
        &mut self,
        id: RequestId,
        one_way: bool,
        call: &OutgoingCall<'_>,
    ) -> Result<u64, NotSent> {
        // A connection sees few endpoints, so looking through them beats hashing.
        let known = self.routes.iter().position(|route| {
            route.endpoint == call.endpoint && route.content_type == call.content_type
        });
        let fresh = known.is_none().then(|| Route {
            endpoint: call.endpoint.to_owned(),
            content_type: call.content_type.to_owned(),
        });
        let index = known.unwrap_or(self.routes.len());
        let route = u32::try_from(index).map_or(RouteSlot(u32::MAX), RouteSlot);
        if route.0 >= RouteSlot::MAX {
            let error = TransportError::Encode("too many endpoints on one connection".into());
            return Err(NotSent::Invalid(error));
        }
        let message = Outgoing::Request {
            id,
            one_way,
            route,
            define: fresh.as_ref(),
            time_left: Some(call.deadline.time_left_at(call.now)),
            metadata: call.metadata,
            body: call.body,
        };
        let end = self.encoder.encode(message).map_err(NotSent::Invalid)?;
        self.is_dirty = true;
        self.routes.extend(fresh);
        Ok(end)
    }

    fn wake_waiters(&mut self, room: usize) {
        if self.waiters.is_empty() || self.encoder.queued() >= QUEUE_LIMIT {
            return;
        }
        for _ in 0..room {
            let Some((_, waker)) = self.waiters.pop_first() else { return };
            waker.wake();
        }
    }
}

/// A call that has been sent; resolves to its answer.
///
/// Dropping it cancels the call at the peer.
pub(crate) struct Ticket {
    outbox: Arc<Outbox>,
    id: RequestId,
    is_over: bool,
}

impl Future for Ticket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let answer = {
            let mut state = self.outbox.state.lock();
            match state.calls.look(self.id, cx.waker()) {
                Look::Waiting => return Poll::Pending,
                Look::Answered(answer) => {
                    state.wake_waiters(1);
                    answer
                }
                Look::Gone => Answer::TimedOut,
            }
        };
        self.is_over = true;
        Poll::Ready(answer)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let was_waiting = {
            let mut state = self.outbox.state.lock();
            let was_waiting = state.calls.forget(self.id);
            state.wake_waiters(1);
            was_waiting
        };
        if was_waiting {
            // A cancellation is small and fits any frame; on a broken connection it is moot.
            let _ = self.outbox.send(Outgoing::Cancel { id: self.id });
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("number", &self.number)
            .field("unanswered", &self.unanswered())
            .finish_non_exhaustive()
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Bytes that may wait on one connection before callers are held back: 8 MiB.
///
/// Answers are not held back; a peer that does not read them is not read either.
pub(crate) const QUEUE_LIMIT: usize = 8 * 1024 * 1024;
