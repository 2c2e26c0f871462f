//! The client's end of a connection.
//!
//! Supervised by the pool of its arbiter, temporary: it ends when it has been idle, or when its node
//! left the registry, and the next call starts another one. After a failure of the connection it
//! connects again with backoff; after its node has drained too, until another incarnation answers. An
//! address that a caller named it tries for as long as it may be idle.
//! What is lost with it: nothing but the calls in flight, and each of those is told whether it may
//! have been executed.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use actix::prelude::{Actor, ActorFuture, ActorFutureExt, AsyncContext, WrapFuture};
use tokio::time::{Instant, timeout};

use super::link::Link;
use super::shard::Shard;
use crate::backoff::Backoff;
use crate::context::Context;
use crate::message::{GoAway, Message};
use crate::selector::{Mark, Outcome};
use crate::stream::StreamFrame;
use crate::supervisor::Exit;
use crate::transport::in_flight::Cause;
use crate::transport::outbox::{Outbox, QUEUE_LIMIT};
use crate::transport::pump::{Pump, Role};
use crate::transport::{Socket, TransportError};

/// One connection to a node.
pub(super) struct Connection {
    link: Weak<Link>,
    shard: Arc<Shard>,
    backoff: Backoff,
    open: Option<(Pump, ClientRole)>,
    /// The node's incarnation when it was last reached.
    incarnation: Option<u64>,
    /// Since when the node cannot be reached, if it cannot.
    unreached_since: Instant,
}

impl Connection {
    pub(super) fn new(link: Weak<Link>, shard: Arc<Shard>) -> Self {
        let backoff = Backoff::new(shard.options.backoff_first, shard.options.backoff_max);
        let unreached_since = Instant::now();
        Self { link, shard, backoff, open: None, incarnation: None, unreached_since }
    }

    fn dial(&mut self, ctx: &mut Context<Self>) {
        let Some(link) = self.link.upgrade() else { return ctx.exit(Exit::Normal) };
        let limit = self.shard.options.dial_timeout;
        let attempt = self.shard.transport.connect(link.address(), Arc::clone(&self.shard.hello));
        let attempt = async move {
            timeout(limit, attempt).await.unwrap_or_else(|_| {
                let reason = format!("no greeting within {limit:?}");
                Err(TransportError::Connect { address: link.address().to_owned(), reason })
            })
        };
        ctx.spawn(attempt.into_actor(self).map(|result, this, ctx| match result {
            Ok(socket) => this.open(socket, ctx),
            Err(error) => this.failed(error, ctx),
        }));
    }

    fn open(&mut self, mut socket: Box<dyn Socket>, ctx: &mut Context<Self>) {
        let Some(link) = self.link.upgrade() else { return ctx.exit(Exit::Normal) };
        let incarnation = socket.peer().incarnation;
        let known = self.incarnation.replace(incarnation);
        if link.is_draining() && known == Some(incarnation) {
            // Still on its way out. A request sent now might arrive when nobody reads any more. It
            // was reached, so the delays need not grow for long: its successor may be there any
            // moment.
            if self.backoff.attempts() >= DRAINING_DELAYS {
                self.backoff.reset();
            }
            return self.dial_later(ctx);
        }
        let options = &self.shard.options;
        let max_in_flight = options.max_in_flight.min(socket.peer().max_in_flight);
        let outbox = Arc::clone(link.outbox());
        outbox.note_capability(socket.peer().streams);
        outbox.open(socket.encoder(), max_in_flight);
        let role = ClientRole {
            link: Arc::downgrade(&link),
            shard: Arc::clone(&self.shard),
            outbox: Arc::clone(&outbox),
            wakers: Vec::new(),
            used: Instant::now(),
            has_items: false,
            idle_time: options.idle_time,
        };
        self.backoff.reset();
        self.open = Some((Pump::new(socket, Arc::clone(&outbox), options.keepalive), role));
        link.opened();
        if known.is_some_and(|known| known != incarnation) {
            self.shard.mark(&link, Outcome::Returned);
        }
        ctx.spawn(Run.map(|result, this: &mut Self, ctx| this.ended(result, ctx)));
    }

    fn ended(&mut self, result: Result<(), TransportError>, ctx: &mut Context<Self>) {
        let Some(link) = self.link.upgrade() else { return ctx.exit(Exit::Normal) };
        let open = self.open.take();
        self.unreached_since = Instant::now();
        // A node closes what has had no use; one that closes on calls in flight has died.
        let is_in_order = |error: &TransportError| {
            let calls = open.as_ref().map_or(0, |(_, role)| role.outbox.in_flight());
            matches!(error, TransportError::Closed) && calls == 0
        };
        match result {
            Err(error) if !link.is_draining() && !is_in_order(&error) => {
                if let Some((pump, _)) = open {
                    pump.fail(error.clone());
                }
                self.failed(error, ctx);
            }
            // The registry need not know that a node left, nor that it was restarted at the same
            // address. An address that a caller named is dialled when it is called again.
            _ if link.is_draining() && !link.node().is_empty() => {
                drop(open);
                link.left();
                self.dial_later(ctx);
            }
            // Closed in order, by either side: there is nothing to repair until the next call.
            _ => {
                drop(open);
                ctx.exit(Exit::Normal);
            }
        }
    }

    /// Tells everybody that the node cannot be reached, and tries again later.
    fn failed(&mut self, error: TransportError, ctx: &mut Context<Self>) {
        let Some(link) = self.link.upgrade() else { return ctx.exit(Exit::Normal) };
        tracing::debug!(address = link.address(), %error, "connection failed");
        if link.is_draining() {
            // It is gone now, and its successor may be about to come.
            self.backoff.reset();
        }
        link.failed(error);
        self.shard.mark(&link, Outcome::Unreachable);
        self.dial_later(ctx);
    }

    fn dial_later(&mut self, ctx: &mut Context<Self>) {
        let Some(link) = self.link.upgrade() else { return ctx.exit(Exit::Normal) };
        // The registry tells when a node is gone, and nobody when an address is.
        let is_given_up = link.node().is_empty()
            && self.unreached_since.elapsed() >= self.shard.options.idle_time;
        if is_given_up || link.is_retired() {
            return ctx.exit(Exit::Normal);
        }
        let delay = self.backoff.next_delay(&mut rand::rng()).max(DELAY_LEAST);
        ctx.run_later(delay, Self::dial);
    }
}

impl Shard {
    /// Tells the selector what was learnt about a node.
    fn mark(&self, link: &Link, outcome: Outcome) {
        self.marks.do_send(Mark { node: link.node().to_owned(), outcome });
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.dial(ctx);
    }
}

impl Drop for Connection {
    // Also reached by a panic. Whoever waits for the link asks anew, and not before this connection
    // is gone: the link has one at most.
    fn drop(&mut self) {
        self.open = None;
        if let Some(link) = self.link.upgrade() {
            link.closed();
        }
    }
}

/// Polls the pump of its actor.
struct Run;

impl ActorFuture<Connection> for Run {
    type Output = Result<(), TransportError>;

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut Connection,
        _: &mut Context<Connection>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Self::Output> {
        match &mut actor.open {
            Some((pump, role)) => pump.poll(role, task),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// What the client does with messages.
struct ClientRole {
    link: Weak<Link>,
    shard: Arc<Shard>,
    outbox: Arc<Outbox>,
    wakers: Vec<Waker>,
    /// When a call was last in flight.
    used: Instant,
    /// The last portion had items of streams in it.
    has_items: bool,
    idle_time: Duration,
}

impl Role for ClientRole {
    fn receive(&mut self, messages: &mut Vec<Message>, now: Instant) -> Result<(), TransportError> {
        self.used = now;
        let wakers = &mut self.wakers;
        let has_items = &mut self.has_items;
        *has_items = false;
        // All answers under one lock, and the callers are woken when it is free again.
        let streams = &self.outbox;
        let (farewell, fault) = self.outbox.answer(now, |calls| {
            let (mut farewell, mut fault) = (None, None);
            let mut messages = messages.drain(..);
            while let Some(message) = messages.next() {
                match message {
                    Message::Reply { id, metadata, body } => {
                        wakers.extend(calls.reply(id, metadata, body, now));
                    }
                    Message::Replies { replies } => calls.replies(replies, now, wakers),
                    Message::Status { id, status, refusal: None } => {
                        wakers.extend(calls.fail(id, Cause::Status(status)));
                    }
                    Message::Status { id, status, refusal: Some(refusal) } => {
                        wakers.extend(calls.fail(id, Cause::Refused { refusal, status }));
                    }
                    Message::Lost { id, was_sent, reason } => {
                        let error = Arc::new(TransportError::Broken(reason));
                        wakers.extend(calls.fail(id, Cause::Broken { was_sent, error }));
                    }
                    Message::GoAway { reason } => farewell = Some(reason),
                    Message::StreamData { id, body } => {
                        *has_items = true;
                        fault = fault.or(streams.note_items(id, body.into(), &mut messages).err());
                    }
                    Message::StreamItems { id, items } => {
                        *has_items = true;
                        fault = fault.or(streams.note_items(id, items, &mut messages).err());
                    }
                    Message::StreamCredit { id, items, bytes } => {
                        streams.note_stream(id, StreamFrame::Credit { items, bytes });
                    }
                    // Nodes do not ask clients.
                    Message::Request { .. }
                    | Message::Cancel { .. }
                    | Message::StreamEnd { .. }
                    | Message::Ping { .. }
                    | Message::Pong { .. } => {}
                }
            }
            (farewell, fault)
        });
        let result = farewell.map_or(Ok(()), |reason| self.take_leave(reason));
        let result = fault.map_or(result, Err);
        self.wakers.drain(..).for_each(Waker::wake);
        result
    }

    /// Half of what is in flight, so that node and callers work at the same time rather than wait
    /// for each other; within bounds that keep writes large and turns short. A stream that is in
    /// flight may have many items under way.
    fn portion(&self) -> usize {
        if self.has_items {
            return PORTION_ITEMS;
        }
        (self.outbox.in_flight() / 2).clamp(PORTION_LEAST, PORTION_MOST)
    }

    /// Far more than may wait: were both sides to stop reading, neither could write any more.
    fn queue_limit(&self) -> usize {
        8 * QUEUE_LIMIT
    }

    fn is_expecting(&self) -> bool {
        self.outbox.in_flight() > 0
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        if self.outbox.in_flight() > 0 {
            self.used = now;
            return false;
        }
        // A node that drains, or has left the registry, is left as soon as nothing is in flight.
        match self.link.upgrade() {
            Some(link) if !link.is_draining() && !link.is_retired() => {
                now >= self.used + self.idle_time
            }
            _ => true,
        }
    }

    fn idle_due(&self) -> Option<Instant> {
        Some(self.used + self.idle_time)
    }
}

impl ClientRole {
    fn take_leave(&self, reason: GoAway) -> Result<(), TransportError> {
        match reason {
            GoAway::Draining => {
                if let Some(link) = self.link.upgrade() {
                    link.drains();
                    self.shard.mark(&link, Outcome::Draining);
                }
                Ok(())
            }
            GoAway::Error(reason) => {
                Err(TransportError::Broken(format!("the node gave up: {reason}")))
            }
        }
    }
}

/// Answers taken at a time.
const PORTION_LEAST: usize = 32;
const PORTION_MOST: usize = 512;

/// Messages taken at a time while streams have items.
const PORTION_ITEMS: usize = 256;

/// Delays between attempts to find the successor of a node that drains, before they begin anew: by
/// default up to 100, 200 and 400 ms.
const DRAINING_DELAYS: u32 = 3;

/// Two attempts to connect are at least this far apart.
const DELAY_LEAST: Duration = Duration::from_millis(10);
