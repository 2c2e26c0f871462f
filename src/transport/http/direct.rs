//! Requests that are whole and ordinary, read and answered without the HTTP library.
//!
//! A library that can do everything costs a request of a hundred bytes ten thousand instructions.
//! So a connection begins here, one request after the other, each answered before the next is
//! looked at. The first that is not ordinary, or not there in one piece, is the library's, and so is
//! all that follows it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use callboard_actors::message::{Message, RequestId};
use callboard_actors::transport::TransportError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::answer::Answer;
use super::ask::{Desk, Opening};
use super::date::Date;
use super::dialect::{Dialect, Trouble};
use super::host::Host;
use super::options::HttpOptions;
use super::request::{Request, Wanted};
use super::whole::{Front, Room, Whole};

/// A connection on which each request so far was an ordinary one.
pub(super) struct Direct<S> {
    stream: S,
    max_body: usize,
    /// What has been read of requests that have not been taken.
    input: BytesMut,
    asked: Option<Asked>,
    /// What is being written; a short body stands behind its head.
    head: BytesMut,
    body: Bytes,
    /// Whether the connection ends behind that.
    is_last: bool,
    /// Whether the task is woken when there is something to be read.
    is_listening: bool,
    date: Date,
    /// When the last answer was given, for who asks first.
    ended_at: Option<Instant>,
}

/// The request that the engine has.
struct Asked {
    id: RequestId,
    dialect: Dialect,
    /// Whether the client wants no further answer.
    is_last: bool,
}

/// A request that has been read.
struct Taken {
    /// Or the answer to it.
    request: Result<Request, Box<Answer>>,
    head_length: usize,
    length: usize,
    is_last: bool,
}

/// How a connection goes on.
pub(super) enum Next {
    /// As before, when something happens.
    Wait,
    /// With the HTTP library.
    Library,
    /// As a stream.
    Stream(Box<Opening>),
    /// Not at all.
    Over(TransportError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Direct<S> {
    /// Takes requests of up to `max_body` bytes from a stream of which `begun` has been read.
    pub(super) fn new(stream: S, begun: &[u8], max_body: usize) -> Self {
        Self {
            stream,
            max_body,
            input: BytesMut::from(begun),
            asked: None,
            head: BytesMut::new(),
            body: Bytes::new(),
            is_last: false,
            is_listening: false,
            date: Date::default(),
            ended_at: None,
        }
    }

    /// Goes on as far as possible; reads if it `may`, else has the task woken where it must.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        desk: &Desk,
        options: &HttpOptions,
        may_read: bool,
    ) -> Next {
        loop {
            match self.poll_flush(cx) {
                Poll::Pending => return Next::Wait,
                Poll::Ready(Err(error)) => return broken(&error),
                Poll::Ready(Ok(())) => {}
            }
            if self.is_last {
                return match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Pending => Next::Wait,
                    Poll::Ready(Ok(())) => Next::Over(TransportError::Closed),
                    Poll::Ready(Err(error)) => broken(&error),
                };
            }
            if self.asked.is_some() {
                return if may_read { self.watch(cx, desk) } else { Next::Wait };
            }
            match self.poll_take(cx, desk.host(), options, may_read) {
                Ok((taken, body)) => match self.ask(taken, body, desk) {
                    Some(opening) => return Next::Stream(opening),
                    // Whoever takes it polls again.
                    None if self.asked.is_some() => return Next::Wait,
                    None => {}
                },
                Err(next) => return next,
            }
        }
    }

    /// The engine's answer, unless nobody waits for it any more.
    pub(super) fn answer(&mut self, message: Message, desk: &Desk) {
        let (Message::Reply { id, .. } | Message::Status { id, .. }) = &message else { return };
        if let Some(asked) = self.asked.take_if(|asked| asked.id == *id) {
            let answer = asked.dialect.answer(message, desk.host());
            self.put(answer, asked.is_last, desk);
        }
    }

    /// When the last answer was given, if that has not been asked; else the present moment.
    pub(super) fn ended_at(&mut self) -> Instant {
        self.ended_at.take().unwrap_or_else(Instant::now)
    }

    /// Has the connection end behind what is being written, unless more has been asked already: the
    /// answer to that says that it is the last one.
    pub(super) fn finish(&mut self) {
        self.is_last |= self.input.is_empty();
    }

    /// Whether an answer is being written.
    pub(super) fn is_writing(&self) -> bool {
        !(self.head.is_empty() && self.body.is_empty())
    }

    /// Ready when what is being written has been, and the connection is over.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>, desk: &Desk) -> Poll<()> {
        if ready!(self.poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        if self.asked.is_some() {
            return match self.watch(cx, desk) {
                Next::Over(_) => Poll::Ready(()),
                _ => Poll::Pending,
            };
        }
        Pin::new(&mut self.stream).poll_shutdown(cx).map(drop)
    }

    /// The stream, and what has been read of it for nobody.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.input.freeze())
    }

    // ===== From the client =====

    /// Takes the next request, or says what is to be done instead.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        host: Host<'_>,
        options: &HttpOptions,
        may_read: bool,
    ) -> Result<(Taken, Bytes), Next> {
        loop {
            if !self.input.is_empty() {
                let mut room = Room::new();
                match Front::of(&self.input, &mut room, options, self.max_body) {
                    Front::Whole(whole) => {
                        let taken = Taken::of(&whole, host);
                        let mut bytes = self.input.split_to(taken.length);
                        if self.input.is_empty() {
                            // An idle connection need not keep what its last request came in.
                            self.input = BytesMut::new();
                        }
                        bytes.advance(taken.head_length);
                        return Ok((taken, bytes.freeze()));
                    }
                    Front::Part => {}
                    Front::Other => return Err(Next::Library),
                }
            }
            if !may_read {
                if !self.is_listening {
                    cx.waker().wake_by_ref();
                }
                return Err(Next::Wait);
            }
            // On the stack, so that a connection needs no memory for what comes in one piece.
            let mut bytes = [const { MaybeUninit::uninit() }; ROOM];
            let mut read = ReadBuf::uninit(&mut bytes);
            match self.poll_read(cx, &mut read) {
                Poll::Pending if self.input.is_empty() => return Err(Next::Wait),
                Poll::Pending => return Err(Next::Library),
                Poll::Ready(Err(error)) => return Err(broken(&error)),
                Poll::Ready(Ok(())) => {}
            }
            let bytes = read.filled();
            if bytes.is_empty() {
                let is_between = self.input.is_empty();
                let closed = Next::Over(TransportError::Closed);
                return Err(if is_between { closed } else { Next::Library });
            }
            let mut room = Room::new();
            if self.input.is_empty()
                && let Front::Whole(whole) = Front::of(bytes, &mut room, options, self.max_body)
            {
                let body = Bytes::copy_from_slice(&bytes[whole.head_length..whole.length]);
                self.input.extend_from_slice(&bytes[whole.length..]);
                return Ok((Taken::of(&whole, host), body));
            }
            self.input.extend_from_slice(bytes);
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, read);
        self.is_listening = polled.is_pending();
        polled
    }

    /// Hands a request to the engine, or answers it; the stream if it opens one.
    fn ask(&mut self, taken: Taken, body: Bytes, desk: &Desk) -> Option<Box<Opening>> {
        let Taken { request, is_last, .. } = taken;
        desk.begin();
        let wanted =
            request.and_then(|request| request.with(Ok(body), |endpoint| desk.is_stream(endpoint)));
        match wanted {
            Ok(Wanted::Stream(opening)) => return Some(Box::new(opening)),
            Ok(Wanted::Call(dialect, asked)) => match desk.send(asked, false) {
                Some(id) => self.asked = Some(Asked { id, dialect, is_last }),
                None => self.put(dialect.refuse(&Trouble::Routes), is_last, desk),
            },
            Err(answer) => self.put(*answer, is_last, desk),
        }
        None
    }

    /// Looks whether the client is still there while the engine has its request.
    fn watch(&mut self, cx: &mut Context<'_>, desk: &Desk) -> Next {
        // What has been read already is enough of what follows.
        if !self.input.is_empty() {
            return Next::Wait;
        }
        let mut room = [const { MaybeUninit::uninit() }; ROOM];
        let mut read = ReadBuf::uninit(&mut room);
        match self.poll_read(cx, &mut read) {
            Poll::Pending => Next::Wait,
            Poll::Ready(Err(error)) => broken(&error),
            // The engine cancels what a connection that is over asked for.
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                let reason = "connection closed before message completed".to_owned();
                Next::Over(TransportError::Broken(reason))
            }
            Poll::Ready(Ok(())) => {
                desk.heard();
                self.input.extend_from_slice(read.filled());
                Next::Wait
            }
        }
    }

    // ===== To the client =====

    fn put(&mut self, mut answer: Answer, is_last: bool, desk: &Desk) {
        // Both, whatever the other says.
        if desk.end() | is_last {
            answer.close();
        }
        self.is_last |= answer.is_last();
        let now = Instant::now();
        self.ended_at = Some(now);
        (self.head, self.body) = answer.into_bytes(self.date.at(now));
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_writing() {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(if self.body.is_empty() {
                stream.poll_write(cx, &self.head)
            } else {
                let parts = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
                stream.poll_write_vectored(cx, &parts)
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.body.advance(written - of_head);
            if !self.is_writing() {
                // An idle connection needs no memory for its next answer.
                (self.head, self.body) = (BytesMut::new(), Bytes::new());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Taken {
    fn of(whole: &Whole<'_>, host: Host<'_>) -> Self {
        let Whole { head, head_length, length, is_last } = whole;
        let request = Request::of(head, host);
        Self { request, head_length: *head_length, length: *length, is_last: *is_last }
    }
}

fn broken(error: &io::Error) -> Next {
    Next::Over(TransportError::Broken(error.to_string()))
}

/// Bytes that are read at once.
const ROOM: usize = 8 * 1024;
