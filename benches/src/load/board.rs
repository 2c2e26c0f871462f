//! callboard as its users have it: by service name, with everything on that is on by default.

use callboard::config::RegistryKind;
use callboard::prelude::*;
use callboard_benches::echo::{Echo, Echoer};
use callboard_benches::talk::Talk;
use callboard_benches::worker::{
    Call, Caller, Sample, Shape, System, Unsupported, Workload, announce, drive, end_of_input,
};

use super::{events, talk};

/// The real thing.
pub(super) struct Callboard;

impl System for Callboard {
    fn name(&self) -> &'static str {
        "callboard"
    }

    fn serve(&self, workload: &Workload) {
        match workload.shape {
            Shape::Publish => events::serve(workload.subscribers, None),
            _ => serve(),
        }
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        match call.workload.shape {
            Shape::Publish => events::publish(call),
            _ => drive_from(call, "echo", |system| Named(system.service("echo"))),
        }
    }
}

/// Runs a node that echoes, until whoever started this process ends.
fn serve() {
    actix_rt::System::new().block_on(async {
        let system = ServiceSystem::new("echo")
            .without_environment()
            .configure(|config| config.registry = RegistryKind::Memory)
            .handler(Echoer::default, |h| h.request::<Echo>().stream::<Talk>());
        let system = system.start().await.expect("the system starts");
        announce(&system.node().address);
        end_of_input().await;
        system.stop().await;
    });
}

/// Drives a workload from a system that finds the server under this name.
pub(super) fn drive_from<C: Caller>(
    call: &Call,
    name: &str,
    caller: impl FnOnce(&ServiceSystem) -> C,
) -> Result<Sample, Unsupported> {
    actix_rt::System::new().block_on(async {
        let address = format!("{name}={}", call.address);
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
        // It spreads calls over its connections itself.
        let sample = drive(vec![caller(&system)], &call.workload, call.server).await;
        system.stop().await;
        sample
    })
}

#[derive(Clone)]
struct Named(ServiceRef);

impl Caller for Named {
    async fn call(&self, echo: Echo) -> Echo {
        self.0.send(echo).await.expect("the server answers")
    }

    async fn tell(&self, echo: Echo) -> bool {
        self.0.do_send(echo);
        true
    }

    const HAS_STREAMS: bool = true;

    async fn talk(&self, shape: Shape, body: usize) {
        talk::talk(&self.0, shape, body).await;
    }
}
