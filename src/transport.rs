//! The transports that reach other processes.
//!
//! [`NativeTransport`] chooses by the address: `unix:/path` is a Unix socket, `mucp:…` a node of
//! [Go Micro](GoMicroTransport), everything else `host:port` over TCP. Sockets and TCP speak the
//! [native wire](crate::wire).

mod go_micro;
mod greeting;
pub(crate) mod http;
mod http_message;
#[cfg(feature = "fuzzing")]
pub(crate) mod pipe;
mod receive;
mod socket;
mod tcp;
#[cfg(unix)]
mod unix;

use std::sync::Arc;

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Listener, Socket, Transport, TransportError};

pub use self::go_micro::{Generation, GoMicroTransport};
pub use self::http::{HttpOptions, HttpOptionsError};
pub use self::tcp::TcpTransport;
#[cfg(unix)]
pub use self::unix::UnixTransport;

/// Whether a node of Go Micro is called at this address.
pub(crate) fn is_go_micro(address: &str) -> bool {
    GoMicroTransport::knows(address)
}

/// TCP, Unix sockets and Go Micro's nodes, chosen by the address's prefix.
///
/// ```
/// use callboard::transport::NativeTransport;
/// use callboard_actors::transport::Transport;
///
/// assert_eq!(NativeTransport::default().name(), "native");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeTransport {
    go_micro: GoMicroTransport,
    http: HttpOptions,
}

impl NativeTransport {
    /// Calls Go Micro's nodes like this.
    #[must_use]
    pub fn go_micro(self, go_micro: GoMicroTransport) -> Self {
        Self { go_micro, ..self }
    }

    /// Gives those who speak HTTP these limits.
    ///
    /// # Errors
    /// Not here: limits that let nothing through are refused by whoever listens.
    #[must_use]
    pub fn http(self, http: HttpOptions) -> Self {
        Self { http, ..self }
    }

    fn for_address(&self, address: &str) -> &dyn Transport {
        #[cfg(unix)]
        if address.starts_with(unix::PREFIX) {
            return &UnixTransport;
        }
        if GoMicroTransport::knows(address) {
            return &self.go_micro;
        }
        &TcpTransport
    }
}

impl Transport for NativeTransport {
    fn name(&self) -> &'static str {
        "native"
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        self.for_address(address).connect(address, hello)
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        if let Err(error) = self.http.validate() {
            let (address, reason) = (address.to_owned(), error.to_string());
            return Box::pin(async move { Err(TransportError::Listen { address, reason }) });
        }
        #[cfg(unix)]
        if address.starts_with(unix::PREFIX) {
            return unix::listen(address, Arc::new(self.http));
        }
        if GoMicroTransport::knows(address) {
            return self.go_micro.listen(address);
        }
        tcp::listen(address, Arc::new(self.http))
    }
}
