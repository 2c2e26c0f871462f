//! Connections over Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Incoming, Listener, Socket, Transport, TransportError};
use tokio::net::{UnixListener, UnixStream};

use super::greeting;
use super::http::HttpOptions;
use super::socket::{Accepted, Stream, accept_error};

/// Unix sockets; addresses are `unix:/path`.
///
/// The file of a server that died is replaced, that of a living one is not. A listener removes its
/// file when dropped.
///
/// ```
/// use callboard::ServiceSystem;
/// use callboard::transport::UnixTransport;
///
/// let client = ServiceSystem::new("greeter.client").transport(UnixTransport);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct UnixTransport;

impl Transport for UnixTransport {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        let address = address.to_owned();
        Box::pin(async move {
            match UnixStream::connect(path(&address)?).await {
                Ok(stream) => greeting::connect(stream, &hello).await,
                Err(error) => Err(TransportError::Connect { address, reason: error.to_string() }),
            }
        })
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        listen(address, Arc::default())
    }
}

/// Listens; those who speak HTTP have these limits.
pub(super) fn listen(
    address: &str,
    http: Arc<HttpOptions>,
) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
    let address = address.to_owned();
    Box::pin(async move {
        match bind(path(&address)?, http).await {
            Ok(listening) => Ok(Box::new(listening) as Box<dyn Listener>),
            Err(error) => Err(TransportError::Listen { address, reason: error.to_string() }),
        }
    })
}

/// A bound listener and its file.
struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, so that a successor's file is not removed.
    identity: (u64, u64),
    http: Arc<HttpOptions>,
}

impl Listener for Listening {
    fn address(&self) -> String {
        format!("{PREFIX}{}", self.path.display())
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Incoming>, TransportError>> {
        let accepted = ready!(self.listener.poll_accept(cx));
        Poll::Ready(match accepted.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => {
                Ok(Box::new(Accepted::<UnixStream>::new(stream, self.address(), &self.http)))
            }
            Err(error) => Err(accept_error(&error)),
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nothing is lost when the file stays: the next listener replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Stream for UnixStream {
    type Detached = std::os::unix::net::UnixStream;

    fn attach(detached: Self::Detached) -> io::Result<Self> {
        Self::from_std(detached)
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

async fn bind(path: &Path, http: Arc<HttpOptions>) -> io::Result<Listening> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path).await => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok(Listening { listener, path: path.to_owned(), identity: identity(path)?, http })
}

/// Whether `path` is a socket on which nobody listens any more.
async fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn path(address: &str) -> Result<&Path, TransportError> {
    let reason = match address.strip_prefix(PREFIX) {
        None => "expected unix:/path",
        Some("") => "the path is missing",
        Some(path) if path.len() > MAX_PATH => "the path exceeds 103 bytes",
        Some(path) => return Ok(Path::new(path)),
    };
    let (address, reason) = (address.to_owned(), reason.to_owned());
    Err(TransportError::Address { transport: NAME, address, reason })
}

pub(super) const PREFIX: &str = "unix:";

const NAME: &str = "unix";

/// What fits everywhere: 104 bytes with the final zero on macOS and the BSDs.
const MAX_PATH: usize = 103;
