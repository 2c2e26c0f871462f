//! The node's end of connections: what arrives is told apart by endpoint, and what is answered is
//! written.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::invalid;
use super::object::{Batch, Inbox, Object, Request};
use super::outbox::{Outbox, put_answer};
use super::time::Moment;
use super::wire::{self, Broken, CANCEL, CONTENT_TYPE, DEFINES, Head, REQUEST};
use super::{Error, Figures, IN_FLIGHT_LIMIT, QUEUE_LIMIT, READ, REQUESTS};

/// The endpoints of a node, by name.
#[derive(Debug, Default)]
pub struct Table {
    endpoints: HashMap<&'static str, (usize, u16)>,
    objects: Vec<Arc<Inbox>>,
    /// Of the connections that are over, and those that are open.
    connections: Mutex<(Figures, Vec<Arc<Outbox>>)>,
}

impl Table {
    /// Starts an object, which answers to the names of its endpoints.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn with<S: Send + 'static>(mut self, object: Object<S>) -> Self {
        for (endpoint, name) in (0..).zip(object.names()) {
            self.endpoints.insert(name, (self.objects.len(), endpoint));
        }
        self.objects.push(object.start());
        self
    }

    /// The requests so far; answers that come after their connection is over are left out.
    pub fn figures(&self) -> Figures {
        let connections = self.connections.lock();
        connections.1.iter().map(|it| it.figures()).fold(connections.0, sum)
    }
}

fn sum(one: Figures, other: Figures) -> Figures {
    Figures {
        begun: one.begun + other.begun,
        ended: one.ended + other.ended,
        failed: one.failed + other.failed,
    }
}

/// Answers requests on all connections, for ever.
///
/// # Errors
/// The listener broke.
pub async fn serve(listener: TcpListener, table: Arc<Table>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(Session::new(stream, &table));
    }
}

/// One connection.
struct Session {
    stream: TcpStream,
    table: Arc<Table>,
    outbox: Arc<Outbox>,
    batch: Vec<u8>,
    written: usize,
    arrived: BytesMut,
    /// What the peer's numbers stand for, or why for nothing.
    routes: Vec<Result<(usize, u16), Error>>,
    /// What has arrived for each object.
    lanes: Vec<Batch>,
    /// Of requests that are refused at once.
    refusals: Vec<u8>,
    refused: u32,
    cancelled: Vec<u64>,
}

impl Session {
    fn new(stream: TcpStream, table: &Arc<Table>) -> Self {
        let outbox = Arc::new(Outbox::default());
        table.connections.lock().1.push(Arc::clone(&outbox));
        Self {
            stream,
            table: Arc::clone(table),
            outbox,
            batch: Vec::new(),
            written: 0,
            arrived: BytesMut::new(),
            routes: Vec::new(),
            lanes: table.objects.iter().map(|_| Batch::default()).collect(),
            refusals: Vec::new(),
            refused: 0,
            cancelled: Vec::new(),
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let is_blocked = self.write(cx)?;
            // Whoever does not read answers is not read from.
            let rest = self.batch.len() - self.written;
            if !(is_blocked && rest + self.outbox.queued() >= QUEUE_LIMIT)
                && let Poll::Ready(portion) = self.read(cx)
            {
                portion?;
                // What the portion led to is written before the next one is read.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.outbox.rest() || is_blocked {
                return Poll::Pending;
            }
        }
    }

    /// Writes what is queued; whether some of it has to wait.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if self.written == self.batch.len() {
                self.batch.clear();
                self.written = 0;
                self.outbox.take(&mut self.batch, cx.waker());
                if self.batch.is_empty() {
                    return Ok(false);
                }
            }
            let rest = &self.batch[self.written..];
            match pin!(self.stream.write(rest)).poll(cx) {
                Poll::Ready(written) => self.written += written?,
                Poll::Pending => return Ok(true),
            }
        }
    }

    /// Reads a portion of requests and hands it on.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut count = self.take()?;
        while count == 0 {
            let needed = wire::needed(&self.arrived).map_err(invalid)?;
            self.arrived.reserve(needed.saturating_sub(self.arrived.len()).max(READ));
            if ready!(pin!(self.stream.read_buf(&mut self.arrived)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            count = self.take()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Hands on what has arrived, as far as it is a portion; how many frames that was.
    fn take(&mut self) -> io::Result<usize> {
        let arrived = std::mem::take(&mut self.arrived);
        let (mut now, mut taken, mut count, mut requests) = (None, 0, 0, 0);
        while count < REQUESTS {
            let framed = wire::first(&arrived[taken..]).map_err(invalid)?;
            let Some((head, rest, length)) = framed else { break };
            match head.kind {
                REQUEST => {
                    requests += 1;
                    let now = *now.get_or_insert_with(Moment::now);
                    self.request(head, rest, now).map_err(invalid)?;
                }
                CANCEL => self.cancelled.push(head.id),
                _ => return Err(invalid(Broken)),
            }
            taken += length;
            count += 1;
        }
        self.arrived = arrived;
        self.arrived.advance(taken);
        if requests > 0 {
            self.flush(requests);
        }
        self.cancel();
        Ok(count)
    }

    #[inline]
    fn request(&mut self, head: Head, mut rest: &[u8], now: Moment) -> Result<(), Broken> {
        let (left, after) = rest.split_first_chunk().ok_or(Broken)?;
        rest = after;
        if head.flags & DEFINES != 0 {
            self.define(head.number, wire::take(&mut rest)?)?;
        }
        match self.routes.get(usize::from(head.number)).ok_or(Broken)? {
            Ok((object, endpoint)) => {
                let lane = &mut self.lanes[*object];
                lane.bytes.extend_from_slice(rest);
                let end = u32::try_from(lane.bytes.len()).map_err(|_| Broken)?;
                let left = Duration::from_micros(u32::from_le_bytes(*left).into());
                let (id, deadline, endpoint) = (head.id, now.after(left), *endpoint);
                lane.requests.push(Request { id, deadline, endpoint, flags: head.flags, end });
            }
            Err(unknown) => {
                let unknown = unknown.clone();
                self.refuse(head.id, &unknown);
            }
        }
        Ok(())
    }

    fn define(&mut self, number: u16, (name, content_type): (&str, &str)) -> Result<(), Broken> {
        if usize::from(number) != self.routes.len() {
            return Err(Broken);
        }
        let known = self.table.endpoints.get(name).copied();
        self.routes.push(if content_type == CONTENT_TYPE {
            known.ok_or_else(|| Error::status(404, "there is no such endpoint"))
        } else {
            Err(Error::status(415, "this content type is not known"))
        });
        Ok(())
    }

    fn refuse(&mut self, id: u64, why: &Error) {
        put_answer(&mut self.refusals, id, &Err(why.clone()));
        self.refused += 1;
    }

    /// Hands the requests of a portion over to their objects, or refuses them.
    fn flush(&mut self, requests: u32) {
        let unanswered = self.outbox.begin(requests);
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            if lane.requests.is_empty() {
                continue;
            }
            lane.outbox = Some(Arc::clone(&self.outbox));
            if unanswered > IN_FLIGHT_LIMIT || !self.table.objects[index].push(lane) {
                let mut refused = std::mem::take(lane);
                let why = Error::status(429, "too many requests wait");
                refused.requests.drain(..).for_each(|request| self.refuse(request.id, &why));
            }
        }
        if self.refused > 0 {
            let refused = std::mem::take(&mut self.refused);
            self.outbox.give_back(std::mem::take(&mut self.refusals), refused, refused);
        }
    }

    /// Tells the objects which requests are not to be started.
    fn cancel(&mut self) {
        for id in self.cancelled.drain(..) {
            self.table.objects.iter().for_each(|object| object.cancel(&self.outbox, id));
        }
    }
}

impl Future for Session {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The peer closing the connection is how each one ends.
        self.advance(cx).map(|_| ())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outbox.close();
        let mut connections = self.table.connections.lock();
        connections.0 = sum(connections.0, self.outbox.figures());
        connections.1.retain(|it| !Arc::ptr_eq(it, &self.outbox));
    }
}
