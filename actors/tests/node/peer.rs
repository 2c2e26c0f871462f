//! A client made by hand, that says what it is told to.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Message, Outgoing, RequestId, Route, RouteSlot};
use callboard_actors::transport::{Batch, Encoder, Hello, MemoryTransport, Socket, Transport};
use tokio::time::timeout;

pub(crate) struct Peer {
    socket: Box<dyn Socket>,
    encoder: Box<dyn Encoder>,
    endpoints: Vec<String>,
    heard: VecDeque<Message>,
}

impl Peer {
    pub(crate) async fn connect(network: &MemoryTransport, address: &str) -> Self {
        let hello = Arc::new(Hello::new("", "peer", 1));
        let mut socket = network.endpoint("peer").connect(address, hello).await.unwrap();
        let encoder = socket.encoder();
        Self { socket, encoder, endpoints: Vec::new(), heard: VecDeque::new() }
    }

    /// Sends a request, and explains its route with the first of it.
    pub(crate) async fn ask(&mut self, id: u64, endpoint: &str, body: &str) {
        let known = self.endpoints.iter().position(|known| known == endpoint);
        let slot = known.unwrap_or(self.endpoints.len());
        if known.is_none() {
            self.endpoints.push(endpoint.to_owned());
        }
        let route = Route { endpoint: endpoint.to_owned(), content_type: "text/plain".to_owned() };
        let define = known.is_none().then_some(&route);
        self.request(id, RouteSlot(u32::try_from(slot).unwrap()), define, body).await;
    }

    /// Sends a request by the number of its route alone.
    pub(crate) async fn ask_slot(&mut self, id: u64, slot: RouteSlot, body: &str) {
        self.request(id, slot, None, body).await;
    }

    pub(crate) async fn pong(&mut self, nonce: u64) {
        self.encoder.encode(Outgoing::Pong { nonce }).unwrap();
        self.flush().await;
    }

    /// The next message, or the text of how the connection ended.
    pub(crate) async fn next(&mut self) -> Result<Message, String> {
        if let Some(message) = self.heard.pop_front() {
            return Ok(message);
        }
        let mut messages = Vec::new();
        let read = poll_fn(|cx| self.socket.poll_read(cx, &mut messages));
        let read = timeout(PATIENCE, read).await.expect("a word from the node");
        self.heard.extend(messages.drain(..));
        match self.heard.pop_front() {
            Some(message) => Ok(message),
            None => Err(crate::text(&read.expect_err("a read without messages is an end"))),
        }
    }

    /// The next message, which is a reply: its id and its body.
    pub(crate) async fn reply(&mut self) -> (u64, String) {
        match self.next().await {
            Ok(Message::Reply { id, body, .. }) => {
                (id.0, String::from_utf8(body.to_vec()).unwrap())
            }
            other => panic!("no reply but {other:?}"),
        }
    }

    async fn request(&mut self, id: u64, route: RouteSlot, define: Option<&Route>, body: &str) {
        let (metadata, body) = (Metadata::new(), Bytes::copy_from_slice(body.as_bytes()));
        let request = Outgoing::Request {
            id: RequestId(id),
            one_way: false,
            stream: false,
            route,
            define,
            time_left: None,
            metadata: &metadata,
            body: &body,
        };
        self.encoder.encode(request).unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        let mut batch = Batch::default();
        self.encoder.take(&mut batch);
        poll_fn(|cx| self.socket.poll_write(cx, &mut batch)).await.unwrap();
    }
}

/// Longer than any silence that these tests are about.
const PATIENCE: Duration = Duration::from_secs(60);
