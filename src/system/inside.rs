//! The system as its own actors find it.

use std::sync::{Arc, OnceLock};

use actix::prelude::Actor;
use callboard_actors::Context;

use super::ServiceSystem;
use crate::client::ServiceRef;
use crate::request::RequestContext;

/// The system that an actor serves, found in its context.
///
/// Every actor of a handler has it, from `started` on. Nobody pays for it who does not ask.
///
/// ```
/// use callboard::prelude::*;
///
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Names.Nick", reply = String)]
/// # struct Nick { name: String }
/// #[derive(Default)]
/// struct Greeter;
///
/// impl Actor for Greeter { type Context = Context<Self>; }
///
/// impl Handler<Request<Hello>> for Greeter {
///     type Result = ResponseFuture<Reply<Hello>>;
///
///     fn handle(&mut self, request: Request<Hello>, ctx: &mut Context<Self>) -> Self::Result {
///         let names = ctx.service("names");
///         Box::pin(async move {
///             let nick = names.send(Nick { name: request.name.clone() }).within(&request).await?;
///             Ok(format!("Hello {nick}"))
///         })
///     }
/// }
/// ```
///
/// An actor of your own below the system's [supervisor](ServiceSystem::supervisor) has it when it
/// is given it: `Child::new("worker", Worker::default).provide(system.clone())`.
pub trait SystemContext {
    /// The system; `None` in an actor that belongs to none.
    fn try_system(&self) -> Option<ServiceSystem>;

    /// The system.
    ///
    /// # Panics
    /// In an actor that belongs to none: one that is not a handler's, and was not provided with a
    /// system either.
    fn system(&self) -> ServiceSystem {
        self.try_system().expect("a handler's actor, or one that a system was provided to")
    }

    /// A service by its name, called through the actor's own system.
    ///
    /// # Panics
    /// As [`system`](Self::system).
    fn service(&self, name: &str) -> ServiceRef {
        self.system().service(name)
    }
}

impl<A: Actor<Context = Self>> SystemContext for Context<A> {
    fn try_system(&self) -> Option<ServiceSystem> {
        match self.provided::<SystemPlace>() {
            Some(place) => place.system(),
            None => self.provided::<ServiceSystem>().cloned(),
        }
    }
}

/// Where the system will be once its node is prepared, which is before any of its actors runs.
#[derive(Clone, Default)]
pub(crate) struct SystemPlace(Arc<OnceLock<ServiceSystem>>);

impl SystemPlace {
    /// That of a system that runs.
    pub(super) fn of(system: ServiceSystem) -> Self {
        Self(Arc::new(OnceLock::from(system)))
    }

    pub(super) fn fill(&self, system: ServiceSystem) {
        // A node is prepared once.
        let _ = self.0.set(system);
    }

    pub(super) fn system(&self) -> Option<ServiceSystem> {
        self.0.get().cloned()
    }

    /// Says of a request without a caller that it comes from this very system.
    pub(crate) fn introduce(&self, context: &mut RequestContext) {
        if let (true, Some(system)) = (context.peer.is_unknown(), self.0.get()) {
            context.peer.set(system.hello());
        }
    }
}
