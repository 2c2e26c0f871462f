//! A connection over any stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use callboard_actors::message::Message;
use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Batch, Encoder, Hello, Incoming, Socket, TransportError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::greeting;
use super::http::HttpOptions;
use super::receive::Receiver;
use crate::wire::FrameEncoder;

/// A stream that can move between the runtimes of two arbiters.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    /// The stream while it belongs to no runtime.
    type Detached: Send + 'static;

    /// Registers with the present runtime.
    fn attach(detached: Self::Detached) -> io::Result<Self>;

    /// Has the system find out that the peer is gone although nothing is said; for protocols that
    /// have no pulse of their own.
    fn keep_alive(&self) {}

    /// Ready when a read may find something, so that an idle connection needs no buffer.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// An accepted stream, between two runtimes.
pub(super) struct Accepted<S: Stream> {
    stream: S::Detached,
    peer: String,
    http: Arc<HttpOptions>,
}

impl<S: Stream> Accepted<S> {
    pub(super) fn new(stream: S::Detached, peer: String, http: &Arc<HttpOptions>) -> Self {
        Self { stream, peer, http: Arc::clone(http) }
    }
}

impl<S: Stream> Incoming for Accepted<S> {
    fn peer(&self) -> String {
        self.peer.clone()
    }

    fn greet(
        self: Box<Self>,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        Box::pin(async move {
            let stream = S::attach(self.stream).map_err(|error| broken(&error))?;
            greeting::accept(stream, &hello, self.http).await
        })
    }
}

/// An open connection.
pub(super) struct StreamSocket<S> {
    stream: S,
    peer: Arc<Hello>,
    receiver: Receiver,
    written: u64,
    /// Bytes of the present batch that have been written.
    batch_written: usize,
    closing: Closing,
}

/// How far [`Socket::poll_close`] has come.
enum Closing {
    Open,
    /// The peer has been told and is expected to close its side.
    Lingering(Pin<Box<Sleep>>),
    Closed,
}

impl<S: Stream> StreamSocket<S> {
    pub(super) fn new(stream: S, max_frame: u32, peer: Hello) -> Self {
        Self {
            stream,
            peer: Arc::new(peer),
            receiver: Receiver::new(max_frame),
            written: 0,
            batch_written: 0,
            closing: Closing::Open,
        }
    }
}

impl<S: Stream> Socket for StreamSocket<S> {
    fn peer(&self) -> &Arc<Hello> {
        &self.peer
    }

    fn encoder(&mut self) -> Box<dyn Encoder> {
        Box::new(FrameEncoder::new(self.peer.max_frame))
    }

    /// Stops after a portion of messages or 64 KiB of them, and the rest of the last one, so that one
    /// connection cannot occupy its arbiter: the waker is sure to be registered only when this returns
    /// `Pending`.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        self.receiver.poll(&mut self.stream, cx, messages)
    }

    fn portion(&mut self, messages: usize) {
        self.receiver.portion(messages);
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), TransportError>> {
        while !batch.bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &batch.bytes));
            let written = written.and_then(|count| match count {
                0 => Err(io::ErrorKind::WriteZero.into()),
                count => Ok(count),
            });
            let written = match written {
                Ok(written) => written,
                Err(error) => return Poll::Ready(Err(broken(&error))),
            };
            self.written += written as u64;
            self.batch_written += written;
            if written == batch.bytes.len() {
                batch.bytes.clear();
            } else {
                batch.bytes.advance(written);
            }
        }
        // A buffer for the largest bodies is not kept for small ones.
        if self.batch_written > KEPT_BATCH {
            batch.bytes = bytes::BytesMut::new();
        }
        self.batch_written = 0;
        Poll::Ready(Ok(()))
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn rest(&mut self) {
        self.receiver.rest();
    }

    /// Waits, at most a second, until the peer closes too: closing a TCP socket on which something
    /// arrives afterwards would reset the connection, and the peer would see it broken.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.closing {
                Closing::Open => {
                    let told = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
                    self.closing = match told {
                        Ok(()) => Closing::Lingering(Box::pin(tokio::time::sleep(LINGER))),
                        Err(_) => Closing::Closed,
                    };
                }
                Closing::Lingering(limit) => {
                    let over = self.receiver.poll_discard(&mut self.stream, cx).is_ready();
                    if !over && limit.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.closing = Closing::Closed;
                }
                Closing::Closed => return Poll::Ready(()),
            }
        }
    }
}

pub(super) fn broken(error: &io::Error) -> TransportError {
    TransportError::Broken(error.to_string())
}

/// The listener lives on; the acceptor decides when to try again.
pub(super) fn accept_error(error: &io::Error) -> TransportError {
    TransportError::Broken(format!("cannot accept a connection: {error}"))
}

/// How long a close waits for the peer's.
const LINGER: Duration = Duration::from_secs(1);

/// Largest batch whose buffer is used again, until the connection rests.
const KEPT_BATCH: usize = 4 * 1024 * 1024;
