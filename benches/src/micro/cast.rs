//! Who plays in the benches: messages, and actors in actix's own context and in callboard's.

use std::sync::Arc;

use actix_rt::ArbiterHandle;
use callboard::actors::supervisor::{Intensity, SupervisorOptions, SupervisorRef};
use callboard::config::RegistryKind;
use callboard::prelude::*;
use tokio::sync::oneshot;

use super::looping::Tally;
use crate::echo::Echo;

/// An echo as an actix message.
#[derive(Debug, Message)]
#[rtype(result = "Result<Echo, Status>")]
pub struct Ask(pub Echo);

/// Wants no answer.
#[derive(Debug, Message, Serialize, Deserialize, Endpoint)]
#[rtype(result = "()")]
#[endpoint(name = "Cast.Note", reply = ())]
pub struct Note(pub Echo);

/// Makes the handler panic.
#[derive(Debug, Message, Serialize, Deserialize, Endpoint)]
#[rtype(result = "()")]
#[endpoint(name = "Cast.Fail", reply = ())]
pub struct Fail;

/// Makes an actor of each context with the same handlers.
macro_rules! player {
    ($(#[$doc:meta])* $name:ident, $context:ty, $started:item) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub Arc<Tally>);

        impl Actor for $name {
            type Context = $context;

            $started
        }

        impl Handler<Ask> for $name {
            type Result = Result<Echo, Status>;

            fn handle(&mut self, Ask(echo): Ask, _: &mut Self::Context) -> Self::Result {
                Ok(echo)
            }
        }

        impl Handler<Note> for $name {
            type Result = ();

            fn handle(&mut self, _: Note, _: &mut Self::Context) {
                self.0.count();
            }
        }
    };
}

player!(
    /// Lives in actix's own context, with a mailbox as large as ours.
    Bare,
    actix::Context<Self>,
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(Child::<Supervised>::DEFAULT_MAILBOX);
    }
);

player!(
    /// Lives in callboard's context, under a supervisor.
    Supervised,
    Context<Self>,
    fn started(&mut self, _: &mut Self::Context) {}
);

impl Handler<Fail> for Supervised {
    type Result = ();

    fn handle(&mut self, _: Fail, _: &mut Self::Context) {
        panic!("as it was asked to");
    }
}

impl Handler<Request<Echo>> for Supervised {
    type Result = Reply<Echo>;

    fn handle(&mut self, request: Request<Echo>, _: &mut Self::Context) -> Reply<Echo> {
        Ok(request.into_inner())
    }
}

impl Handler<Request<Note>> for Supervised {
    type Result = Reply<Note>;

    fn handle(&mut self, _: Request<Note>, _: &mut Self::Context) -> Reply<Note> {
        self.0.count();
        Ok(())
    }
}

impl Handler<Request<Fail>> for Supervised {
    type Result = Reply<Fail>;

    fn handle(&mut self, _: Request<Fail>, _: &mut Self::Context) -> Reply<Fail> {
        panic!("as it was asked to");
    }
}

/// The same actor three times, on one arbiter: bare, supervised, and as a service.
#[derive(Debug)]
pub struct Cast {
    /// Counts the notes to all of them.
    pub tally: Arc<Tally>,
    /// In actix's own context.
    pub bare: Addr<Bare>,
    /// In callboard's.
    pub supervised: Addr<Supervised>,
    /// Behind a service's name.
    pub service: ServiceRef,
    supervisor: SupervisorRef,
    system: ServiceSystem,
}

impl Cast {
    /// Starts all of them on an arbiter.
    ///
    /// # Panics
    /// When the service does not start.
    pub async fn start(arbiter: &ArbiterHandle) -> Self {
        let tally = Arc::<Tally>::default();
        let own = Arc::clone(&tally);
        let bare = Bare::start_in_arbiter(arbiter, move |_| Bare(own));
        let own = Arc::clone(&tally);
        let child = Child::new("supervised", move || Supervised(Arc::clone(&own)));
        let mut builder = Supervisor::builder("cast").options(tireless());
        let supervised = builder.child(child.on(arbiter.clone()));
        let supervisor = builder.start();
        let system = start_service(arbiter, Arc::clone(&tally)).await;
        let service = system.service("cast");
        Self { tally, bare, supervised, service, supervisor, system }
    }

    /// Stops all of them.
    pub async fn stop(self) {
        drop(self.bare);
        self.supervisor.stop().await;
        self.system.stop().await;
    }
}

/// A system lives where it is started.
async fn start_service(arbiter: &ArbiterHandle, tally: Arc<Tally>) -> ServiceSystem {
    let (started, system) = oneshot::channel();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            let builder = ServiceSystem::new("cast")
                .without_environment()
                .configure(|config| config.registry = RegistryKind::Memory)
                .configure(|config| config.settle_time = std::time::Duration::ZERO)
                .intensity(Intensity::unlimited())
                .handler(
                    move || Supervised(Arc::clone(&tally)),
                    |handler| handler.request::<Echo>().request::<Note>().request::<Fail>(),
                );
            // Whoever waits for it lives until it is there.
            let _ = started.send(builder.start().await.expect("the system starts"));
        });
    });
    system.await.expect("the arbiter lives")
}

/// Restarts without end and without pause.
fn tireless() -> SupervisorOptions {
    SupervisorOptions {
        intensity: Intensity::unlimited(),
        backoff_first: std::time::Duration::ZERO,
        backoff_max: std::time::Duration::ZERO,
        ..SupervisorOptions::default()
    }
}
