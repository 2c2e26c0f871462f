//! A node as its callers know it: a connection, how busy it is, and how fast.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::client::Pump;
use super::slots::Slots;
use super::time::Moment;
use super::wire::{self, CANCEL, CONTENT_TYPE, DEFINES, Head, REPLY, REQUEST};
use super::{Error, Figures, IN_FLIGHT_LIMIT, Message, Metadata, QUEUE_LIMIT};
use crate::echo::Echo;

/// One node of a service, with a connection to it.
#[derive(Debug)]
pub struct Node {
    pub(super) state: Mutex<State>,
    /// Changed under the lock only, so that it costs no more than a number.
    in_flight: AtomicU32,
    /// Nanoseconds, a moving average that follows a slower answer at once.
    latency: AtomicU64,
    is_over: AtomicBool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) out: Vec<u8>,
    pub(super) slots: Slots,
    /// No call's deadline is earlier.
    pub(super) earliest: Moment,
    /// When the first call was made of those that have not been taken to be written.
    batch: Moment,
    is_batch_open: bool,
    in_flight: u32,
    /// The connection's task is going to look at what is queued anyway.
    is_scheduled: bool,
    task: Option<Waker>,
    is_over: bool,
    /// Endpoints whose place stands for them.
    routes: Vec<&'static str>,
    figures: Figures,
}

/// What a call is, beside its node.
pub(super) struct Outgoing<'a> {
    pub(super) endpoint: &'static str,
    pub(super) echo: &'a Echo,
    pub(super) metadata: &'a Metadata,
    pub(super) timeout: Duration,
}

impl Node {
    /// Connects to a node; the connection's task is a local one.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: SocketAddr) -> io::Result<Arc<Self>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let state = State {
            out: Vec::new(),
            slots: Slots::default(),
            earliest: Moment::NEVER,
            batch: Moment::now(),
            is_batch_open: false,
            in_flight: 0,
            is_scheduled: true,
            task: None,
            is_over: false,
            routes: Vec::new(),
            figures: Figures::default(),
        };
        let this = Arc::new(Self {
            state: Mutex::new(state),
            in_flight: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        spawn_local(Pump::new(stream, &this));
        Ok(this)
    }

    /// Calls that wait for an answer.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long a call takes, as far as that is known.
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency.load(Ordering::Relaxed))
    }

    /// The calls so far.
    pub fn figures(&self) -> Figures {
        self.state.lock().figures
    }

    /// What one more call would wait for, more or less.
    #[inline]
    pub(super) fn cost(&self) -> u64 {
        if self.is_over.load(Ordering::Relaxed) {
            return u64::MAX;
        }
        let latency = self.latency.load(Ordering::Relaxed).max(1);
        latency.saturating_mul(u64::from(self.in_flight()) + 1)
    }

    /// Sends a request, and has `waker` woken when it is over; the call's id.
    #[inline]
    pub(super) fn send(&self, outgoing: &Outgoing<'_>, waker: &Waker) -> Result<u64, Error> {
        let mut state = self.state.lock();
        if state.is_over {
            return Err(Error::Closed);
        }
        if state.in_flight >= IN_FLIGHT_LIMIT || state.out.len() >= QUEUE_LIMIT {
            return Err(Error::Full);
        }
        let id = state.slots.reserve();
        state.encode(id, outgoing)?;
        if !state.is_batch_open {
            (state.is_batch_open, state.batch) = (true, Moment::now());
        }
        let (begun, deadline) = (state.batch, state.batch.after(outgoing.timeout));
        state.earliest = state.earliest.min(deadline);
        state.slots.insert(waker.clone(), begun, deadline);
        state.in_flight += 1;
        state.figures.begun += 1;
        self.in_flight.store(state.in_flight, Ordering::Relaxed);
        state.schedule();
        Ok(id)
    }

    /// Takes the answer, or has the caller woken when it comes.
    #[inline]
    pub(super) fn look(&self, id: u64, cx: &Context<'_>) -> Poll<Result<Message, Error>> {
        self.state.lock().slots.look(id, cx.waker())
    }

    /// Gives a call up, and tells the node.
    pub(super) fn forget(&self, id: u64) {
        let mut state = self.state.lock();
        if state.slots.forget(id) {
            state.end(1, 1);
            self.in_flight.store(state.in_flight, Ordering::Relaxed);
            if !state.is_over {
                let head = Head { kind: CANCEL, flags: 0, number: 0, id };
                // A frame without anything in it is not too long.
                let _ = wire::put(&mut state.out, head, |_| Ok(()));
                state.schedule();
            }
        }
    }

    /// Notes the answers of whole frames that came together; collects whom to wake.
    pub(super) fn answer(&self, mut frames: &[u8], now: Moment, wakers: &mut Vec<Waker>) {
        let (mut ended, mut failed, mut first) = (0, 0, now);
        let mut state = self.state.lock();
        while let Ok(Some((head, rest, length))) = wire::first(frames) {
            frames = &frames[length..];
            let is_reply = head.kind == REPLY;
            let answer = if is_reply { Ok((head.flags, rest)) } else { Err(status(head, rest)) };
            if let Some((waker, begun)) = state.slots.answer(head.id, answer) {
                wakers.push(waker);
                ended += 1;
                failed += u32::from(!is_reply);
                first = first.min(begun);
            }
        }
        state.end(ended, failed);
        self.in_flight.store(state.in_flight, Ordering::Relaxed);
        drop(state);
        if ended > 0 {
            self.mark(now.since(first));
        }
    }

    /// Ends calls whose time is over; collects whom to wake.
    pub(super) fn expire(&self, now: Moment, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        if state.earliest > now {
            return;
        }
        state.earliest = state.slots.expire(now, wakers);
        let count = u32::try_from(wakers.len()).unwrap_or(u32::MAX);
        state.end(count, count);
        self.in_flight.store(state.in_flight, Ordering::Relaxed);
    }

    /// Ends the connection for everybody who waits on it.
    pub(super) fn close(&self) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            state.is_over = true;
            state.out = Vec::new();
            state.slots.fail_all(&mut wakers);
            let count = state.in_flight;
            state.end(count, count);
        }
        self.in_flight.store(0, Ordering::Relaxed);
        self.is_over.store(true, Ordering::Relaxed);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// An average over some ten portions, but at once what is slower.
    fn mark(&self, latency: Duration) {
        let latency = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let known = self.latency.load(Ordering::Relaxed);
        let next = latency.max(known - known / 8 + latency / 8);
        self.latency.store(next, Ordering::Relaxed);
    }
}

impl Drop for Node {
    // Nobody can make a call any more: the task ends, and with it the connection.
    fn drop(&mut self) {
        if let Some(task) = self.state.get_mut().task.take() {
            task.wake();
        }
    }
}

impl State {
    /// Moves what is queued into the empty `batch`; the earliest deadline.
    pub(super) fn take(&mut self, batch: &mut Vec<u8>, now: Moment, task: &Waker) -> Moment {
        self.is_scheduled = true;
        let earliest = self.stamp(now, task);
        std::mem::swap(&mut self.out, batch);
        earliest
    }

    /// Has the task woken by each call that comes while it cannot write; the earliest deadline.
    pub(super) fn wait(&mut self, now: Moment, task: &Waker) -> Moment {
        self.is_scheduled = false;
        self.stamp(now, task)
    }

    /// Whether there is nothing to write; from then on who sends wakes the task.
    pub(super) fn rest(&mut self) -> bool {
        self.is_scheduled = !self.out.is_empty();
        !self.is_scheduled
    }

    /// Ends the batch: the time of its calls runs from when it began or, if that is long ago, now.
    fn stamp(&mut self, now: Moment, task: &Waker) -> Moment {
        match &mut self.task {
            Some(known) => known.clone_from(task),
            None => self.task = Some(task.clone()),
        }
        if self.is_batch_open && now.since(self.batch) > LATE {
            self.earliest = self.earliest.min(self.slots.restamp(self.batch, now));
        }
        self.is_batch_open = false;
        self.earliest
    }

    fn end(&mut self, ended: u32, failed: u32) {
        self.in_flight -= ended;
        self.figures.ended += u64::from(ended);
        self.figures.failed += u64::from(failed);
    }

    #[inline]
    fn schedule(&mut self) {
        if !self.is_scheduled {
            self.is_scheduled = true;
            if let Some(task) = &self.task {
                task.wake_by_ref();
            }
        }
    }

    #[inline]
    fn encode(&mut self, id: u64, outgoing: &Outgoing<'_>) -> Result<(), Error> {
        let Outgoing { endpoint, echo, metadata, timeout } = *outgoing;
        let known = self.routes.iter().position(|it| std::ptr::eq(*it, endpoint));
        let number = u16::try_from(known.unwrap_or(self.routes.len()));
        let number = number.map_err(|_| Error::status(400, "too many endpoints"))?;
        let defines = if known.is_none() { DEFINES } else { 0 };
        let flags = wire::flags(metadata) | defines;
        let left = u32::try_from(timeout.as_micros()).unwrap_or(u32::MAX);
        wire::put(&mut self.out, Head { kind: REQUEST, flags, number, id }, |out| {
            out.extend_from_slice(&left.to_le_bytes());
            if known.is_none() {
                wire::encode(out, &(endpoint, CONTENT_TYPE))?;
            }
            wire::put_message(out, echo, metadata)
        })?;
        if known.is_none() {
            self.routes.push(endpoint);
        }
        Ok(())
    }
}

fn status(head: Head, text: &[u8]) -> Error {
    Error::status(head.number, &String::from_utf8_lossy(text))
}

/// What a batch may be old when it is taken before its calls are given the time that it waited: as a
/// rule it is taken in the same round of the thread's tasks.
const LATE: Duration = Duration::from_millis(1);
