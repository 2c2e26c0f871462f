//! callboard's direct broker: each call is an event to one subscriber in the other process, and ends
//! with its acknowledgement.

use callboard::TopicRef;
use callboard::config::RegistryKind;
use callboard::prelude::*;
use callboard_benches::echo::Echo;
use callboard_benches::worker::{
    Call, Caller, Sample, System, Unsupported, announce, drive, end_of_input,
};

/// Publish and subscribe.
pub(super) struct Events;

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "echo")]
struct Said(Echo);

#[derive(Default)]
struct Listener;

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event<Said>> for Listener {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Said>, _: &mut Context<Self>) -> Self::Result {
        if event.0.text.is_empty() { Err(Status::bad_request("echo", "empty")) } else { Ok(()) }
    }
}

impl System for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn serve(&self) {
        actix_rt::System::new().block_on(async {
            let system = ServiceSystem::new("echo")
                .without_environment()
                .configure(|config| config.registry = RegistryKind::Memory)
                .handler(Listener::default, |h| h.event::<Said>())
                .start()
                .await
                .expect("the system starts");
            announce(&system.node().address);
            end_of_input().await;
            system.stop().await;
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        actix_rt::System::new().block_on(async {
            let address = format!("topic:echo={}", call.address);
            let system = ServiceSystem::new("echo.client")
                .without_environment()
                .configure(|config| {
                    config.registry = RegistryKind::Static;
                    config.registry_address = Some(address);
                    config.client_pool_size = call.workload.connections;
                })
                .start()
                .await
                .expect("the system starts");
            let connections = vec![Publishes(system.topic::<Said>())];
            let sample = drive(connections, &call.workload, call.server).await;
            system.stop().await;
            sample
        })
    }
}

#[derive(Clone)]
struct Publishes(TopicRef<Said>);

impl Caller for Publishes {
    async fn call(&self, echo: Echo) -> Echo {
        let said = Said(echo);
        let published = self.0.publish(&said).await.expect("it can be published");
        assert!(published.acknowledged == 1 && published.is_complete(), "{published:?}");
        said.0
    }

    async fn tell(&self, _: Echo) -> bool {
        false
    }
}
