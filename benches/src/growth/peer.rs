//! A client made by hand: it says which endpoint it means, whatever types there are.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Message, Outgoing, RequestId, Route, RouteSlot};
use callboard_actors::transport::{Batch, Encoder, Hello, MemoryTransport, Socket, Transport};

/// A connection of its own, on which one request is made after the other.
pub struct Peer {
    socket: Box<dyn Socket>,
    encoder: Box<dyn Encoder>,
    batch: Batch,
    arrived: Vec<Message>,
    metadata: Metadata,
    explained: u32,
    next: u64,
}

impl Peer {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(network: &MemoryTransport, address: &str) -> Self {
        let hello = Arc::new(Hello::new("", "peer", 1));
        let socket = network.endpoint("peer").connect(address, hello).await;
        let mut socket = socket.expect("the node listens");
        let encoder = socket.encoder();
        let (batch, arrived) = (Batch::default(), Vec::new());
        Self { socket, encoder, batch, arrived, metadata: Metadata::new(), explained: 0, next: 0 }
    }

    /// Explains a route, with a request that uses it; slots are numbered in turn.
    pub async fn explain(&mut self, route: &Route, body: &Bytes) {
        let slot = RouteSlot(self.explained);
        self.explained += 1;
        self.ask(slot, Some(route), body).await;
    }

    /// Makes a request of a route that has been explained.
    pub async fn call(&mut self, slot: RouteSlot, body: &Bytes) {
        self.ask(slot, None, body).await;
    }

    /// Sends a request, and waits for its reply, which has the same body.
    async fn ask(&mut self, route: RouteSlot, define: Option<&Route>, body: &Bytes) {
        let id = RequestId(self.next);
        self.next += 1;
        let (metadata, time_left) = (&self.metadata, None);
        let request = Outgoing::Request {
            id,
            one_way: false,
            stream: false,
            route,
            define,
            time_left,
            metadata,
            body,
        };
        self.encoder.encode(request).expect("a request can be encoded");
        self.encoder.take(&mut self.batch);
        let written = poll_fn(|cx| self.socket.poll_write(cx, &mut self.batch)).await;
        written.expect(OPEN);
        loop {
            let read = poll_fn(|cx| self.socket.poll_read(cx, &mut self.arrived)).await;
            read.expect(OPEN);
            for message in self.arrived.drain(..) {
                match message {
                    Message::Reply { id: own, body: echo, .. } if own == id && echo == *body => {
                        return;
                    }
                    Message::Ping { .. } => {}
                    other => panic!("the node says {other:?}"),
                }
            }
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("explained", &self.explained).finish_non_exhaustive()
    }
}

const OPEN: &str = "the connection is open";
