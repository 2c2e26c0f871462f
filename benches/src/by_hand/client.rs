//! The client's end of a connection: one task that writes, reads, and looks after deadlines.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

use super::node::Node;
use super::time::Moment;
use super::wire::{self, Broken, REPLY, STATUS};
use super::{ANSWERS, READ};

/// Moves bytes between the socket and a node's table of calls, until the connection is over or
/// nobody can make a call on it any more.
#[derive(Debug)]
pub(super) struct Pump {
    stream: TcpStream,
    node: Weak<Node>,
    batch: Vec<u8>,
    written: usize,
    arrived: BytesMut,
    /// Bytes of the portion that has arrived.
    portion: usize,
    wakers: Vec<Waker>,
    alarm: Pin<Box<Sleep>>,
}

impl Pump {
    pub(super) fn new(stream: TcpStream, node: &Arc<Node>) -> Self {
        Self {
            stream,
            node: Arc::downgrade(node),
            batch: Vec::new(),
            written: 0,
            arrived: BytesMut::new(),
            portion: 0,
            wakers: Vec::new(),
            alarm: Box::pin(sleep_until(Moment::NEVER.instant())),
        }
    }

    fn advance(&mut self, node: &Node, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = Moment::now();
        loop {
            let is_blocked = self.write(node, now, cx)?;
            if let Poll::Ready(portion) = self.read(node, cx) {
                portion?;
                // Callers first: what they send is written before the next portion.
                node.answer(&self.arrived[..self.portion], now, &mut self.wakers);
                self.arrived.advance(self.portion);
                self.wakers.drain(..).for_each(Waker::wake);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if is_blocked || node.state.lock().rest() {
                return Poll::Pending;
            }
        }
    }

    /// Writes what is queued; whether some of it has to wait.
    fn write(&mut self, node: &Node, now: Moment, cx: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if self.written == self.batch.len() {
                self.batch.clear();
                self.written = 0;
                let earliest = node.state.lock().take(&mut self.batch, now, cx.waker());
                self.look_after(node, earliest, now, cx);
                if self.batch.is_empty() {
                    return Ok(false);
                }
            }
            let rest = &self.batch[self.written..];
            match pin!(self.stream.write(rest)).poll(cx) {
                Poll::Ready(written) => self.written += written?,
                Poll::Pending => {
                    // What is queued while the peer does not read waits; its time runs all the same.
                    let earliest = node.state.lock().wait(now, cx.waker());
                    self.look_after(node, earliest, now, cx);
                    return Ok(true);
                }
            }
        }
    }

    /// Ends what is over, and sets the alarm.
    fn look_after(&mut self, node: &Node, earliest: Moment, now: Moment, cx: &mut Context<'_>) {
        if earliest <= now {
            node.expire(now, &mut self.wakers);
            self.wakers.drain(..).for_each(Waker::wake);
            // The alarm is set by the next turn, which knows what is next.
            cx.waker().wake_by_ref();
            return;
        }
        let due = earliest.instant();
        if due < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(due);
            if self.alarm.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Reads a portion of answers.
    fn read(&mut self, node: &Node, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let in_flight = node.in_flight() as usize;
        let portion = (in_flight / 2).clamp(*ANSWERS.start(), *ANSWERS.end());
        self.find(portion)?;
        while self.portion == 0 {
            let needed = wire::needed(&self.arrived).map_err(invalid)?;
            self.arrived.reserve(needed.saturating_sub(self.arrived.len()).max(READ));
            if ready!(pin!(self.stream.read_buf(&mut self.arrived)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.find(portion)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Finds so many whole frames, or as many as there are.
    fn find(&mut self, most: usize) -> io::Result<()> {
        self.portion = 0;
        for _ in 0..most {
            let framed = wire::first(&self.arrived[self.portion..]).map_err(invalid)?;
            let Some((head, _, length)) = framed else { break };
            if !matches!(head.kind, REPLY | STATUS) {
                return Err(invalid(Broken));
            }
            self.portion += length;
        }
        Ok(())
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Why a connection is over is of no interest here: its calls are.
        match self.node.upgrade() {
            Some(node) => self.advance(&node, cx).map(|_| ()),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            node.close();
        }
    }
}

pub(super) fn invalid(_: Broken) -> io::Error {
    io::ErrorKind::InvalidData.into()
}
