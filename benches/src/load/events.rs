//! Publish and subscribe: events that end with the acknowledgement of every subscriber.

use callboard::TopicRef;
use callboard::actors::broker::MemoryBroker;
use callboard::config::RegistryKind;
use callboard::prelude::*;
use callboard_benches::echo::Echo;
use callboard_benches::topic::{self, Said};
use callboard_benches::worker::{
    Call, Caller, Sample, Shape, System, Unsupported, Workload, announce, block_on, drive,
    end_of_input,
};

use super::board;

/// Has so many nodes with a subscriber each, members of a group or not, until whoever started this
/// process ends.
pub(super) fn serve(subscribers: usize, group: Option<&str>) {
    actix_rt::System::new().block_on(async {
        let mut nodes = Vec::new();
        for _ in 0..subscribers {
            nodes.push(topic::node(1, group).await);
        }
        announce(topic::list(&nodes));
        end_of_input().await;
        // Together: the time to end is short for many.
        let stopping = |node: ServiceSystem| actix_rt::spawn(async move { node.stop().await });
        for stopped in nodes.into_iter().map(stopping).collect::<Vec<_>>() {
            stopped.await.expect("stopping does not panic");
        }
    });
}

/// Publishes to the nodes of the other process, by the broker `direct`.
pub(super) fn publish(call: &Call) -> Result<Sample, Unsupported> {
    let subscribers = call.workload.subscribers;
    board::drive_from(call, topic::SERVICE, |system| Publishes(system.topic::<Said>(), subscribers))
}

/// As many members of one queue group as there are subscribers, of which each event goes to one.
pub(super) struct Group;

impl System for Group {
    fn name(&self) -> &'static str {
        "callboard-group"
    }

    fn serve(&self, workload: &Workload) {
        serve(workload.subscribers, Some(topic::GROUP));
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        if call.workload.shape != Shape::Publish {
            return Err(Unsupported("a queue group is published to, nothing else".into()));
        }
        let service = format!("{}@{}", topic::SERVICE, topic::GROUP);
        board::drive_from(call, &service, |system| Publishes(system.topic::<Said>(), 1))
    }
}

/// Publisher and subscribers in the client's process; the other one has nothing to do.
pub(super) struct InMemory;

impl System for InMemory {
    fn name(&self) -> &'static str {
        "callboard-memory"
    }

    fn serve(&self, _: &Workload) {
        announce("memory");
        block_on(end_of_input());
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        if call.workload.shape != Shape::Publish {
            return Err(Unsupported("the broker within a process publishes, nothing else".into()));
        }
        let subscribers = call.workload.subscribers;
        actix_rt::System::new().block_on(async {
            let system = ServiceSystem::new("echo")
                .without_environment()
                .configure(|config| config.registry = RegistryKind::Memory)
                .broker(MemoryBroker::new());
            let system = topic::subscribers(system, subscribers, None).start().await;
            let system = system.expect("the system starts");
            let publishes = Publishes(system.topic::<Said>(), subscribers);
            let sample = drive(vec![publishes], &call.workload, call.server).await;
            system.stop().await;
            sample
        })
    }
}

/// A topic, and how many must acknowledge.
#[derive(Clone)]
struct Publishes(TopicRef<Said>, usize);

impl Caller for Publishes {
    async fn call(&self, echo: Echo) -> Echo {
        self.publish(echo.clone(), true).await;
        echo
    }

    const EVENTS_PER_LAP: u32 = 1;

    async fn publish(&self, echo: Echo, _: bool) {
        topic::publish(&self.0, echo, self.1).await;
    }
}
