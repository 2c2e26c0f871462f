//! Moves messages between a socket and an outbox: the part that both ends of a connection share.
//!
//! One poll reads what has arrived, hands it to the [`Role`], writes what is queued, and looks
//! after deadlines and keepalive. Answers that actors on the same arbiter give after this poll
//! wake it again, together, so they leave in one write.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::keepalive::{Keepalive, KeepaliveOptions, Pulse};
use super::outbox::Outbox;
use super::{Batch, Socket, TransportError};
use crate::message::{GoAway, Message, Outgoing};

/// What an end of a connection does with messages; the client's differs from the server's.
pub(crate) trait Role {
    /// Takes what has arrived, in order, and leaves `messages` empty.
    fn receive(&mut self, messages: &mut Vec<Message>, now: Instant) -> Result<(), TransportError>;

    /// Messages to take at a time.
    fn portion(&self) -> usize;

    /// Bytes that may wait to be written before nothing more is read.
    fn queue_limit(&self) -> usize;

    /// Whether an answer of the peer is due, so that silence is suspicious.
    fn is_expecting(&self) -> bool;

    /// Whether the connection has had no use since `now` minus its idle time.
    fn is_idle(&mut self, now: Instant) -> bool;

    /// When to ask [`is_idle`](Self::is_idle) again.
    fn idle_due(&self) -> Option<Instant>;

    /// Gives back what only a busy connection needs.
    fn rest(&mut self) {}
}

/// The moving part of a connection.
pub(crate) struct Pump {
    socket: Box<dyn Socket>,
    outbox: Arc<Outbox>,
    batch: Batch,
    messages: Vec<Message>,
    wakers: Vec<Waker>,
    keepalive: Keepalive,
    timer: Pin<Box<Sleep>>,
    /// When to give back what only a busy connection needs, unless something moves before.
    rests_at: Option<Instant>,
    nonce: u64,
    /// This poll did not read, because too much waits to be written.
    is_held_back: bool,
    is_saying_goodbye: bool,
    /// What the peer did wrong; nothing is read any more, and what is queued is still sent.
    failure: Option<TransportError>,
}

impl Pump {
    pub(crate) fn new(
        socket: Box<dyn Socket>,
        outbox: Arc<Outbox>,
        keepalive: KeepaliveOptions,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            outbox,
            batch: Batch::default(),
            messages: Vec::new(),
            wakers: Vec::new(),
            keepalive: Keepalive::new(keepalive, now),
            timer: Box::pin(sleep_until(now)),
            rests_at: None,
            nonce: 0,
            is_held_back: false,
            is_saying_goodbye: false,
            failure: None,
        }
    }

    /// Runs until the connection is over; `Ok` when this side closed it in order.
    pub(crate) fn poll(
        &mut self,
        role: &mut impl Role,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.outbox.register(cx.waker());
        let now = Instant::now();
        if let Err(error) = self.read(role, now, cx) {
            self.give_up(error)?;
        }
        self.look_after(role, now)?;
        if let Poll::Ready(result) = self.write(now, cx) {
            return Poll::Ready(result);
        }
        if std::mem::take(&mut self.is_held_back) && !self.is_full(role) {
            // Nothing was read, so nothing that arrives would wake this task.
            cx.waker().wake_by_ref();
        }
        self.set_timer(role, now, cx);
        Poll::Pending
    }

    fn read(
        &mut self,
        role: &mut impl Role,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), TransportError> {
        for round in 0..READS_PER_POLL {
            if self.failure.is_some() {
                return Ok(());
            }
            if self.is_full(role) {
                self.is_held_back = true;
                return Ok(());
            }
            let portion = role.portion();
            self.socket.portion(portion);
            match self.socket.poll_read(cx, &mut self.messages) {
                Poll::Pending => return Ok(()),
                Poll::Ready(result) => {
                    // What the portion before led to may have had its turn, and taken its time.
                    let now = if round == 0 { now } else { Instant::now() };
                    // What arrived before an error counts.
                    self.keepalive.heard(now);
                    self.rests_at = Some(now + QUIET);
                    self.answer_pings()?;
                    let count: usize = self.messages.iter().map(Message::count).sum();
                    let is_full = count >= portion || self.is_large();
                    role.receive(&mut self.messages, now)?;
                    result?;
                    if is_full {
                        // What it led to has its turn, and is written, before the next portion.
                        break;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Whether as much waits to be written as may.
    fn is_full(&self, role: &impl Role) -> bool {
        self.outbox.queued() + self.batch.bytes.len() >= role.queue_limit()
    }

    /// Whether what has arrived is much to work on, few messages as it may be.
    fn is_large(&self) -> bool {
        self.messages.iter().map(Message::body_len).sum::<usize>() >= PORTION_BYTES
    }

    /// A peer that breaks the protocol is told why before the connection is closed.
    fn give_up(&mut self, error: TransportError) -> Result<(), TransportError> {
        let (TransportError::Protocol(_) | TransportError::TooLarge { .. }) = &error else {
            return Err(error);
        };
        self.outbox.go_away(&GoAway::Error(error.to_string()));
        self.failure = Some(error);
        Ok(())
    }

    fn answer_pings(&mut self) -> Result<(), TransportError> {
        for message in &self.messages {
            if let Message::Ping { nonce } = message {
                self.outbox.send(Outgoing::Pong { nonce: *nonce })?;
            }
        }
        Ok(())
    }

    /// Sees to deadlines, keepalive and idleness.
    fn look_after(&mut self, role: &mut impl Role, now: Instant) -> Result<(), TransportError> {
        if self.earliest(now).is_some_and(|earliest| earliest <= now) {
            self.outbox.expire(now, &mut self.wakers);
            self.wakers.drain(..).for_each(Waker::wake);
        }
        match self.keepalive.check(now, role.is_expecting()) {
            Pulse::Fine => {}
            Pulse::Ping => {
                self.nonce += 1;
                self.outbox.send(Outgoing::Ping { nonce: self.nonce })?;
            }
            Pulse::Dead(silence) => return Err(TransportError::Silent(silence)),
        }
        if role.is_idle(now) {
            self.outbox.close();
        }
        if self.rests_at.is_some_and(|at| at <= now) {
            self.rests_at = None;
            self.rest();
            role.rest();
        }
        Ok(())
    }

    fn rest(&mut self) {
        self.socket.rest();
        self.outbox.rest();
        if self.batch.is_empty() {
            self.batch = Batch::default();
        }
        self.messages.shrink_to(0);
        self.wakers.shrink_to(0);
    }

    /// The earliest deadline of a call, perhaps of one that has been answered.
    fn earliest(&self, now: Instant) -> Option<Instant> {
        // Spares the server's side, which makes no calls, the lock.
        if self.outbox.in_flight() > 0 { self.outbox.stamp(now) } else { None }
    }

    /// Sets the timer for the next thing to look after; last, so that it counts every call.
    fn set_timer(&mut self, role: &mut impl Role, now: Instant, cx: &mut Context<'_>) {
        let earliest = self.earliest(now);
        let pulse = self.keepalive.due(role.is_expecting());
        // An idle time that has passed while something is under way is no moment to wait for; what
        // is under way wakes this task when it ends.
        let idle = role.idle_due().filter(|due| *due > now);
        let due = [earliest, idle, self.rests_at].into_iter().flatten().fold(pulse, Instant::min);
        // A timer that fires early costs one poll; moving it for each batch would cost more.
        if due < self.timer.deadline() || self.timer.is_elapsed() || self.timer.deadline() <= now {
            self.timer.as_mut().reset(due);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        for _ in 0..WRITES_PER_POLL {
            if self.is_saying_goodbye {
                ready!(self.socket.poll_close(cx));
                return Poll::Ready(self.failure.take().map_or(Ok(()), Err));
            }
            if !self.batch.is_empty() || self.outbox.take(&mut self.batch, now) {
                if self.socket.poll_write(cx, &mut self.batch)?.is_pending() {
                    self.outbox.wait(now);
                    return Poll::Pending;
                }
                continue;
            }
            self.outbox.flushed();
            if self.failure.is_none() && !self.outbox.may_close() {
                return Poll::Pending;
            }
            // Nothing is written from here on: a call that comes now fails as not sent.
            self.is_saying_goodbye = true;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Pump {
    // Whatever ended the connection, nobody must wait on it for ever.
    fn drop(&mut self) {
        self.outbox.fail(self.socket.written(), TransportError::Closed);
    }
}

impl Pump {
    /// Ends the connection for everybody who waits on it.
    pub(crate) fn fail(&self, error: TransportError) {
        self.outbox.fail(self.socket.written(), error);
    }
}

/// Bytes of bodies that make a portion.
const PORTION_BYTES: usize = 64 * 1024;

/// Quiet after which buffers are given back; next to it their price is nothing.
const QUIET: Duration = Duration::from_secs(1);

/// Portions read, and batches written, in one poll; then others on the arbiter get their turn.
const READS_PER_POLL: usize = 4;
const WRITES_PER_POLL: usize = 16;

#[cfg(test)]
mod tests;
