//! The server's end of a connection.
//!
//! Supervised by the acceptor's supervisor of connections, temporary: the peer connects anew. What
//! is lost with it: the requests that came over it are cancelled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::prelude::{Actor, ActorFuture, ActorFutureExt, AsyncContext, WrapFuture};
use tokio::time::{Instant, timeout};

use super::acceptor::{Gate, Guest, Place, Server};
use super::{Arrival, Asker, Lane, ReplySlot};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::message::{GoAway, Message, Refusal, RequestId, Route, RouteSlot};
use crate::registry::EndpointKind;
use crate::stream::StreamFrame;
use crate::supervisor::Exit;
use crate::transport::outbox::{Outbox, QUEUE_LIMIT};
use crate::transport::pump::{Pump, Role};
use crate::transport::{Socket, TransportError};

/// Serves one connection.
pub(super) struct Session {
    server: Arc<Server>,
    guest: Option<Guest>,
    /// Held as long as the connection lives.
    place: Option<Place>,
    pump: Option<Pump>,
    role: Option<ServerRole>,
}

impl Session {
    pub(super) fn new(server: Arc<Server>, guest: Option<Guest>) -> Self {
        Self { server, guest, place: None, pump: None, role: None }
    }

    fn open(&mut self, socket: Box<dyn Socket>) {
        let mut socket = socket;
        let options = self.server.options();
        let peer = Arc::clone(socket.peer());
        let outbox = Arc::new(Outbox::new(String::new()));
        socket.serves(&self.server);
        outbox.open(socket.encoder(), 0);
        self.server.opened(&outbox);
        if self.server.gate() != Gate::Serving {
            outbox.go_away(&GoAway::Draining);
        }
        self.role = Some(ServerRole {
            server: Arc::clone(&self.server),
            asker: Arc::new(Asker { outbox: Arc::clone(&outbox), peer }),
            routes: Vec::new(),
            lanes: Vec::new(),
            heard: Instant::now(),
            has_items: false,
            idle_time: options.idle_time,
            is_serial: socket.is_serial(),
        });
        self.pump = Some(Pump::new(socket, outbox, options.keepalive));
    }

    fn ended(&mut self, result: Result<(), TransportError>, ctx: &mut Context<Self>) {
        if let (Some(role), Err(error)) = (&self.role, result) {
            match &error {
                TransportError::Closed => {}
                TransportError::Protocol(_) | TransportError::TooLarge { .. } => {
                    tracing::warn!(peer = role.asker.peer.node, %error, "connection closed");
                }
                _ => tracing::debug!(peer = role.asker.peer.node, %error, "connection ended"),
            }
            if let Some(pump) = &self.pump {
                pump.fail(error);
            }
        }
        ctx.exit(Exit::Normal);
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((incoming, half_open, place)) = self.guest.take() else {
            return ctx.exit(Exit::Normal);
        };
        self.place = Some(place);
        let peer = incoming.peer();
        let greeting = incoming.greet(self.server.hello());
        let limit = self.server.options().greeting_timeout;
        let greeted = async move {
            let socket = timeout(limit, greeting).await;
            drop(half_open);
            socket
        };
        ctx.spawn(greeted.into_actor(self).map(move |socket, this, ctx| match socket {
            Ok(Ok(socket)) => {
                this.open(socket);
                ctx.spawn(Run.map(|result, this: &mut Self, ctx| this.ended(result, ctx)));
            }
            Ok(Err(error)) => {
                tracing::debug!(peer, %error, "connection ended before a greeting");
                ctx.exit(Exit::Normal);
            }
            Err(_) => {
                tracing::debug!(peer, ?limit, "connection closed: no greeting in time");
                ctx.exit(Exit::Normal);
            }
        }));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(role) = &self.role {
            role.cancel_all();
        }
    }
}

/// Polls the pump of its actor.
struct Run;

impl ActorFuture<Session> for Run {
    type Output = Result<(), TransportError>;

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut Session,
        _: &mut Context<Session>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Self::Output> {
        match (&mut actor.pump, &mut actor.role) {
            (Some(pump), Some(role)) => pump.poll(role, task),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// What the server does with messages.
struct ServerRole {
    server: Arc<Server>,
    asker: Arc<Asker>,
    /// What the client's route slots stand for; bounded by [`RouteSlot::MAX`].
    routes: Vec<Option<Result<Target, Refusal>>>,
    /// By handler.
    lanes: Vec<Option<OpenLane>>,
    heard: Instant,
    /// The last portion had items of streams in it.
    has_items: bool,
    idle_time: Duration,
    /// As its socket says.
    is_serial: bool,
}

#[derive(Clone, Copy)]
struct Target {
    handler: usize,
    endpoint: usize,
    /// Or why requests of the route's content type are refused.
    codec: Result<u16, Refusal>,
    is_stream: bool,
}

struct OpenLane {
    lane: Box<dyn Lane>,
    is_dirty: bool,
}

impl Role for ServerRole {
    fn receive(&mut self, messages: &mut Vec<Message>, now: Instant) -> Result<(), TransportError> {
        self.heard = now;
        self.has_items = false;
        let taken = self.take_in(messages, now);
        // Also when the peer breaks the protocol: what came before that is as good as any.
        self.flush(now);
        taken
    }

    fn portion(&self) -> usize {
        if self.has_items { PORTION_ITEMS } else { PORTION }
    }

    /// A client that does not take its answers gets no more of its requests read.
    fn queue_limit(&self) -> usize {
        QUEUE_LIMIT
    }

    fn is_expecting(&self) -> bool {
        self.asker.outbox.unanswered() > 0
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.asker.outbox.unanswered() == 0 && now >= self.heard + self.idle_time
    }

    fn idle_due(&self) -> Option<Instant> {
        Some(self.heard + self.idle_time)
    }

    fn rest(&mut self) {
        self.lanes.iter_mut().flatten().for_each(|open| open.lane.rest());
    }
}

impl ServerRole {
    /// Takes what has arrived, up to what breaks the protocol, if anything does.
    fn take_in(&mut self, messages: &mut Vec<Message>, now: Instant) -> Result<(), TransportError> {
        let is_request = |message: &&Message| matches!(message, Message::Request { .. });
        let requests = messages.iter().filter(is_request).count();
        // At most this many are unanswered: some of those before may be answered meanwhile.
        let mut unanswered = if requests > 0 { self.asker.outbox.accepted(requests) } else { 0 };
        let mut messages = messages.drain(..);
        while let Some(message) = messages.next() {
            match message {
                Message::Request {
                    id,
                    one_way,
                    stream,
                    route,
                    define,
                    time_left,
                    metadata,
                    body,
                } => {
                    if let Some(define) = define {
                        self.define(route, &define)?;
                    }
                    let target = self.target(route)?;
                    let deadline = time_left.map(|left| Deadline::after(now, left));
                    unanswered += 1;
                    // What is to become of it is settled before it is put together: it is large.
                    let place = self.admit(target, unanswered, (stream, one_way));
                    let mut reply = ReplySlot::new(Arc::clone(&self.asker), id, one_way);
                    match place {
                        Ok((handler, endpoint, codec)) => {
                            let stream = stream.then(|| self.asker.outbox.take_stream(id));
                            let arrival = Arrival { reply, deadline, metadata, body, stream };
                            self.lane(handler).push(endpoint, codec, arrival);
                        }
                        Err((refusal, detail)) => reply.refuse(refusal, detail),
                    }
                }
                Message::Cancel { id } => self.cancel(id, now),
                Message::GoAway { reason: GoAway::Error(reason) } => {
                    return Err(TransportError::Broken(format!("the peer gave up: {reason}")));
                }
                Message::StreamData { id, body } => {
                    self.has_items = true;
                    self.asker.outbox.note_items(id, body.into(), &mut messages)?;
                }
                Message::StreamItems { id, items } => {
                    self.has_items = true;
                    self.asker.outbox.note_items(id, items, &mut messages)?;
                }
                Message::StreamEnd { id } => self.asker.outbox.note_stream(id, StreamFrame::End),
                Message::StreamCredit { id, items, bytes } => {
                    self.asker.outbox.note_stream(id, StreamFrame::Credit { items, bytes });
                }
                // Answers to requests that this side never sent, and pulses.
                Message::Reply { .. }
                | Message::Replies { .. }
                | Message::Status { .. }
                | Message::Lost { .. }
                | Message::Ping { .. }
                | Message::Pong { .. }
                | Message::GoAway { .. } => {}
            }
        }
        Ok(())
    }

    fn define(&mut self, slot: RouteSlot, route: &Route) -> Result<(), TransportError> {
        let index = slot.0 as usize;
        if slot.0 >= RouteSlot::MAX || self.routes.get(index).is_some_and(Option::is_some) {
            return Err(TransportError::Protocol(format!("route slot {} defined again", slot.0)));
        }
        let table = self.server.routes();
        let found = table.find(&route.endpoint).ok_or(Refusal::UnknownEndpoint);
        let target = found.map(|(handler, endpoint)| {
            let port = &table.handlers()[handler];
            let codec = port.codec_for(endpoint, &route.content_type);
            let is_stream = port.endpoints()[endpoint].kind == EndpointKind::Stream;
            Target { handler, endpoint, codec, is_stream }
        });
        if self.routes.len() <= index {
            self.routes.resize(index + 1, None);
        }
        self.routes[index] = Some(target);
        Ok(())
    }

    fn target(&self, slot: RouteSlot) -> Result<Result<Target, Refusal>, TransportError> {
        self.routes.get(slot.0 as usize).copied().flatten().ok_or_else(|| {
            TransportError::Protocol(format!("route slot {} was never defined", slot.0))
        })
    }

    /// Decides whether a request may go on, and to which endpoint of which handler, with which codec;
    /// its reply slot counts it out in either case.
    fn admit(
        &self,
        target: Result<Target, Refusal>,
        unanswered: usize,
        (stream, one_way): (bool, bool),
    ) -> Result<(usize, usize, u16), (Refusal, Option<&'static str>)> {
        let plain = |refusal| (refusal, None);
        if self.server.gate() == Gate::Refusing {
            return Err(plain(Refusal::Draining));
        }
        if unanswered > self.server.options().max_in_flight as usize {
            return Err(plain(Refusal::Overloaded { retry_after: RETRY_AFTER }));
        }
        let target = target.map_err(plain)?;
        if target.is_stream != stream || (stream && one_way) {
            return Err((Refusal::Other, Some(wrong_kind(target.is_stream))));
        }
        Ok((target.handler, target.endpoint, target.codec.map_err(plain)?))
    }

    /// The way to a handler; from now on there is something in it.
    fn lane(&mut self, handler: usize) -> &mut dyn Lane {
        let handlers = self.server.routes().handlers();
        if self.lanes.is_empty() {
            self.lanes.resize_with(handlers.len(), || None);
        }
        let open = self.lanes[handler]
            .get_or_insert_with(|| OpenLane { lane: handlers[handler].lane(), is_dirty: false });
        open.is_dirty = true;
        &mut *open.lane
    }

    fn flush(&mut self, now: Instant) {
        for open in self.lanes.iter_mut().flatten().filter(|open| open.is_dirty) {
            open.is_dirty = false;
            if self.is_serial {
                open.lane.flush_and_run(now);
            } else {
                open.lane.flush(now);
            }
        }
    }

    fn cancel(&mut self, id: RequestId, now: Instant) {
        for open in self.lanes.iter_mut().flatten() {
            // It may be in this very batch. Nobody has a turn before it is cancelled.
            if open.is_dirty {
                open.lane.hand_over(now);
            }
            open.lane.cancel(self.asker.outbox.number(), Some(id));
        }
    }

    fn cancel_all(&self) {
        for open in self.lanes.iter().flatten() {
            open.lane.cancel(self.asker.outbox.number(), None);
        }
    }
}

/// What to do instead.
fn wrong_kind(is_stream: bool) -> &'static str {
    if is_stream {
        "the endpoint is a stream; open it instead of calling it"
    } else {
        "the endpoint answers once; call it instead of opening a stream"
    }
}

/// Requests taken at a time: enough that a write carries many answers, few enough that the client
/// gets the first ones while others are handled.
const PORTION: usize = 128;

/// The same while streams have items, which are less work than requests.
const PORTION_ITEMS: usize = 256;

/// When a client that has too much in flight may try again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
