//! Calling services, as the user's types see it.

mod alarm;
mod builder;
mod call;
mod future;
mod local;
mod own;
mod prepared;

use std::fmt;
use std::sync::Arc;

use callboard_actors::client::RemoteService;

use crate::request::Endpoint;
use crate::stream::{Conversation, StreamBuilder, StreamEndpoint};
use crate::system::ServiceSystem;

pub(crate) use self::alarm::Alarm;
pub use self::builder::RequestBuilder;
pub use self::call::{CallBuilder, Once};
pub use self::future::{AnnotatedCallFuture, CallFuture};

/// A service by its name; looks like an actix `Addr`, and reaches any node.
///
/// Cheap to clone; works from any thread and on any executor.
///
/// ```no_run
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
/// let greeter = system.service("greeter");
/// let reply = greeter.send(Hello { name: "John".into() }).await?;
/// greeter.do_send(Hello { name: "fire and forget".into() });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceRef {
    // One pointer, as each call takes a clone with it.
    inner: Arc<Inner>,
}

struct Inner {
    system: ServiceSystem,
    service: Arc<RemoteService>,
    /// Whether it is the one that the system itself runs; compared once, not with each call.
    is_own: bool,
}

impl ServiceRef {
    pub(crate) fn new(system: ServiceSystem, service: Arc<RemoteService>) -> Self {
        let is_own = system.name() == service.name();
        Self { inner: Arc::new(Inner { system, service, is_own }) }
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        self.inner.service.name()
    }

    pub(crate) fn system(&self) -> &ServiceSystem {
        &self.inner.system
    }

    /// Whether the system itself runs it, and its handlers may be called.
    pub(crate) fn is_served_here(&self) -> bool {
        self.inner.is_own && self.inner.system.is_serving()
    }

    pub(crate) fn remote(&self) -> &RemoteService {
        &self.inner.service
    }

    /// Begins a call; awaiting it sends the message and resolves to the reply.
    ///
    /// A handler in the same process is called without sockets and serialisation, unless the call
    /// says which node is meant; see [`RequestBuilder::local`].
    ///
    /// # Cancellation
    /// Dropping the future cancels the call where it is.
    #[inline]
    pub fn send<T: Endpoint>(&self, message: T) -> CallBuilder<T> {
        CallBuilder::new(self.clone(), message, Once::default())
    }

    /// Begins a stream; awaiting it sends the opening message and resolves when a node has taken
    /// it.
    ///
    /// As a call it finds a handler in the same process without sockets and serialisation, unless
    /// the stream says which node is meant; see [`RequestBuilder::local`].
    ///
    /// # Cancellation
    /// Dropping the future, or the stream, cancels it where it is.
    pub fn stream<T: StreamEndpoint>(&self, opening: T) -> StreamBuilder<T> {
        StreamBuilder::new(self.clone(), opening, Conversation::default())
    }

    /// Sends a message and forgets about it.
    ///
    /// It leaves at once when a connection is open and has room. Else it waits for one, with at
    /// most 1,024 others; further ones are dropped. It may be lost with no more than a line in the
    /// log: when no node can be found, when a queue is full, when a connection breaks. At most once.
    pub fn do_send<T: Endpoint>(&self, message: T) {
        self.send(message).detach();
    }
}

impl fmt::Debug for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceRef").field("name", &self.name()).finish_non_exhaustive()
    }
}
