//! A server and its clients, with room for more than the defaults allow.

use std::time::Duration;

use callboard::config::RegistryKind;
use callboard::prelude::*;
use tokio::sync::watch;

use crate::echo::Echo;

/// Is answered when all that are held are let go.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Host.Hold", reply = ())]
pub struct Hold;

/// Answers echoes, and holds what it is asked to hold.
#[derive(Debug)]
pub struct Host {
    held: watch::Sender<u64>,
    gate: watch::Receiver<bool>,
}

impl Actor for Host {
    type Context = Context<Self>;
}

impl Handler<Request<Echo>> for Host {
    type Result = Reply<Echo>;

    fn handle(&mut self, request: Request<Echo>, _: &mut Context<Self>) -> Reply<Echo> {
        Ok(request.into_inner())
    }
}

impl Handler<Request<Hold>> for Host {
    type Result = ResponseFuture<Reply<Hold>>;

    fn handle(&mut self, _: Request<Hold>, _: &mut Context<Self>) -> Self::Result {
        self.held.send_modify(|held| *held += 1);
        let mut gate = self.gate.clone();
        Box::pin(async move {
            // It opens, or its owner has gone: either way the wait is over.
            let _ = gate.wait_for(|is_open| *is_open).await;
            Ok(())
        })
    }
}

/// A server on the present arbiter.
#[derive(Debug)]
pub struct Server {
    /// The node.
    pub system: ServiceSystem,
    held: watch::Receiver<u64>,
    gate: watch::Sender<bool>,
}

impl Server {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        let (gate, open) = watch::channel(false);
        let (held, count) = watch::channel(0);
        let system = ServiceSystem::new("host")
            .without_environment()
            .configure(|config| {
                config.registry = RegistryKind::Memory;
                config.settle_time = Duration::ZERO;
            })
            .options(|options| {
                options.acceptor.max_connections = PLENTY as usize;
                options.acceptor.max_in_flight = PLENTY;
            })
            .handler(
                move || Host { held: held.clone(), gate: open.clone() },
                |handler| handler.request::<Echo>().request::<Hold>().queue(PLENTY as usize),
            )
            .start()
            .await
            .expect("the server starts");
        Self { system, held: count, gate }
    }

    /// Waits until so many calls are held.
    ///
    /// # Panics
    /// When the handler has gone.
    pub async fn holds(&self, count: u64) {
        let mut held = self.held.clone();
        held.wait_for(|held| *held >= count).await.expect("the handler lives");
    }

    /// Lets all go.
    pub fn let_go(&self) {
        self.gate.send_replace(true);
    }
}

/// Starts a client on the present arbiter, with `pool` connections to the server.
///
/// # Panics
/// When it cannot be started.
pub async fn client(address: &str, pool: usize) -> ServiceSystem {
    ServiceSystem::new("guest")
        .without_environment()
        .timeout(Duration::from_secs(600))
        .configure(|config| {
            config.registry = RegistryKind::Static;
            config.registry_address = Some(format!("host={address}"));
            config.client_pool_size = pool;
            // Connections that are idle stay.
            config.client_pool_ttl = Duration::from_secs(3_600);
        })
        .options(|options| options.caller.connection.max_in_flight = PLENTY)
        .start()
        .await
        .expect("the client starts")
}

/// More than any of them is measured with.
const PLENTY: u32 = 200_000;
