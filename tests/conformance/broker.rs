//! The brokers that reach the world: three systems on loopback.

use std::sync::Arc;

use callboard::ServiceSystem;
use callboard::config::BrokerKind;
use callboard::prelude::*;
use callboard::registry::BoxFuture;
use callboard_actors::registry::MemoryRegistry;
use callboard_actors::testing::broker::{self, Harness, Nodes};

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Nothing.Do", reply = ())]
struct Nothing;

/// Makes a system one that serves.
#[derive(Default)]
struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<Request<Nothing>> for Idle {
    type Result = Reply<Nothing>;

    fn handle(&mut self, _: Request<Nothing>, _: &mut Context<Self>) -> Reply<Nothing> {
        Ok(())
    }
}

/// Events over TCP.
struct Direct;

impl Harness for Direct {
    fn nodes(&self) -> BoxFuture<'_, Nodes> {
        Box::pin(nodes(BrokerKind::Direct))
    }
}

async fn nodes(kind: BrokerKind) -> Nodes {
    let registry = MemoryRegistry::new();
    let mut systems = Vec::new();
    for _ in 0..3 {
        let system = ServiceSystem::new("idle")
            .without_environment()
            .registry(registry.clone())
            .configure(|config| config.broker = kind)
            .handler(Idle::default, |h| h.request::<Nothing>());
        systems.push(system.start().await.expect("it starts"));
    }
    let brokers = [0, 1, 2].map(|index: usize| Arc::clone(systems[index].broker()));
    Nodes::guarded(brokers, systems)
}

#[actix::test]
async fn direct_has_every_property_of_a_broker() {
    broker::all(&Direct).await;
}

/// Events over HTTP, as Go Micro sends them.
struct Http;

impl Harness for Http {
    fn nodes(&self) -> BoxFuture<'_, Nodes> {
        Box::pin(nodes(BrokerKind::Http))
    }
}

#[actix::test]
async fn http_has_every_property_of_a_broker() {
    broker::all(&Http).await;
}
