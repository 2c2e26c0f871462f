//! The HTTP door: the same port for those who do not speak the native wire.
//!
//! The first bytes of a connection decide. What begins with the native magic is native; anything
//! else is taken for HTTP/1.1 and understood in one of three ways:
//!
//! | request | meaning |
//! |---|---|
//! | `POST /Greeter/Hello`, `POST /Greeter.Hello` | a call by a person or a program; JSON unless it says otherwise |
//! | with headers `Micro-Endpoint`, `Micro-Method` or `Micro-Service` | a call by the present Go Micro |
//! | `POST /` without them | a call by Go Micro of 2016 |
//! | `POST /_sub?id=…`, `POST /?id=…` | an event by Go Micro of 2016 or of today, for a subscription of this node |
//! | `GET /healthz`, `GET /readyz` | whether the node lives; whether it wants requests |
//!
//! A call by Go Micro to an endpoint that is a stream takes the whole connection.
//!
//! To the engine such a connection looks like a native one whose peer has at most one request in
//! flight: limits, deadlines, cancellation and draining are the same.

mod ask;
mod body;
mod clock;
mod conversation;
mod dialect;
mod go_micro;
mod headers;
mod host;
mod inbox;
mod options;
mod plain;
mod rewind;
mod service;
mod serving;
#[cfg(test)]
mod tests;
mod unread;
mod wake_flag;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use callboard_actors::message::{GoAway, Message};
use callboard_actors::server::Server;
use callboard_actors::transport::{Batch, Encoder, Hello, OwnedMessages, Socket, TransportError};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use self::ask::{Desk, Opening};
use self::clock::Clock;
use self::conversation::Conversation;
pub use self::options::{HttpOptions, HttpOptionsError};
use self::rewind::Rewind;
use self::service::Door;
use self::wake_flag::WakeFlag;
use super::http_message::{Kind, MessageReader};
use super::socket::Stream;

/// An HTTP/1.1 connection that looks like one of the engine's own.
pub(super) struct HttpSocket<S: Stream> {
    peer: Arc<Hello>,
    serving: Serving<S>,
    /// Whether the HTTP library is to be polled.
    news: WakeFlag,
    desk: Arc<Desk>,
    options: Arc<HttpOptions>,
    clock: Clock,
    has_begun: bool,
    max_frame: u32,
    written: u64,
    over: Option<TransportError>,
    closing: Option<Pin<Box<Sleep>>>,
}

/// What the connection is used for.
enum Serving<S: Stream> {
    /// One call after the other.
    Calls(Box<http1::Connection<TokioIo<Rewind<S>>, Door>>),
    Stream(Box<Conversation<Rewind<S>>>),
    /// Nothing any more.
    Nothing,
}

impl<S: Stream> HttpSocket<S> {
    /// Serves a stream of which `begun` has been read.
    pub(super) fn new(stream: S, begun: &[u8], max_frame: u32, options: Arc<HttpOptions>) -> Self {
        stream.keep_alive();
        let desk = Arc::new(Desk::default());
        let max_body = usize::try_from(max_frame).unwrap_or(usize::MAX);
        let door = Door { desk: Arc::clone(&desk), options: Arc::clone(&options), max_body };
        let connection = http1::Builder::new()
            // What a client may take for its head is limited by the clock below.
            .header_read_timeout(None)
            .max_headers(options.headers)
            .max_buf_size(options.head_bytes)
            // Each answer is written before the next request is read: hyper drops what it has not
            // written when what follows is no request.
            .pipeline_flush(false)
            .serve_connection(TokioIo::new(Rewind::new(stream, begun, Arc::clone(&desk))), door);
        Self {
            peer: Arc::new(Hello::new("", "", 0)),
            serving: Serving::Calls(Box::new(connection)),
            news: WakeFlag::new(),
            desk,
            options,
            clock: Clock::default(),
            has_begun: false,
            max_frame,
            written: 0,
            over: None,
            closing: None,
        }
    }

    /// Lets the connection go on as far as it can.
    fn advance(&mut self, cx: &mut Context<'_>) {
        if self.over.is_some() {
            return;
        }
        self.over = match &mut self.serving {
            Serving::Calls(connection) => {
                let mut connection = Pin::new(connection.as_mut());
                if self.desk.is_done() {
                    connection.as_mut().graceful_shutdown();
                    self.news.set();
                }
                let has_news = self.news.is_set(cx);
                if !has_news && !self.clock.is_running() {
                    return;
                }
                // Who takes a body wakes the library, which has nothing more to give. What is to
                // be said then is the answer.
                let is_asked = || self.desk.is_asked();
                let polled = if has_news {
                    self.news.poll(cx, |cx| connection.as_mut().poll(cx), is_asked)
                } else {
                    Poll::Pending
                };
                let (phase, opening) = self.desk.look();
                // A client that has ended its side already is no error to a stream.
                if let Some(opening) = opening {
                    self.begin_stream(*opening);
                    return self.advance(cx);
                }
                match polled {
                    Poll::Pending => self.clock.check(phase, &self.options, cx),
                    Poll::Ready(Ok(())) => Some(TransportError::Closed),
                    Poll::Ready(Err(error)) => Some(TransportError::Broken(error.to_string())),
                }
            }
            Serving::Stream(conversation) => conversation.poll(cx),
            Serving::Nothing => Some(TransportError::Closed),
        };
    }

    /// Takes the connection from the HTTP library, which knows pairs only.
    fn begin_stream(&mut self, opening: Opening) {
        let serving = std::mem::replace(&mut self.serving, Serving::Nothing);
        if let Serving::Calls(connection) = serving {
            let parts = connection.into_parts();
            let (stream, desk) = (parts.io.into_inner(), Arc::clone(&self.desk));
            let max_body = usize::try_from(self.max_frame).unwrap_or(usize::MAX);
            let reader = MessageReader::new(Kind::Requests, max_body, &parts.read_buf);
            let options = Arc::clone(&self.options);
            let conversation = Conversation::new(stream, reader, desk, options, opening);
            self.serving = Serving::Stream(Box::new(conversation));
        }
    }
}

impl<S: Stream> Socket for HttpSocket<S> {
    fn peer(&self) -> &Arc<Hello> {
        &self.peer
    }

    fn encoder(&mut self) -> Box<dyn Encoder> {
        Box::new(OwnedMessages::new(self.max_frame))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        // What the node has to say first, that it drains, is written before anything is read.
        if !std::mem::replace(&mut self.has_begun, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.advance(cx);
        let before = messages.len();
        self.desk.take_arrived(messages);
        if messages.len() > before {
            return Poll::Ready(Ok(()));
        }
        self.over.clone().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>> {
        self.written += batch.messages.len() as u64;
        for message in batch.messages.drain(..) {
            match (message, &mut self.serving) {
                // HTTP has nothing that could be asked; TCP's own keepalive is on.
                (Message::Ping { nonce }, _) => self.desk.arrive(Message::Pong { nonce }),
                (Message::GoAway { reason: GoAway::Draining }, _) => self.desk.drain(),
                (message, Serving::Stream(conversation)) => conversation.send(message),
                (message, _) => {
                    self.desk.answer(message);
                    self.news.set();
                }
            }
        }
        self.advance(cx);
        if self.desk.has_arrived() || self.over.is_some() {
            // Whoever polls next reads.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn serves(&mut self, server: &Arc<Server>) {
        self.desk.serves(server);
    }

    fn is_serial(&self) -> bool {
        true
    }

    /// Finishes the answer that is being written, for at most a second.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over.is_some() {
            return Poll::Ready(());
        }
        let is_closed = match &mut self.serving {
            Serving::Calls(connection) => {
                let mut connection = Pin::new(connection.as_mut());
                connection.as_mut().graceful_shutdown();
                self.news.set();
                self.news.poll(cx, |cx| connection.as_mut().poll(cx), || false).is_ready()
            }
            Serving::Stream(conversation) => conversation.poll_finish(cx).is_ready(),
            Serving::Nothing => true,
        };
        if is_closed {
            self.over = Some(TransportError::Closed);
            return Poll::Ready(());
        }
        let limit = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        limit.as_mut().poll(cx)
    }
}

/// How long a close waits for what is being written.
const LINGER: Duration = Duration::from_secs(1);
