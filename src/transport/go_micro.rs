//! Calls to Go Micro's services, over HTTP/1.1.
//!
//! Such a connection carries one call at a time. What the engine takes for one connection is here a
//! pool of them to one node: a call takes an idle one or opens another, and gives it back when
//! there is no doubt about it. A stream has a connection of its own, which is never used again.
//!
//! Sources: the wire of Go Micro's release of November 2016, and that of its present version 6.

mod address;
mod conversation;
mod reply;
mod request;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::BoxFuture;
use callboard_actors::transport::{Hello, Listener, Socket, Transport, TransportError};

use self::address::Address;
pub use self::address::Generation;
use self::socket::PooledSocket;
use crate::http_client::Pool;

/// Go Micro's transport, for calling its services.
///
/// | address | the node speaks |
/// |---|---|
/// | `mucp:host:port` | the wire of the present Go Micro: bare bodies, `Micro-*` headers |
/// | `mucp-2016:host:port` | the wire of 2016: bodies in JSON-RPC and PROTO-RPC envelopes |
///
/// A path after the port names the service, which only the present wire carries:
/// `mucp:127.0.0.1:9210/greeter`. Registries that know Go Micro's nodes make such addresses; they
/// can also be given to [`CallBuilder::node`](crate::CallBuilder::node). Content types are
/// `application/json` and `application/protobuf`. A one-way message is a call whose answer is
/// dropped.
///
/// ```
/// use std::time::Duration;
///
/// use callboard::transport::GoMicroTransport;
///
/// let transport = GoMicroTransport::default().idle(10, Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GoMicroTransport {
    max_idle: usize,
    max_age: Duration,
}

impl GoMicroTransport {
    /// Keeps up to `count` idle connections to each node, per arbiter, and each of them until it
    /// is `age` old; default 100 and 60 s.
    #[must_use]
    pub fn idle(self, count: usize, age: Duration) -> Self {
        Self { max_idle: count, max_age: age }
    }

    /// Whether an address is this transport's.
    pub(super) fn knows(address: &str) -> bool {
        Address::generation(address).is_some()
    }
}

impl Default for GoMicroTransport {
    fn default() -> Self {
        Self { max_idle: 100, max_age: Duration::from_secs(60) }
    }
}

impl Transport for GoMicroTransport {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Opens one connection of the pool, so that a node that cannot be reached is found now.
    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        let (parsed, max_idle, max_age) = (Address::parse(address), self.max_idle, self.max_age);
        Box::pin(async move {
            let address = parsed?;
            let pool = Pool::new(&address.peer, max_idle, max_age);
            pool.fill().await?;
            let max_body = usize::try_from(hello.max_frame).unwrap_or(usize::MAX);
            Ok(Box::new(PooledSocket::new(address, pool, max_body)) as Box<dyn Socket>)
        })
    }

    /// Refuses: a node answers Go Micro's clients on the address on which it listens anyway.
    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        let reason = "this transport only calls; listen on a plain host:port, which answers Go \
                      Micro's clients too";
        let error = TransportError::Listen { address: address.to_owned(), reason: reason.into() };
        Box::pin(std::future::ready(Err(error)))
    }
}

const NAME: &str = "mucp";
