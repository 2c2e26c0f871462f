//! A stream with a node of Go Micro, on a connection of its own.
//!
//! Each item is a request, each item of the node a response, and neither waits for the other. There
//! is no credit on this wire: an item that the engine has no room for stays unread, and the engine
//! may send as fast as the node reads. Nor does a node say that it has taken a stream: it has when
//! the opening message is on its way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use callboard_actors::message::{Message, RequestId};
use callboard_actors::registry::BoxFuture;
use callboard_actors::stream::StreamWindow;
use callboard_actors::transport::TransportError;
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::address::{Address, Generation};
use super::reply::{END_OF_STREAM, into_stream_message};
use super::request::{Call, Format};
use crate::http_client::{Answer, Pool};
use crate::transport::http_message::{HttpMessage, Kind, MessageReader, encode};
use crate::transport::tcp::keep_alive;

/// What the engine says to a stream, on the way there.
#[derive(Default)]
pub(super) struct Line {
    messages: Mutex<VecDeque<Message>>,
    waker: AtomicWaker,
}

impl Line {
    /// The engine keeps to the credit that it was given, so that what waits here is bounded.
    pub(super) fn say(&self, message: Message) {
        self.messages.lock().push_back(message);
        self.waker.wake();
    }

    fn hear(&self, cx: &Context<'_>) -> VecDeque<Message> {
        self.waker.register(cx.waker());
        std::mem::take(&mut *self.messages.lock())
    }
}

/// The client's side of a stream; yields what the node says, and ends behind the last of it.
pub(super) struct Conversation {
    id: RequestId,
    line: Arc<Line>,
    address: Arc<Address>,
    call: Call,
    format: Format,
    headers: HeaderMap,
    wire: Wire,
    reader: MessageReader,
    /// Of the message sent last, in the envelopes of 2016.
    number: u64,
    output: BytesMut,
    /// Bytes of the output are those of the opening message, which the node may not have seen.
    is_opening: bool,
    /// Items, and bytes of them, that have been put into the output since the engine was last
    /// given credit.
    owed: (u32, u32),
    /// What the engine has room for; bytes may go below zero by one item.
    room: (i64, i64),
    /// An item that it has no room for yet.
    waiting: Option<Bytes>,
    has_closed: Closed,
}

enum Wire {
    Dialling(BoxFuture<'static, Result<TcpStream, TransportError>>),
    Open(TcpStream),
    Over,
}

/// How far the end of this side has got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closed {
    No,
    /// Those of 2016 are told by the end of this direction, once all has been written.
    Asked,
    Told,
}

impl Conversation {
    /// Begins one; none when a header cannot carry what it should.
    pub(super) fn new(
        call: Call,
        format: Format,
        address: Arc<Address>,
        pool: Pool,
        max_body: usize,
    ) -> Option<(Self, Arc<Line>)> {
        let mut headers = call.headers(&address)?;
        if address.generation == Generation::Current {
            headers.insert("micro-stream", call.id.0.into());
        }
        let line = Arc::<Line>::default();
        let mut conversation = Self {
            id: call.id,
            line: Arc::clone(&line),
            call,
            format,
            address,
            headers,
            wire: Wire::Dialling(Box::pin(async move { pool.dial().await })),
            reader: MessageReader::new(Kind::Responses, max_body, b""),
            number: 0,
            output: BytesMut::new(),
            is_opening: true,
            owed: (0, 0),
            room: (0, 0),
            waiting: None,
            has_closed: Closed::No,
        };
        let opening = conversation.call.body.clone();
        conversation.put(&opening);
        Some((conversation, line))
    }

    /// Does what the engine says; false when nobody is interested any more.
    fn obey(&mut self, cx: &Context<'_>) -> bool {
        for message in self.line.hear(cx) {
            match message {
                Message::StreamData { body, .. } => {
                    self.owed.0 += 1;
                    self.owed.1 = self.owed.1.saturating_add(size(&body));
                    self.number += 1;
                    self.put(&body);
                }
                Message::StreamCredit { items, bytes, .. } => {
                    self.room.0 = self.room.0.saturating_add(items.into());
                    self.room.1 = self.room.1.saturating_add(bytes.into());
                }
                Message::StreamEnd { .. } => self.put_end(),
                _ => return false,
            }
        }
        true
    }

    fn put(&mut self, body: &Bytes) {
        let body = self.call.envelope(self.address.generation, self.format, self.number, body);
        encode(&mut self.output, START, self.headers.iter(), &body);
    }

    fn put_end(&mut self) {
        self.has_closed = Closed::Asked;
        if self.address.generation == Generation::Current {
            let mut headers = self.headers.clone();
            headers.insert("micro-error", HeaderValue::from_static(END_OF_STREAM));
            encode(&mut self.output, START, headers.iter(), b"");
            self.has_closed = Closed::Told;
        }
    }

    /// Writes what there is; credit for the engine, if that makes room.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, String> {
        let Wire::Open(stream) = &mut self.wire else { return Ok(None) };
        while !self.output.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, &self.output) {
                Poll::Pending => return Ok(None),
                Poll::Ready(Ok(0)) => return Err("the node takes nothing more".into()),
                Poll::Ready(Ok(count)) => self.output.advance(count),
                Poll::Ready(Err(error)) => return Err(error.to_string()),
            }
        }
        if self.has_closed == Closed::Asked {
            // The other direction stays open.
            let _ = Pin::new(stream).poll_shutdown(cx);
            self.has_closed = Closed::Told;
        }
        let id = self.id;
        let credit = |(items, bytes)| Message::StreamCredit { id, items, bytes };
        if std::mem::take(&mut self.is_opening) {
            let StreamWindow { items, bytes } = StreamWindow::default();
            return Ok(Some(credit((items, bytes))));
        }
        Ok((self.owed.0 > 0).then(|| credit(std::mem::take(&mut self.owed))))
    }

    /// The next thing that the node says.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, String>> {
        if let Some(body) = self.waiting.take() {
            return self.offer(body).map(Ok);
        }
        let Wire::Open(stream) = &mut self.wire else { return Poll::Pending };
        match self.reader.poll(stream, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(HttpMessage { status, headers, body }))) => {
                let status = status.unwrap_or(StatusCode::OK);
                let answer = Answer { status, headers, body };
                match into_stream_message(answer, self.id, &self.address, self.format) {
                    Message::StreamData { body, .. } => self.offer(body).map(Ok),
                    end => Poll::Ready(Ok(end)),
                }
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Err("the node closed the connection".into())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
        }
    }

    /// Hands an item on if there is room, else keeps it: more credit wakes this stream.
    fn offer(&mut self, body: Bytes) -> Poll<Message> {
        if self.room.0 <= 0 || self.room.1 <= 0 {
            self.waiting = Some(body);
            return Poll::Pending;
        }
        self.room.0 -= 1;
        self.room.1 -= i64::from(size(&body));
        Poll::Ready(Message::StreamData { id: self.id, body })
    }

    fn lost(&mut self, was_sent: bool, reason: String) -> Message {
        self.wire = Wire::Over;
        Message::Lost { id: self.id, was_sent, reason }
    }
}

impl Stream for Conversation {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        if let Wire::Dialling(dialling) = &mut this.wire {
            match dialling.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(stream)) => {
                    // This wire has no pulse, and a node may be silent for long.
                    keep_alive(&stream);
                    this.wire = Wire::Open(stream);
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(this.lost(false, error.to_string())));
                }
            }
        }
        if matches!(this.wire, Wire::Over) || !this.obey(cx) {
            return Poll::Ready(None);
        }
        match this.poll_flush(cx) {
            Ok(Some(credit)) => return Poll::Ready(Some(credit)),
            Ok(None) => {}
            // What the node said before it closed says more than that it did.
            Err(reason) => match this.poll_message(cx) {
                Poll::Ready(Ok(message)) => return Poll::Ready(Some(this.told(message))),
                _ => return Poll::Ready(Some(this.lost(true, reason))),
            },
        }
        match this.poll_message(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(message)) => Poll::Ready(Some(this.told(message))),
            Poll::Ready(Err(reason)) => Poll::Ready(Some(this.lost(true, reason))),
        }
    }
}

impl Conversation {
    /// Notes whether a message is the last one.
    fn told(&mut self, message: Message) -> Message {
        if !matches!(message, Message::StreamData { .. }) {
            self.wire = Wire::Over;
        }
        message
    }
}

impl Drop for Conversation {
    /// A node that reads on must not take this for an end in order.
    fn drop(&mut self) {
        if let Wire::Open(stream) = &self.wire {
            // On a connection that is over it is moot.
            let _ = stream.set_zero_linger();
        }
    }
}

fn size(body: &Bytes) -> u32 {
    u32::try_from(body.len()).unwrap_or(u32::MAX)
}

const START: &str = "POST / HTTP/1.1";
