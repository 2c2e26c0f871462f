//! The HTTP library's part of the door: whatever is not a whole, ordinary request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use super::ask::Desk;
use super::options::HttpOptions;
use super::rewind::Rewind;
use super::service::Door;
use super::wake_flag::WakeFlag;
use crate::transport::socket::Stream;

/// A connection on which the HTTP library reads and writes.
pub(super) struct Library<S: Stream> {
    connection: http1::Connection<TokioIo<Rewind<S>>, Door>,
    /// Whether it is to be polled.
    news: WakeFlag,
}

impl<S: Stream> Library<S> {
    /// Goes on with a stream of which `begun` has been read and not been answered.
    pub(super) fn new(
        stream: S,
        begun: Bytes,
        desk: &Arc<Desk>,
        options: &Arc<HttpOptions>,
        max_body: usize,
    ) -> Self {
        let door = Door { desk: Arc::clone(desk), options: Arc::clone(options), max_body };
        let connection = http1::Builder::new()
            // What a client may take for its head is limited by the door's clock.
            .header_read_timeout(None)
            .max_headers(options.headers)
            .max_buf_size(options.head_bytes)
            // Each answer is written before the next request is read: hyper drops what it has not
            // written when what follows is no request.
            .pipeline_flush(false)
            .serve_connection(TokioIo::new(Rewind::new(stream, begun, Arc::clone(desk))), door);
        Self { connection, news: WakeFlag::new() }
    }

    /// Has it polled next time: there is an answer to be taken.
    pub(super) fn tell(&self) {
        self.news.set();
    }

    /// Whether a poll is worth its price; if not, the present task is woken when it is.
    pub(super) fn has_news(&self, cx: &mut Context<'_>) -> bool {
        self.news.is_set(cx)
    }

    /// Goes on as far as possible; ready when the connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, desk: &Desk) -> Poll<hyper::Result<()>> {
        let mut connection = Pin::new(&mut self.connection);
        // Who takes a body wakes the library, which has nothing more to give. What is to be said
        // then is the answer.
        self.news.poll(cx, |cx| connection.as_mut().poll(cx), || desk.is_asked())
    }

    /// Has the connection end behind the answer that is being given, if any.
    pub(super) fn finish(&mut self) {
        Pin::new(&mut self.connection).graceful_shutdown();
        self.news.set();
    }

    /// Ready when what is being written has been, and the connection is over.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.finish();
        let mut connection = Pin::new(&mut self.connection);
        self.news.poll(cx, |cx| connection.as_mut().poll(cx), || false).map(drop)
    }

    /// The stream, and what has been read of it for nobody.
    pub(super) fn into_parts(self) -> (Rewind<S>, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}
