//! Connections within the process that carry bytes, as those over TCP do.
//!
//! What reads them is all that a connection over TCP goes through, from the first byte on; the time
//! is the runtime's, which can be paused. For the fuzz targets, which send what no client would.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Incoming, Listener, Socket, Transport, TransportError};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

use super::greeting;
use super::socket::{Accepted, Stream};

/// Pipes between those who listen and those who connect; clones are the same pipes.
///
/// An address is any name.
#[derive(Debug, Clone, Default)]
pub(crate) struct PipeTransport {
    listeners: Arc<Mutex<HashMap<String, mpsc::Sender<Pipe>>>>,
}

impl PipeTransport {
    /// Opens a connection on which anything may be sent.
    pub(crate) async fn open(&self, address: &str) -> Result<DuplexStream, TransportError> {
        let listener = self.listeners.lock().get(address).cloned();
        let (near, far) = duplex(PIPE_SIZE);
        let sent = match listener {
            Some(listener) => listener.send(Pipe(far)).await.is_ok(),
            None => false,
        };
        if !sent {
            let reason = "nobody listens".to_owned();
            return Err(TransportError::Connect { address: address.to_owned(), reason });
        }
        Ok(near)
    }
}

impl Transport for PipeTransport {
    fn name(&self) -> &'static str {
        "pipe"
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        let (pipes, address) = (self.clone(), address.to_owned());
        Box::pin(async move { greeting::connect(Pipe(pipes.open(&address).await?), &hello).await })
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        let (sender, incoming) = mpsc::channel(BACKLOG);
        self.listeners.lock().insert(address.to_owned(), sender);
        let address = address.to_owned();
        Box::pin(async move { Ok(Box::new(Listening { address, incoming }) as Box<dyn Listener>) })
    }
}

struct Listening {
    address: String,
    incoming: mpsc::Receiver<Pipe>,
}

impl Listener for Listening {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Incoming>, TransportError>> {
        Poll::Ready(match ready!(self.incoming.poll_recv(cx)) {
            Some(pipe) => {
                Ok(Box::new(Accepted::<Pipe>::new(pipe, "pipe".to_owned(), &Arc::default())))
            }
            None => Err(TransportError::Closed),
        })
    }
}

/// One end of a connection.
struct Pipe(DuplexStream);

impl Stream for Pipe {
    type Detached = Self;

    fn attach(detached: Self) -> io::Result<Self> {
        Ok(detached)
    }

    /// A pipe cannot be asked; a read that finds nothing costs a buffer and nothing else.
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Bytes on their way in each direction.
const PIPE_SIZE: usize = 64 * 1024;

/// Connections that wait to be accepted.
const BACKLOG: usize = 16;
