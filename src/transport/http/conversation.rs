//! A stream of Go Micro, which has the connection to itself.
//!
//! Each message of the client is a request, each item of the handler a response, and neither waits
//! for the other: the pairs of HTTP do not exist here. What the engine knows as credit is, on this
//! side, the reading of the connection: what the handler has no room for is left unread, and the
//! handler may send as fast as the client reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use callboard_actors::message::{Message, RequestId};
use callboard_actors::stream::StreamWindow;
use callboard_actors::transport::TransportError;
use hyper::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::answer::Answer;
use super::ask::{Asked, Desk, Opening};
use super::go_micro::{GoMicro, Id, Next};
use super::head::Fields;
use super::options::HttpOptions;
use crate::codec::Generation;
use crate::transport::http_message::{HttpMessage, MessageReader, encode};

/// The node's side of a stream.
pub(super) struct Conversation<S> {
    stream: S,
    desk: Arc<Desk>,
    options: Arc<HttpOptions>,
    reader: MessageReader,
    /// Answers the message taken last, as Go Micro does.
    talk: GoMicro,
    opening_id: Id,
    /// Repeated with each answer.
    echo: Vec<(HeaderName, HeaderValue)>,
    takes_items: bool,
    phase: Phase,
    client: Client,
    /// An item for which the handler has no room yet.
    waiting: Option<Bytes>,
    has_told_end: bool,
    /// What the handler has room for.
    room: Credit,
    output: BytesMut,
    /// What has been put into the output since the handler was last given credit.
    owed: Credit,
    /// When a message that is arriving must be there.
    message_due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Phase {
    /// By Go Micro's convention the first message says nothing, and the second one opens the
    /// stream; for those to which nothing else is sent.
    Announced {
        asked: Box<Asked>,
        due: Instant,
    },
    Open(RequestId),
    /// The last answer has been given.
    Ended {
        due: Instant,
    },
}

/// What is to be expected of the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Sends,
    /// It has said that no more items come.
    Ended,
    /// It has closed its side of the connection.
    Gone {
        due: Instant,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Credit {
    items: i64,
    /// May go below zero by one item.
    bytes: i64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Goes on with a connection; the reader has what was read behind the opening message.
    pub(super) fn new(
        stream: S,
        reader: MessageReader,
        desk: Arc<Desk>,
        options: Arc<HttpOptions>,
        opening: Opening,
    ) -> Self {
        let Opening { talk, mut asked, headers, takes_items } = opening;
        let mut echo = Vec::new();
        match talk.generation() {
            // Its clients send the time of a call with each stream, and use streams for longer.
            Generation::Early => asked.time_left = None,
            Generation::Current => {
                let known = ECHOED.iter().filter_map(|name| {
                    let value = headers.get(*name)?;
                    Some((HeaderName::from_static(name), value.clone()))
                });
                echo.extend(known);
            }
        }
        let due = Instant::now() + options.opening_time;
        let mut conversation = Self {
            stream,
            desk,
            options,
            reader,
            opening_id: talk.id().clone(),
            talk,
            echo,
            takes_items,
            phase: Phase::Announced { asked: Box::new(asked), due },
            client: Client::Sends,
            waiting: None,
            has_told_end: false,
            room: Credit::default(),
            output: BytesMut::new(),
            owed: Credit::default(),
            message_due: None,
            timer: None,
        };
        if takes_items {
            conversation.open(None);
        }
        conversation
    }

    /// Goes on as far as possible; why the connection is over, if it is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<TransportError> {
        self.deliver();
        while self.may_read() {
            match self.reader.poll(&mut self.stream, cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(Some(message))) => self.take(message),
                Poll::Ready(Ok(None)) => self.closed(),
                Poll::Ready(Err(error)) => return Some(TransportError::Broken(error.to_string())),
            }
            self.deliver();
        }
        if let Err(error) = self.poll_flush(cx) {
            return Some(error);
        }
        let has_ended = matches!(self.phase, Phase::Ended { .. }) && self.output.is_empty();
        if has_ended && matches!(self.client, Client::Gone { .. }) {
            return Some(TransportError::Closed);
        }
        self.poll_time(cx)
    }

    /// What the engine says to the client.
    pub(super) fn send(&mut self, message: Message) {
        // What the engine says of a stream that it was told to cancel comes too late.
        if !matches!(self.phase, Phase::Open(_)) {
            return;
        }
        match message {
            Message::StreamData { body, .. } => {
                self.owed.items += 1;
                self.owed.bytes += size(&body);
                let answer = self.talk.reply(&body);
                self.put(answer);
            }
            Message::StreamCredit { items, bytes, .. } => {
                self.room.items = self.room.items.saturating_add(items.into());
                self.room.bytes = self.room.bytes.saturating_add(bytes.into());
            }
            answer @ (Message::Reply { .. } | Message::Status { .. }) => self.end(answer),
            _ => {}
        }
    }

    /// Writes what is left; resolves when that is done or cannot be.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_flush(cx) {
            Ok(()) if !self.output.is_empty() => Poll::Pending,
            Ok(()) => Pin::new(&mut self.stream).poll_shutdown(cx).map(drop),
            Err(_) => Poll::Ready(()),
        }
    }

    // ===== From the client =====

    /// What the handler has no room for stays unread, and so does the rest.
    fn may_read(&self) -> bool {
        self.waiting.is_none() && !matches!(self.client, Client::Gone { .. })
    }

    fn take(&mut self, message: HttpMessage) {
        self.message_due = None;
        // What was under way when the stream ended is of no use to anybody.
        if matches!(self.phase, Phase::Ended { .. }) || self.client != Client::Sends {
            return;
        }
        match self.talk.next(Fields::Map(&message.headers), message.body) {
            Ok(Next::End) => self.client = Client::Ended,
            Ok(Next::Item(item)) if matches!(self.phase, Phase::Announced { .. }) => {
                self.open(Some(item));
            }
            Ok(Next::Item(item)) if self.takes_items => self.waiting = Some(item),
            Ok(Next::Item(_)) => {}
            Err(text) => self.fault(&text),
        }
    }

    /// The client has closed its side, which those of 2016 do to say that nothing follows.
    fn closed(&mut self) {
        self.client = Client::Gone { due: Instant::now() + self.options.ending_time };
        if matches!(self.phase, Phase::Announced { .. }) {
            self.phase = Phase::Ended { due: Instant::now() };
        }
    }

    /// Has the engine open the stream.
    fn open(&mut self, message: Option<Bytes>) {
        let due = Instant::now() + self.options.closing_time;
        let Phase::Announced { mut asked, .. } =
            std::mem::replace(&mut self.phase, Phase::Ended { due })
        else {
            return;
        };
        if let Some(message) = message {
            asked.body = message;
        }
        // A connection is one stream, so that its first endpoint is its last.
        if let Some(id) = self.desk.send(*asked, true) {
            let StreamWindow { items, bytes } = StreamWindow::default();
            self.desk.arrive(Message::StreamCredit { id, items, bytes });
            self.phase = Phase::Open(id);
        }
    }

    /// Hands on what there is room for, and then the end.
    fn deliver(&mut self) {
        let Phase::Open(id) = self.phase else {
            self.waiting = None;
            return;
        };
        if self.room.items > 0
            && self.room.bytes > 0
            && let Some(body) = self.waiting.take()
        {
            self.room.items -= 1;
            self.room.bytes -= size(&body);
            self.desk.arrive(Message::StreamData { id, body });
        }
        if self.client != Client::Sends && self.waiting.is_none() && !self.has_told_end {
            self.has_told_end = true;
            self.desk.arrive(Message::StreamEnd { id });
        }
    }

    /// The client has sent what cannot be understood.
    fn fault(&mut self, text: &str) {
        if let Phase::Open(id) = self.phase {
            self.desk.arrive(Message::Cancel { id });
        }
        let answer = self.talk.error(text);
        self.put(answer);
        self.phase = Phase::Ended { due: Instant::now() + self.options.closing_time };
    }

    // ===== To the client =====

    /// The last answer belongs to the message that opened the stream.
    fn end(&mut self, answer: Message) {
        self.talk.set_id(self.opening_id.clone());
        let answer = match answer {
            Message::Reply { .. } => self.talk.end(),
            status => self.talk.answer(status, self.desk.host()),
        };
        self.put(answer);
        self.phase = Phase::Ended { due: Instant::now() + self.options.closing_time };
    }

    fn put(&mut self, mut answer: Answer) {
        for (name, value) in &self.echo {
            answer.set(name.clone(), value.clone());
        }
        encode(&mut self.output, "HTTP/1.1 200 OK", answer.fields(), answer.body());
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(TransportError::Closed),
                Poll::Ready(Ok(count)) => self.output.advance(count),
                Poll::Ready(Err(error)) => return Err(TransportError::Broken(error.to_string())),
            }
        }
        if let (Phase::Open(id), Credit { items: 1.., .. }) = (&self.phase, self.owed) {
            let owed = std::mem::take(&mut self.owed);
            let [items, bytes] =
                [owed.items, owed.bytes].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            self.desk.arrive(Message::StreamCredit { id: *id, items, bytes });
        }
        Ok(())
    }

    // ===== Time =====

    /// Why the connection is over, if it has taken too long; else has the task woken when it may be.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Option<TransportError> {
        // While it waits for room, it is not the client that is slow.
        let is_arriving = self.may_read() && self.reader.has_begun();
        let limit = self.options.message_time;
        let since = || Instant::now() + limit;
        self.message_due = is_arriving.then(|| self.message_due.unwrap_or_else(since));
        let phase_due = match (&self.phase, &self.client) {
            (Phase::Announced { due, .. } | Phase::Ended { due }, _)
            | (Phase::Open(_), Client::Gone { due }) => Some(*due),
            (Phase::Open(_), _) => None,
        };
        let message_due = self.message_due;
        let due = phase_due.into_iter().chain(message_due).min()?;
        match &mut self.timer {
            Some(timer) if timer.deadline() == due => {}
            Some(timer) => timer.as_mut().reset(due),
            None => self.timer = Some(Box::pin(sleep_until(due))),
        }
        let is_over = self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        is_over.then(|| match message_due {
            Some(message_due) if message_due == due => {
                TransportError::Broken(format!("no whole message of a stream within {limit:?}"))
            }
            _ => TransportError::Closed,
        })
    }
}

fn size(body: &Bytes) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}

/// Headers that all messages of a stream share.
const ECHOED: &[&str] =
    &["micro-endpoint", "micro-id", "micro-method", "micro-service", "micro-stream"];
