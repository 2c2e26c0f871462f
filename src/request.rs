//! What a service answers, as the user's types see it.

mod annotated;
mod due;
mod peer;

use std::fmt;
use std::ops::{Deref, DerefMut};

use callboard_actors::{Deadline, Metadata, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::annotated::Inner;
pub use self::annotated::{Annotated, AnnotatedReply};
pub(crate) use self::due::Due;
pub(crate) use self::peer::Peer;
use crate::codec::ProtobufCodec;
use crate::schema::EndpointSchema;

/// A message that a service answers; derived with `#[derive(Endpoint)]`.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(name = "Greeter.Hello", reply = String)]
/// struct Hello { name: String }
///
/// assert_eq!(Hello::NAME, "Greeter.Hello");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint",
    label = "no service can answer this",
    note = "add `#[derive(Endpoint)]` and `#[endpoint(name = \"Service.Method\", reply = …)]` to it"
)]
pub trait Endpoint: Serialize + DeserializeOwned + Send + 'static {
    /// What the handler returns on success.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// E.g. `Greeter.Hello`.
    const NAME: &'static str;

    /// Whether a call may be repeated although it may have been executed.
    const IDEMPOTENT: bool = false;

    /// How request and reply are written in protobuf, for types that can be; none by default.
    fn protobuf() -> Option<ProtobufCodec<Self>>
    where
        Self: Sized,
    {
        None
    }

    /// What request and reply look like; found out once, and remembered.
    fn schema() -> &'static EndpointSchema {
        EndpointSchema::cached::<Self>()
    }
}

/// What a handler returns for a request of `T`: the reply, or a status for the caller.
pub type Reply<T> = Result<<T as Endpoint>::Reply, Status>;

/// A request as a handler gets it: the message, and what came with it.
///
/// Dereferences to the message.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(name = "Greeter.Hello", reply = String)]
/// struct Hello { name: String }
///
/// struct Greeter;
/// impl Actor for Greeter { type Context = Context<Self>; }
///
/// impl Handler<Request<Hello>> for Greeter {
///     type Result = Reply<Hello>;
///     fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
///         let language = request.metadata().value("language").unwrap_or("en");
///         Ok(format!("({language}) Hello {}", request.name))
///     }
/// }
/// ```
pub struct Request<T> {
    message: T,
    context: RequestContext,
}

/// What came with a request; the part that does not depend on its type.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::CallError;
/// use callboard::request::RequestContext;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
///
/// /// Calls on behalf of a request, long after its message has been taken apart.
/// async fn ask(greeter: ServiceRef, context: RequestContext) -> Result<String, CallError> {
///     greeter.send(Hello { name: "John".into() }).within(&context).await
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequestContext {
    pub(crate) endpoint: &'static str,
    pub(crate) metadata: Metadata,
    pub(crate) due: Due,
    /// Who calls; unknown on the way to a handler, and filled in when the actor gets it: a reference
    /// counted by two threads costs more than the rest of it.
    pub(crate) peer: Peer,
}

/// The questions that a [`RequestContext`] answers, for types that dereference to their message.
macro_rules! context_methods {
    () => {
        /// What came with it, without the message; e.g. to be kept when the message is moved.
        pub fn context(&self) -> &$crate::request::RequestContext {
            // Whoever keeps it shall find in it when the caller stops waiting.
            self.context.due.deadline();
            &self.context
        }

        pub(crate) fn context_unread(&self) -> &$crate::request::RequestContext {
            &self.context
        }

        /// Pairs that the caller sent beside the message.
        pub fn metadata(&self) -> &::callboard_actors::Metadata {
            &self.context.metadata
        }

        /// When the caller stops waiting; a stream is over then, whatever it has come to.
        pub fn deadline(&self) -> Option<::callboard_actors::Deadline> {
            self.context.due.deadline()
        }

        /// The name of the endpoint that was called.
        pub fn endpoint(&self) -> &'static str {
            self.context.endpoint
        }

        /// The name of the service that calls; empty when it did not tell.
        pub fn peer_service(&self) -> &str {
            self.context.peer.hello().map_or("", |peer| &peer.service)
        }

        /// The id of the node that calls.
        pub fn peer_node(&self) -> &str {
            self.context.peer.hello().map_or("", |peer| &peer.node)
        }
    };
}
pub(crate) use context_methods;

impl<T> Request<T> {
    pub(crate) fn new(message: T, context: RequestContext) -> Self {
        Self { message, context }
    }

    pub(crate) fn context_mut(&mut self) -> &mut RequestContext {
        &mut self.context
    }

    /// The message without what came with it.
    pub fn into_inner(self) -> T {
        self.message
    }

    context_methods!();
}

impl RequestContext {
    /// Pairs that the caller sent beside the message.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.deadline()
    }
}

impl<T> AsRef<RequestContext> for Request<T> {
    fn as_ref(&self) -> &RequestContext {
        self.context()
    }
}

impl AsRef<Self> for RequestContext {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<T> Deref for Request<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.message
    }
}

impl<T> DerefMut for Request<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.message
    }
}

impl<T: Endpoint> actix::Message for Request<T> {
    type Result = Reply<T>;
}

impl<T: fmt::Debug> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("message", &self.message)
            .field("metadata", &self.context.metadata)
            .finish_non_exhaustive()
    }
}
