//! A pool of connections as the engine's one connection.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use callboard_actors::Status;
use callboard_actors::message::{Message, Refusal, RequestId, Route, RouteSlot};
use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Batch, Encoder, Hello, OwnedMessages, Socket, TransportError};
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, SelectAll};
use futures_util::{FutureExt, Stream};

use super::address::Address;
use super::conversation::{Conversation, Line};
use super::reply::into_message;
use super::request::{Call, Format};
use crate::http_client::{Pool, exchange};

/// All calls to one node from one arbiter.
pub(super) struct PooledSocket {
    address: Arc<Address>,
    pool: Pool,
    /// Says how many calls there may be at once; the node itself does not tell.
    peer: Arc<Hello>,
    max_body: usize,
    routes: HashMap<RouteSlot, Route>,
    underway: FuturesUnordered<BoxFuture<'static, Option<Message>>>,
    aborts: HashMap<RequestId, AbortHandle>,
    streams: SelectAll<Conversation>,
    /// By which the streams are told what goes to the node.
    lines: HashMap<RequestId, Arc<Line>>,
    /// What needs no exchange to be answered.
    answers: VecDeque<Message>,
    written: u64,
    portion: usize,
}

impl PooledSocket {
    pub(super) fn new(address: Address, pool: Pool, max_body: usize) -> Self {
        let mut peer = Hello::new(address.service.clone(), String::new(), 0);
        peer.max_in_flight = MAX_CONNECTIONS;
        Self {
            address: Arc::new(address),
            pool,
            peer: Arc::new(peer),
            max_body,
            routes: HashMap::new(),
            underway: FuturesUnordered::new(),
            aborts: HashMap::new(),
            streams: SelectAll::new(),
            lines: HashMap::new(),
            answers: VecDeque::new(),
            written: 0,
            portion: 1,
        }
    }

    fn send(&mut self, message: Message) {
        match message {
            Message::Request { id, stream, route, define, time_left, metadata, body, .. } => {
                if let Some(define) = define {
                    self.routes.insert(route, *define);
                }
                let Some(route) = self.routes.get(&route).cloned() else { return };
                let call = Call { id, route, time_left, metadata, body };
                if stream { self.open(call) } else { self.call(&call) }
            }
            Message::Cancel { id } => {
                if let Some(abort) = self.aborts.remove(&id) {
                    abort.abort();
                }
                if let Some(line) = self.lines.remove(&id) {
                    line.say(Message::Cancel { id });
                }
            }
            Message::StreamData { id, .. }
            | Message::StreamEnd { id }
            | Message::StreamCredit { id, .. } => {
                if let Some(line) = self.lines.get(&id) {
                    line.say(message);
                }
            }
            // Each call finds out for itself whether the node lives.
            Message::Ping { nonce } => self.answers.push_back(Message::Pong { nonce }),
            _ => {}
        }
    }

    /// Opens a stream, on a connection of its own.
    fn open(&mut self, call: Call) {
        let Some(format) = self.format(&call) else { return };
        let (id, endpoint) = (call.id, call.route.endpoint.clone());
        let (address, max_body) = (Arc::clone(&self.address), self.max_body);
        match Conversation::new(call, format, address, self.pool.clone(), max_body) {
            Some((conversation, line)) => {
                self.lines.insert(id, line);
                self.streams.push(conversation);
            }
            None => self.unnamed(id, &endpoint),
        }
    }

    /// How the bodies of a call are written; one of which that cannot be told is refused.
    fn format(&mut self, call: &Call) -> Option<Format> {
        let format = Format::named(&call.route.content_type);
        if format.is_none() {
            let detail = format!(
                "{:?} is not for Go Micro's nodes; use application/json, application/protobuf or, \
                 where they have its plugin, application/bson",
                call.route.content_type
            );
            self.refuse(call.id, Refusal::UnknownContentType, 415, detail);
        }
        format
    }

    fn unnamed(&mut self, id: RequestId, endpoint: &str) {
        let detail = format!("{endpoint:?} cannot be named in a header");
        self.refuse(id, Refusal::UnknownEndpoint, 404, detail);
    }

    fn call(&mut self, call: &Call) {
        let id = call.id;
        let Some(format) = self.format(call) else { return };
        let Some(request) = call.to_http(&self.address, format) else {
            return self.unnamed(id, &call.route.endpoint);
        };
        let address = Arc::clone(&self.address);
        let exchanged = exchange(self.pool.clone(), request, self.max_body)
            .map(move |exchanged| into_message(exchanged, id, &address, format));
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(id, abort);
        self.underway.push(Box::pin(Abortable::new(exchanged, registration).map(Result::ok)));
    }

    fn refuse(&mut self, id: RequestId, refusal: Refusal, code: u16, detail: String) {
        let status = Box::new(Status::new(super::NAME, code, detail));
        self.answers.push_back(Message::Status { id, status, refusal: Some(refusal) });
    }

    /// The next answer, if there is one.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(answer);
        }
        if let Poll::Ready(Some(message)) = Pin::new(&mut self.streams).poll_next(cx) {
            if let Some(id) = id(&message) {
                self.lines.remove(&id);
            }
            return Poll::Ready(message);
        }
        loop {
            match ready!(Pin::new(&mut self.underway).poll_next(cx)) {
                Some(Some(message)) => {
                    if let Some(id) = id(&message) {
                        self.aborts.remove(&id);
                    }
                    return Poll::Ready(message);
                }
                // It was cancelled.
                Some(None) => {}
                // The next write wakes the task.
                None => return Poll::Pending,
            }
        }
    }
}

impl Socket for PooledSocket {
    fn peer(&self) -> &Arc<Hello> {
        &self.peer
    }

    fn encoder(&mut self) -> Box<dyn Encoder> {
        Box::new(OwnedMessages::new(u32::try_from(self.max_body).unwrap_or(u32::MAX)))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        messages.push(ready!(self.poll_answer(cx)));
        for _ in 1..self.portion {
            match self.poll_answer(cx) {
                Poll::Ready(message) => messages.push(message),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn portion(&mut self, messages: usize) {
        self.portion = messages.max(1);
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>> {
        if !batch.messages.is_empty() {
            self.written += batch.messages.len() as u64;
            batch.messages.drain(..).for_each(|message| self.send(message));
            // An exchange begins with the next read.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn written(&self) -> u64 {
        self.written
    }

    /// What is under way is given up: its connections close.
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.underway.clear();
        self.aborts.clear();
        self.streams.clear();
        self.lines.clear();
        Poll::Ready(())
    }
}

fn id(message: &Message) -> Option<RequestId> {
    match message {
        Message::Reply { id, .. } | Message::Status { id, .. } | Message::Lost { id, .. } => {
            Some(*id)
        }
        _ => None,
    }
}

/// Calls under way at once to one node from one arbiter, each on a connection of its own; further
/// ones wait.
const MAX_CONNECTIONS: u32 = 256;
