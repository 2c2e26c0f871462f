//! The way from one connection to one handler's actors.

use std::sync::Arc;

use actix::prelude::Actor;
use callboard_actors::Context;
use callboard_actors::client::thread_hint;
use callboard_actors::inbox::{Inbox, Job};
use callboard_actors::message::RequestId;
use callboard_actors::server::{Arrival, Lane};
use tokio::time::Instant;

use super::port::TypedPort;
use super::spares::Spares;

/// Collects a batch for each of the handler's actors.
pub(super) struct TypedLane<A: Actor<Context = Context<A>>> {
    port: Arc<TypedPort<A>>,
    batches: Vec<Vec<Box<dyn Job<A>>>>,
    /// For each of them likewise.
    spares: Vec<Spares<A>>,
    /// The actor on this connection's own arbiter.
    home: usize,
    next: usize,
}

impl<A: Actor<Context = Context<A>>> TypedLane<A> {
    pub(super) fn new(port: Arc<TypedPort<A>>) -> Self {
        let batches = port.inboxes.iter().map(|_| Vec::new()).collect();
        let home = thread_hint() % port.inboxes.len();
        let spares = port.inboxes.iter().map(|_| Spares::new()).collect();
        Self { port, batches, spares, home, next: home }
    }
}

impl<A: Actor<Context = Context<A>>> Lane for TypedLane<A> {
    fn push(&mut self, endpoint: usize, codec: u16, arrival: Arrival) {
        let codec = self.port.codecs.at(codec);
        let index = self.port.choose(self.home, &mut self.next);
        let port = &self.port;
        if port.middleware[endpoint].is_empty() {
            let spares = (&mut self.spares[index], &port.inboxes[index]);
            if let Some(job) = port.endpoints[endpoint].job(codec, arrival, spares) {
                self.batches[index].push(job);
            }
        } else {
            port.endpoints[endpoint].serve_wrapped(port, index, codec, arrival);
        }
    }

    fn flush(&mut self, now: Instant) {
        for (batch, inbox) in self.batches.iter_mut().zip(&self.port.inboxes) {
            inbox.push(batch, now);
        }
        self.settle();
    }

    fn flush_and_run(&mut self, now: Instant) {
        for (batch, inbox) in self.batches.iter_mut().zip(&self.port.inboxes) {
            inbox.push_and_run(batch, now);
        }
        self.settle();
    }

    fn cancel(&self, origin: u64, id: Option<RequestId>) {
        self.port.backstage.cancel(origin, id.map(|id| id.0));
        for inbox in &self.port.inboxes {
            inbox.status().cancel(origin, id.map(|id| id.0));
        }
    }

    fn rest(&mut self) {
        self.spares.iter_mut().for_each(Spares::rest);
        self.batches.iter_mut().for_each(Vec::shrink_to_fit);
        self.port.inboxes.iter().for_each(Inbox::rest);
    }
}

impl<A: Actor<Context = Context<A>>> TypedLane<A> {
    fn settle(&mut self) {
        for (spares, inbox) in self.spares.iter_mut().zip(&self.port.inboxes) {
            spares.settle(inbox);
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for TypedLane<A> {
    // A connection may end before it has been quiet for long enough to rest.
    fn drop(&mut self) {
        self.port.inboxes.iter().for_each(Inbox::rest);
    }
}
