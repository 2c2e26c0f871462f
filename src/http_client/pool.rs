//! Keep-alive connections to one node.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::transport::TransportError;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::channel::{Cause, Duplex, Security};

/// One connection; it moves only while somebody polls its driver.
pub(super) struct Wire {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) driver: http1::Connection<TokioIo<Box<dyn Duplex>>, Full<Bytes>>,
    opened: Instant,
    /// Whether it has carried a call before: then the peer may have closed it meanwhile.
    pub(super) is_used: bool,
}

/// The idle connections to one node, the one used last first.
#[derive(Clone)]
pub(crate) struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    peer: String,
    security: Security,
    max_idle: usize,
    max_age: Duration,
    // Held for moments, by the tasks of one arbiter.
    idle: Mutex<VecDeque<Wire>>,
}

impl Pool {
    pub(crate) fn new(peer: &str, max_idle: usize, max_age: Duration) -> Self {
        Self::secured(peer, Security::Plain, max_idle, max_age)
    }

    /// A pool of connections that are secured.
    pub(crate) fn secured(
        peer: &str,
        security: Security,
        max_idle: usize,
        max_age: Duration,
    ) -> Self {
        let (peer, idle) = (peer.to_owned(), Mutex::new(VecDeque::new()));
        Self { inner: Arc::new(Inner { peer, security, max_idle, max_age, idle }) }
    }

    /// Opens a connection and keeps it.
    pub(crate) async fn fill(&self) -> Result<(), TransportError> {
        let wire = self.open().await.map_err(|cause| self.failed(cause))?;
        self.inner.idle.lock().push_front(wire);
        Ok(())
    }

    /// An idle connection that shows no sign of having been closed.
    pub(super) fn take(&self) -> Option<Wire> {
        let now = Instant::now();
        loop {
            let mut wire = self.inner.idle.lock().pop_front()?;
            if now.saturating_duration_since(wire.opened) < self.inner.max_age
                && is_sound(&mut wire)
            {
                return Some(wire);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn give_back(&self, mut wire: Wire) {
        let age = wire.opened.elapsed();
        wire.is_used = true;
        if age < self.inner.max_age && is_sound(&mut wire) {
            let mut idle = self.inner.idle.lock();
            idle.push_front(wire);
            // The one that has been idle longest goes; also none at all may be kept.
            idle.truncate(self.inner.max_idle);
        }
    }

    /// A fresh connection.
    pub(super) async fn open(&self) -> Result<Wire, Cause> {
        let stream = self.connect().await.map_err(|error| Cause::of(&error))?;
        let stream = self.inner.security.secure(stream).await;
        let stream = stream.map_err(|error| Cause::of(&error))?;
        let (sender, driver) = http1::Builder::new()
            .title_case_headers(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Cause::of(&error))?;
        Ok(Wire { sender, driver, opened: Instant::now(), is_used: false })
    }

    /// A fresh connection on which nothing is said by the pool.
    pub(crate) async fn dial(&self) -> Result<TcpStream, TransportError> {
        self.connect().await.map_err(|error| self.failed(Cause::of(&error)))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.inner.peer).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn failed(&self, cause: Cause) -> TransportError {
        TransportError::Connect { address: self.inner.peer.clone(), reason: cause.reason }
    }

    pub(super) fn peer(&self) -> &str {
        &self.inner.peer
    }
}

/// Whether a connection that nobody uses is open and silent, as it should be.
fn is_sound(wire: &mut Wire) -> bool {
    // A driver that is polled notices what the peer did in the meantime.
    let ended = wire.driver.poll_unpin(&mut Context::from_waker(Waker::noop())).is_ready();
    !ended && wire.sender.is_ready()
}

/// Bytes and lines of an answer's head; Go Micro echoes the request's headers in it.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 256;
