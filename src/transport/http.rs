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
//! Who reads is nothing that a client could notice. A connection begins with a small reader of our
//! own (`direct`), which takes requests that came whole and about which there are no two opinions. The
//! first that is anything else is left to the HTTP library, with the bytes read so far and all that
//! follow. Both understand a request by the same code (`request`), and what they say of the same bytes
//! is compared (`both_ways`).
//!
//! To the engine such a connection looks like a native one whose peer has at most one request in
//! flight: limits, deadlines, cancellation and draining are the same.

mod answer;
mod ask;
mod body;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod both_ways;
mod clock;
mod conversation;
mod date;
mod dialect;
mod direct;
mod go_micro;
mod head;
mod headers;
mod host;
mod inbox;
mod library;
mod options;
mod plain;
mod request;
mod rewind;
mod service;
mod serving;
#[cfg(test)]
mod tests;
mod unread;
mod wake_flag;
mod whole;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::message::{GoAway, Message};
use callboard_actors::server::Server;
use callboard_actors::transport::{Batch, Encoder, Hello, OwnedMessages, Socket, TransportError};
use tokio::time::{Instant, Sleep};

use self::ask::{Desk, Opening};
use self::clock::Clock;
use self::conversation::Conversation;
use self::direct::{Direct, Next};
use self::library::Library;
pub use self::options::{HttpOptions, HttpOptionsError};
use self::rewind::Rewind;
use super::http_message::{Kind, MessageReader};
use super::socket::Stream;

/// An HTTP/1.1 connection that looks like one of the engine's own.
pub(super) struct HttpSocket<S: Stream> {
    peer: Arc<Hello>,
    serving: Serving<S>,
    desk: Arc<Desk>,
    options: Arc<HttpOptions>,
    clock: Clock,
    has_begun: bool,
    max_body: usize,
    written: u64,
    over: Option<TransportError>,
    closing: Option<Pin<Box<Sleep>>>,
}

/// What the connection is used for.
#[expect(clippy::large_enum_variant, reason = "nearly all stay what they are at the beginning")]
enum Serving<S: Stream> {
    /// One call after the other, each of them whole and ordinary.
    Direct(Direct<S>),
    /// One call after the other, whatever they are like.
    Library(Box<Library<S>>),
    Stream(Box<Conversation<Rewind<S>>>),
    /// Nothing any more.
    Nothing,
}

impl<S: Stream> HttpSocket<S> {
    /// Serves a stream of which `begun` has been read.
    pub(super) fn new(stream: S, begun: &[u8], max_frame: u32, options: Arc<HttpOptions>) -> Self {
        stream.keep_alive();
        let max_body = usize::try_from(max_frame).unwrap_or(usize::MAX);
        Self {
            peer: Arc::new(Hello::new("", "", 0)),
            serving: Serving::Direct(Direct::new(stream, begun, max_body)),
            desk: Arc::new(Desk::default()),
            options,
            clock: Clock::default(),
            has_begun: false,
            max_body,
            written: 0,
            over: None,
            closing: None,
        }
    }

    /// Lets the connection go on as far as it can; whoever polls next reads if this may not.
    fn advance(&mut self, cx: &mut Context<'_>, may_read: bool) {
        if self.over.is_some() {
            return;
        }
        self.over = match &mut self.serving {
            Serving::Direct(direct) => {
                if self.desk.is_done() {
                    direct.finish();
                }
                match direct.poll(cx, &self.desk, &self.options, may_read) {
                    Next::Wait => {
                        let (mut phase, turn) = self.desk.phase();
                        if phase == ask::Phase::Head && direct.is_writing() {
                            // What it sent ahead is not slow; it is the client that reads slowly.
                            phase = ask::Phase::Idle;
                        }
                        self.clock.check((phase, turn), &self.options, || direct.ended_at(), cx)
                    }
                    Next::Library => {
                        self.call_library();
                        return self.advance(cx, may_read);
                    }
                    Next::Stream(opening) => {
                        self.begin_stream(*opening);
                        return self.advance(cx, may_read);
                    }
                    Next::Over(error) => Some(error),
                }
            }
            Serving::Library(library) => {
                if self.desk.is_done() {
                    library.finish();
                }
                let has_news = library.has_news(cx);
                if !has_news && !self.clock.is_running() {
                    return;
                }
                let polled = if has_news { library.poll(cx, &self.desk) } else { Poll::Pending };
                // A client that has ended its side already is no error to a stream.
                if let Some(opening) = self.desk.opening() {
                    self.begin_stream(*opening);
                    return self.advance(cx, may_read);
                }
                match polled {
                    Poll::Pending => {
                        self.clock.check(self.desk.phase(), &self.options, Instant::now, cx)
                    }
                    Poll::Ready(Ok(())) => Some(TransportError::Closed),
                    Poll::Ready(Err(error)) => Some(TransportError::Broken(error.to_string())),
                }
            }
            Serving::Stream(conversation) => conversation.poll(cx),
            Serving::Nothing => Some(TransportError::Closed),
        };
    }

    /// Leaves this request, and all that follow it, to the HTTP library.
    fn call_library(&mut self) {
        let serving = std::mem::replace(&mut self.serving, Serving::Nothing);
        if let Serving::Direct(direct) = serving {
            self.desk.flushed();
            let (stream, begun) = direct.into_parts();
            let library = Library::new(stream, begun, &self.desk, &self.options, self.max_body);
            self.serving = Serving::Library(Box::new(library));
        }
    }

    /// Gives the connection to a stream, which is no pairs of requests and answers.
    fn begin_stream(&mut self, opening: Opening) {
        let (stream, begun) = match std::mem::replace(&mut self.serving, Serving::Nothing) {
            Serving::Direct(direct) => {
                let (stream, begun) = direct.into_parts();
                (Rewind::new(stream, Bytes::new(), Arc::clone(&self.desk)), begun)
            }
            Serving::Library(library) => library.into_parts(),
            Serving::Stream(_) | Serving::Nothing => return,
        };
        let reader = MessageReader::new(Kind::Requests, self.max_body, &begun);
        let (desk, options) = (Arc::clone(&self.desk), Arc::clone(&self.options));
        let conversation = Conversation::new(stream, reader, desk, options, opening);
        self.serving = Serving::Stream(Box::new(conversation));
    }
}

impl<S: Stream> Socket for HttpSocket<S> {
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
        // What the node has to say first, that it drains, is written before anything is read.
        if !std::mem::replace(&mut self.has_begun, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.advance(cx, true);
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
                (message, Serving::Direct(direct)) => direct.answer(message, &self.desk),
                (message, Serving::Library(library)) => {
                    self.desk.answer(message);
                    library.tell();
                }
                (message, Serving::Stream(conversation)) => conversation.send(message),
                (_, Serving::Nothing) => {}
            }
        }
        self.advance(cx, false);
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
            Serving::Direct(direct) => direct.poll_finish(cx, &self.desk).is_ready(),
            Serving::Library(library) => library.poll_finish(cx).is_ready(),
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
