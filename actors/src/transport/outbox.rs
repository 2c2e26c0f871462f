//! The send queue of one connection, and the calls that wait on it.
//!
//! A client's outbox outlives its connections: it is opened again by the next one, so that callers
//! find it without looking for the connection of the day.
//!
//! Whoever has something to send encodes it here at once, under a lock that is held for the
//! encoding only; the connection's own task takes all that is queued and writes it in one go. The
//! task is woken once per batch, whoever wakes it.

mod calls;
mod room;
mod served;
mod streams;
mod task;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::in_flight::{InFlight, MOST_IN_FLIGHT};
use super::{Encoder, TransportError};
use crate::message::{GoAway, Outgoing, Route};
use crate::stream::StreamTable;

pub(crate) use self::calls::{NotSent, OutgoingCall, Ticket};

/// The sending half of a connection; shared by everybody who sends on it.
pub(crate) struct Outbox {
    number: u64,
    /// Where the peer is; empty on the side that was connected to.
    address: String,
    state: Mutex<State>,
    streams: StreamTable,
    /// The peer's greeting said so; true before there was one.
    takes_streams: AtomicBool,
    task: AtomicWaker,
    /// Whether the task has been woken and has not taken the queue since.
    is_scheduled: AtomicBool,
    is_closing: AtomicBool,
    settled: Notify,
    figures: Figures,
}

/// What the task wants to know of the state without the lock; written under it.
#[derive(Debug, Default)]
struct Figures {
    /// Calls that wait for an answer.
    in_flight: AtomicUsize,
    /// Requests of the peer that have not been answered.
    unanswered: AtomicUsize,
    /// Bytes that wait to be taken.
    queued: AtomicUsize,
    /// Something has been encoded and not been written.
    is_dirty: AtomicBool,
    /// Those who wait for the connection to settle or to end.
    listeners: AtomicUsize,
}

struct State {
    /// Absent before the first connection.
    encoder: Option<Box<dyn Encoder>>,
    /// Calls that may wait for an answer at once.
    max_in_flight: usize,
    calls: InFlight,
    /// What the route slots stand for, in their order.
    routes: Vec<KnownRoute>,
    /// Callers that found no room, in the order in which they came.
    waiters: BTreeMap<u64, Waker>,
    /// Streams that found no room for an item, likewise.
    item_waiters: BTreeMap<u64, Waker>,
    last_waiter: u64,
    /// There is no connection.
    is_over: bool,
}

impl State {
    fn queued(&self) -> usize {
        self.encoder.as_ref().map_or(0, |encoder| encoder.queued())
    }
}

/// A route that the peer has been told of.
#[derive(Debug, Clone, Copy)]
struct KnownRoute {
    endpoint: &'static str,
    content_type: &'static str,
}

impl KnownRoute {
    fn to_route(self) -> Route {
        Route { endpoint: self.endpoint.to_owned(), content_type: self.content_type.to_owned() }
    }
}

impl Outbox {
    /// Creates one without a connection.
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            address: address.into(),
            state: Mutex::new(State {
                encoder: None,
                max_in_flight: 0,
                calls: InFlight::default(),
                routes: Vec::new(),
                waiters: BTreeMap::new(),
                item_waiters: BTreeMap::new(),
                last_waiter: 0,
                is_over: true,
            }),
            streams: StreamTable::default(),
            takes_streams: AtomicBool::new(true),
            task: AtomicWaker::new(),
            is_scheduled: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            settled: Notify::new(),
            figures: Figures::default(),
        }
    }

    /// Begins with a connection; the one before, if any, must have [failed](Self::fail).
    pub(crate) fn open(&self, encoder: Box<dyn Encoder>, max_in_flight: u32) {
        let mut state = self.state.lock();
        state.encoder = Some(encoder);
        state.max_in_flight = (max_in_flight as usize).min(MOST_IN_FLIGHT);
        state.routes.clear();
        state.is_over = false;
        self.is_scheduled.store(false, Ordering::Release);
        self.is_closing.store(false, Ordering::Release);
        self.figures.unanswered.store(0, Ordering::Release);
        self.figures.queued.store(0, Ordering::Release);
        self.figures.is_dirty.store(false, Ordering::Release);
    }

    /// Whether there is no connection.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Distinguishes this connection, or all that one link has, from those of others.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Where the peer is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Queues a message; on a connection that is over it vanishes, as it would on the way.
    pub(crate) fn send(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        self.encode(&mut self.state.lock(), message)?;
        self.schedule();
        Ok(())
    }

    fn encode(&self, state: &mut State, message: Outgoing<'_>) -> Result<(), TransportError> {
        if let (Some(encoder), false) = (&mut state.encoder, state.is_over) {
            encoder.encode(message)?;
            self.encoded(state);
        }
        Ok(())
    }

    /// Takes note that something has been encoded.
    fn encoded(&self, state: &State) {
        self.figures.queued.store(state.queued(), Ordering::Release);
        self.figures.is_dirty.store(true, Ordering::Release);
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

    /// Has the task look after the connection.
    pub(crate) fn wake(&self) {
        self.schedule();
    }

    /// Wakes the task, unless it will look at the queue anyway.
    fn schedule(&self) {
        // The task clears the flag before it takes the lock under which it empties the queue. So
        // whoever filled the queue after that, under the same lock, sees it cleared.
        if !self.is_scheduled.load(Ordering::Acquire)
            && !self.is_scheduled.swap(true, Ordering::AcqRel)
        {
            self.task.wake();
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("number", &self.number)
            .field("figures", &self.figures)
            .finish_non_exhaustive()
    }
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Bytes that may wait on one connection before callers are held back: 1 MiB.
///
/// More would not be sent sooner, and what is still in the processor's cache when it is written is
/// written faster.
const CALLS_LIMIT: usize = 1024 * 1024;

/// Bytes that may wait on one connection before streams are held back, whatever credit they have:
/// 1 MiB.
///
/// It is far below what makes a node stop reading. Were it not, two sides with full streams would
/// each wait for the other one to read.
const ITEMS_LIMIT: usize = 1024 * 1024;

/// Bytes that may wait on one connection before one-way requests are held back: 8 MiB.
///
/// Answers are not held back; a peer that does not read them is not read either.
pub(crate) const QUEUE_LIMIT: usize = 8 * 1024 * 1024;
