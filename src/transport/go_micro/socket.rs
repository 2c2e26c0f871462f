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
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream};

use super::address::Address;
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
            answers: VecDeque::new(),
            written: 0,
            portion: 1,
        }
    }

    fn send(&mut self, message: Message) {
        match message {
            Message::Request { id, route, define, time_left, metadata, body, .. } => {
                if let Some(define) = define {
                    self.routes.insert(route, *define);
                }
                let Some(route) = self.routes.get(&route).cloned() else { return };
                self.call(&Call { id, route, time_left, metadata, body });
            }
            Message::Cancel { id } => {
                if let Some(abort) = self.aborts.remove(&id) {
                    abort.abort();
                }
            }
            // Each call finds out for itself whether the node lives.
            Message::Ping { nonce } => self.answers.push_back(Message::Pong { nonce }),
            _ => {}
        }
    }

    fn call(&mut self, call: &Call) {
        let id = call.id;
        let Some(format) = Format::named(&call.route.content_type) else {
            let detail = format!(
                "{:?} is not for Go Micro's nodes; use application/json or application/protobuf",
                call.route.content_type
            );
            return self.refuse(id, Refusal::UnknownContentType, 415, detail);
        };
        let Some(request) = call.to_http(&self.address, format) else {
            let detail = format!("{:?} cannot be named in a header", call.route.endpoint);
            return self.refuse(id, Refusal::UnknownEndpoint, 404, detail);
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
