//! Connections over TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Incoming, Listener, Socket, Transport, TransportError};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::greeting;
use super::http::HttpOptions;
use super::socket::{Accepted, Stream, accept_error, broken};

/// TCP; addresses are `host:port`.
///
/// The host is a name, an IPv4 address or an IPv6 address in brackets. `TCP_NODELAY` is on, as
/// batches are put together above. A listener may take over an address right after another one
/// left it.
///
/// ```
/// use callboard::ServiceSystem;
/// use callboard::transport::TcpTransport;
///
/// let client = ServiceSystem::new("greeter.client").transport(TcpTransport);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
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
            check(&address)?;
            let stream = match TcpStream::connect(&address).await {
                Ok(stream) => stream,
                Err(error) => {
                    return Err(TransportError::Connect { address, reason: error.to_string() });
                }
            };
            stream.set_nodelay(true).map_err(|error| broken(&error))?;
            greeting::connect(stream, &hello).await
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
        check(&address)?;
        let bound = match TcpListener::bind(&address).await {
            Ok(listener) => listener.local_addr().map(|bound| (listener, bound)),
            Err(error) => Err(error),
        };
        match bound {
            Ok((listener, bound)) => {
                let address = reachable(bound).to_string();
                Ok(Box::new(Listening { listener, address, http }) as Box<dyn Listener>)
            }
            Err(error) => Err(TransportError::Listen { address, reason: error.to_string() }),
        }
    })
}

/// A bound listener.
struct Listening {
    listener: TcpListener,
    address: String,
    http: Arc<HttpOptions>,
}

impl Listener for Listening {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Incoming>, TransportError>> {
        let accepted = ready!(self.listener.poll_accept(cx));
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        Poll::Ready(match accepted {
            Ok((stream, peer)) => {
                Ok(Box::new(Accepted::<TcpStream>::new(stream, peer.to_string(), &self.http)))
            }
            Err(error) => Err(accept_error(&error)),
        })
    }
}

impl Stream for TcpStream {
    type Detached = std::net::TcpStream;

    fn attach(detached: Self::Detached) -> io::Result<Self> {
        let stream = Self::from_std(detached)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn keep_alive(&self) {
        keep_alive(self);
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// Has the system probe a peer that is silent: a connection of which nothing is heard for half a
/// minute breaks.
pub(super) fn keep_alive(stream: &TcpStream) {
    let probes = TcpKeepalive::new().with_time(SILENCE).with_interval(PROBE_EVERY).with_retries(3);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&probes) {
        tracing::debug!(%error, "a connection is not probed");
    }
}

/// Silence before a probe, and time between probes.
const SILENCE: Duration = Duration::from_secs(15);
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// Checks the form before a resolver turns a typing error into "no such host".
fn check(address: &str) -> Result<(), TransportError> {
    let reason = match address.rsplit_once(':') {
        None => "expected host:port",
        Some(("", _)) => "the host is missing",
        Some((_, port)) if port.parse::<u16>().is_err() => "the port is not one of 0 to 65535",
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            "an IPv6 address needs brackets"
        }
        Some(_) => return Ok(()),
    };
    let (address, reason) = (address.to_owned(), reason.to_owned());
    Err(TransportError::Address { transport: NAME, address, reason })
}

/// Where a peer on this machine finds a listener bound to `bound`.
fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    bound
}

const NAME: &str = "tcp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_says_what_is_wrong() {
        for (address, what) in [
            ("localhost", "expected host:port"),
            (":80", "the host is missing"),
            ("localhost:http", "the port is not one of 0 to 65535"),
            ("localhost:65536", "the port is not one of 0 to 65535"),
            ("::1:80", "an IPv6 address needs brackets"),
        ] {
            let error = check(address).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(check("[::1]:80").is_ok());
        assert!(check("localhost:0").is_ok());
    }

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:7".parse().unwrap()).to_string(), "127.0.0.1:7");
        assert_eq!(reachable("[::]:7".parse().unwrap()).to_string(), "[::1]:7");
    }
}
