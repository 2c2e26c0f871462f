//! The transports that reach other processes.
//!
//! [`NativeTransport`] chooses by the address: `unix:/path` is a Unix socket, everything else
//! `host:port` over TCP. Both speak the [native wire](crate::wire).

mod greeting;
mod receive;
mod socket;
mod tcp;
#[cfg(unix)]
mod unix;

use std::sync::Arc;

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Listener, Socket, Transport, TransportError};

pub use self::tcp::TcpTransport;
#[cfg(unix)]
pub use self::unix::UnixTransport;

/// TCP and Unix sockets, chosen by the address's prefix.
///
/// ```
/// use callboard::transport::NativeTransport;
/// use callboard_actors::transport::Transport;
///
/// assert_eq!(NativeTransport.name(), "native");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeTransport;

impl Transport for NativeTransport {
    fn name(&self) -> &'static str {
        "native"
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        for_address(address).connect(address, hello)
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        for_address(address).listen(address)
    }
}

fn for_address(address: &str) -> &'static dyn Transport {
    #[cfg(unix)]
    if address.starts_with(unix::PREFIX) {
        return &UnixTransport;
    }
    #[cfg(not(unix))]
    let _ = address;
    &TcpTransport
}
