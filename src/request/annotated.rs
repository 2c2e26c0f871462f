//! Replies with pairs beside them.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::{Actor, Message};
use callboard_actors::{Metadata, Status};

/// A reply and the pairs that travel beside it; dereferences to the reply.
///
/// A handler makes one and returns it as an [`AnnotatedReply`]; a caller gets one from
/// [`CallBuilder::annotated`](crate::CallBuilder::annotated).
///
/// ```
/// use callboard::request::Annotated;
///
/// let reply = Annotated::new("Hello John".to_owned()).with("Cache", "hit");
/// assert_eq!((reply.len(), reply.metadata().value("cache")), (10, Some("hit")));
/// ```
#[derive(Clone, Default)]
pub struct Annotated<R> {
    value: R,
    metadata: Metadata,
}

/// What a handler returns whose replies have pairs beside them, at once or later.
///
/// Pairs cost nothing where they are not used: other handlers go on to return
/// [`Reply`](crate::Reply). They arrive over every way a call can take: within the process, over the
/// native wire, and over HTTP as headers; names of HTTP's own, such as `Content-Length`, and those
/// that begin with `Micro-` do not. 64 entries and 16 KiB are the most, and beyond them the caller
/// gets status 500. A node of Go Micro has none to give, and its headers are not taken for any.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::request::{Annotated, AnnotatedReply};
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(name = "Greeter.Hello", reply = String)]
/// struct Hello { name: String }
///
/// struct Greeter;
/// impl Actor for Greeter { type Context = Context<Self>; }
///
/// impl Handler<Request<Hello>> for Greeter {
///     type Result = AnnotatedReply<String>;
///     fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Self::Result {
///         if request.name.is_empty() {
///             return Status::bad_request("greeter", "whom shall I greet?").into();
///         }
///         Annotated::new(format!("Hello {}", request.name)).with("Cache", "miss").into()
///     }
/// }
/// ```
pub struct AnnotatedReply<R>(pub(crate) Inner<R>);

pub(crate) enum Inner<R> {
    Ready(Result<Annotated<R>, Status>),
    Later(Pin<Box<dyn Future<Output = Result<Annotated<R>, Status>>>>),
}

impl<R> Annotated<R> {
    /// A reply with nothing beside it yet.
    pub const fn new(value: R) -> Self {
        Self { value, metadata: Metadata::new() }
    }

    pub(crate) const fn from_parts(value: R, metadata: Metadata) -> Self {
        Self { value, metadata }
    }

    pub(crate) fn into_parts(self) -> (R, Metadata) {
        (self.value, self.metadata)
    }

    /// Adds a pair, or replaces the value of an equal name, and returns the whole.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// The pairs beside the reply.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The reply without what is beside it.
    pub fn into_inner(self) -> R {
        self.value
    }
}

impl<R> AnnotatedReply<R> {
    /// A reply that is not there yet; the future is dropped at the request's deadline.
    ///
    /// ```
    /// use callboard::request::{Annotated, AnnotatedReply};
    ///
    /// fn slow() -> AnnotatedReply<u8> {
    ///     AnnotatedReply::later(async { Ok(Annotated::new(7).with("Cache", "miss")) })
    /// }
    /// ```
    pub fn later(reply: impl Future<Output = Result<Annotated<R>, Status>> + 'static) -> Self {
        Self(Inner::Later(Box::pin(reply)))
    }
}

impl<R> From<Result<Annotated<R>, Status>> for AnnotatedReply<R> {
    fn from(reply: Result<Annotated<R>, Status>) -> Self {
        Self(Inner::Ready(reply))
    }
}

impl<R> From<Annotated<R>> for AnnotatedReply<R> {
    fn from(reply: Annotated<R>) -> Self {
        Ok(reply).into()
    }
}

impl<R> From<Status> for AnnotatedReply<R> {
    fn from(status: Status) -> Self {
        Err(status).into()
    }
}

/// For who asks the actor itself, through its `Addr`; the pairs have no place there.
impl<A, M, R> MessageResponse<A, M> for AnnotatedReply<R>
where
    A: Actor,
    M: Message<Result = Result<R, Status>>,
    R: 'static,
{
    fn handle(self, _: &mut A::Context, way_back: Option<OneshotSender<M::Result>>) {
        let Some(way_back) = way_back else { return };
        // Whoever asked may have gone.
        match self.0 {
            Inner::Ready(reply) => drop(way_back.send(reply.map(Annotated::into_inner))),
            Inner::Later(reply) => drop(actix_rt::spawn(async move {
                drop(way_back.send(reply.await.map(Annotated::into_inner)));
            })),
        }
    }
}

impl<R> Deref for Annotated<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.value
    }
}

impl<R> DerefMut for Annotated<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value
    }
}

impl<R: fmt::Debug> fmt::Debug for Annotated<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annotated")
            .field("value", &self.value)
            .field("metadata", &self.metadata)
            .finish()
    }
}

impl<R> fmt::Debug for AnnotatedReply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            Inner::Ready(_) => "Ready",
            Inner::Later(_) => "Later",
        };
        f.debug_tuple("AnnotatedReply").field(&name).finish()
    }
}
