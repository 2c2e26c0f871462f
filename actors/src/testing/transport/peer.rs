//! One side of a connection under test.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;

use super::Harness;
use crate::message::{Message, Outgoing, RequestId};
use crate::metadata::Metadata;
use crate::transport::{Batch, Encoder, Hello, Incoming, Listener, Socket, TransportError};

/// A socket, its encoder and the batch between them.
pub struct Peer {
    socket: Box<dyn Socket>,
    encoder: Box<dyn Encoder>,
    batch: Batch,
}

impl Peer {
    /// Creates a peer from a greeted socket.
    #[must_use]
    pub fn new(mut socket: Box<dyn Socket>) -> Self {
        let encoder = socket.encoder();
        Self { socket, encoder, batch: Batch::default() }
    }

    /// What the other side said in its greeting.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        self.socket.peer()
    }

    /// Encodes without sending.
    pub fn encode(&mut self, message: Outgoing<'_>) -> Result<u64, TransportError> {
        self.encoder.encode(message)
    }

    /// Bytes that wait in the encoder.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.encoder.queued()
    }

    /// The position up to which messages have been handed over.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.socket.written()
    }

    /// Encodes and sends one message.
    pub async fn send(&mut self, message: &Message) {
        self.encoder.encode(outgoing(message)).expect("the message is within the limits");
        self.flush().await.expect("the connection is open");
    }

    /// Sends what has been encoded.
    pub async fn flush(&mut self) -> Result<(), TransportError> {
        within(poll_fn(|cx| self.poll_flush(cx))).await
    }

    /// Receives exactly `count` messages.
    pub async fn receive(&mut self, count: usize) -> Vec<Message> {
        let messages = separate(within(self.receive_at_least(count)).await);
        assert_eq!(messages.len(), count, "too many messages");
        messages
    }

    /// Receives until the connection ends.
    pub async fn receive_all(&mut self) -> (Vec<Message>, TransportError) {
        let mut messages = Vec::new();
        loop {
            let read = poll_fn(|cx| self.socket.poll_read(cx, &mut messages));
            if let Err(end) = within(read).await {
                return (separate(messages), end);
            }
        }
    }

    /// Sends what has been encoded and receives `count` messages, both at once.
    pub async fn exchange(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        let exchanging = poll_fn(|cx| {
            let flushed = self.poll_flush(cx);
            assert!(!matches!(flushed, Poll::Ready(Err(_))), "{flushed:?}");
            while self::count(&messages) < count {
                match self.socket.poll_read(cx, &mut messages) {
                    Poll::Ready(read) => read.expect("the connection is open"),
                    Poll::Pending => return Poll::Pending,
                }
            }
            flushed.map(|_| ())
        });
        within(exchanging).await;
        separate(messages)
    }

    /// Says goodbye.
    pub async fn close(&mut self) {
        within(poll_fn(|cx| self.socket.poll_close(cx))).await;
    }

    async fn receive_at_least(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while self::count(&messages) < count {
            let before = messages.len();
            let read = poll_fn(|cx| self.socket.poll_read(cx, &mut messages)).await;
            read.expect("the connection is open");
            assert!(messages.len() > before, "ready without a message");
        }
        messages
    }

    fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), TransportError>> {
        loop {
            if self.batch.is_empty() {
                if self.encoder.queued() == 0 {
                    return Poll::Ready(Ok(()));
                }
                self.encoder.take(&mut self.batch);
            }
            match self.socket.poll_write(cx, &mut self.batch) {
                Poll::Ready(Ok(())) => assert!(self.batch.is_empty(), "written, but not all"),
                other => return other,
            }
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// As how many they came.
fn count(messages: &[Message]) -> usize {
    messages.iter().map(Message::count).sum()
}

/// The messages as they were sent: whoever receives may put items of a stream, and replies, together.
#[must_use]
pub fn separate(messages: Vec<Message>) -> Vec<Message> {
    let separate = |message| match message {
        Message::StreamItems { id, items } => {
            items.separate().map(|body| Message::StreamData { id, body }).collect()
        }
        Message::Replies { replies } => {
            let reply = |(id, body)| Message::Reply { id, metadata: Metadata::new(), body };
            replies.separate().map(reply).collect()
        }
        message => vec![message],
    };
    messages.into_iter().flat_map(separate).collect()
}

/// The borrowed form of a message, ready to be encoded.
///
/// # Panics
/// For [`Message::Lost`], which never leaves a process, and for [`Message::StreamItems`] and
/// [`Message::Replies`], which are sent [one by one](separate).
pub fn outgoing(message: &Message) -> Outgoing<'_> {
    match message {
        Message::Request { id, one_way, stream, route, define, time_left, metadata, body } => {
            Outgoing::Request {
                id: *id,
                one_way: *one_way,
                stream: *stream,
                route: *route,
                define: define.as_deref(),
                time_left: *time_left,
                metadata,
                body,
            }
        }
        Message::Reply { id, metadata, body } => Outgoing::Reply { id: *id, metadata, body },
        Message::Status { id, status, refusal } => {
            Outgoing::Status { id: *id, status, refusal: *refusal }
        }
        Message::Lost { .. } | Message::StreamItems { .. } | Message::Replies { .. } => {
            panic!("a socket says this to its own side only")
        }
        Message::Cancel { id } => Outgoing::Cancel { id: *id },
        Message::StreamData { id, body } => Outgoing::StreamData { id: *id, body },
        Message::StreamEnd { id } => Outgoing::StreamEnd { id: *id },
        Message::StreamCredit { id, items, bytes } => {
            Outgoing::StreamCredit { id: *id, items: *items, bytes: *bytes }
        }
        Message::Ping { nonce } => Outgoing::Ping { nonce: *nonce },
        Message::Pong { nonce } => Outgoing::Pong { nonce: *nonce },
        Message::GoAway { reason } => Outgoing::GoAway { reason },
    }
}

/// Listens and connects: the connecting side first, then the accepting one.
pub(super) async fn pair(harness: &Harness) -> (Peer, Peer) {
    let mut listener = listen(harness).await;
    connect(harness, &mut listener, hello("client"), hello("server")).await
}

pub(super) async fn listen(harness: &Harness) -> Box<dyn Listener> {
    within(harness.transport.listen(&harness.listen)).await.expect("the address is free")
}

pub(super) async fn connect(
    harness: &Harness,
    listener: &mut Box<dyn Listener>,
    client: Hello,
    server: Hello,
) -> (Peer, Peer) {
    let connecting = harness.transport.connect(&listener.address(), Arc::new(client));
    let accepting = async {
        let incoming = accept(listener).await;
        assert!(!incoming.peer().is_empty(), "a connection comes from somewhere");
        incoming.greet(Arc::new(server)).await
    };
    let (near, far) = within(join(connecting, accepting)).await;
    (Peer::new(near.expect("connected")), Peer::new(far.expect("accepted")))
}

pub(super) async fn accept(listener: &mut Box<dyn Listener>) -> Box<dyn Incoming> {
    within(poll_fn(|cx| listener.poll_accept(cx))).await.expect("a connection is accepted")
}

pub(super) fn hello(node: &str) -> Hello {
    Hello::new("conformance", node, 7)
}

/// A reply with a body of `size` bytes that depend on `id`.
pub(super) fn reply(id: u64, size: usize) -> Message {
    let mut body = id.to_le_bytes().repeat(size / 8 + 1);
    body.truncate(size);
    Message::Reply { id: RequestId(id), metadata: Metadata::new(), body: body.into() }
}

pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it ends within ten seconds")
}

const LIMIT: Duration = Duration::from_secs(10);
