//! By hand: the floor with the promises that callboard makes.

use std::sync::Arc;

use callboard_benches::by_hand::{Answering, Message, Node, Object, Service, Table, serve};
use callboard_benches::echo::Echo;
use callboard_benches::worker::{
    Call, Caller, Sample, Shape, System, Unsupported, Workload, block_on, drive,
};

use super::floor;

/// A service of one node, which each caller calls.
pub(super) struct ByHand;

impl System for ByHand {
    fn name(&self) -> &'static str {
        "by-hand"
    }

    fn serve(&self, _: &Workload) {
        block_on(floor::serve(|listener| {
            let echoing = |(): &mut (), message: Message, answering: Answering<'_>| {
                answering.answer(&Ok(message));
            };
            let table = Table::default().with(Object::new(|| ()).endpoint(ECHO, echoing));
            serve(listener, Arc::new(table))
        }));
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        if call.workload.shape != Shape::Unary {
            return Err(Unsupported("there are calls and nothing else".into()));
        }
        let address = floor::address(call);
        block_on(async {
            let mut services = Vec::new();
            for _ in 0..call.workload.connections {
                let node = Node::connect(address).await.expect("the server listens");
                services.push(Asking(Service::new(vec![node])));
            }
            drive(services, &call.workload, call.server).await
        })
    }
}

#[derive(Clone)]
struct Asking(Service);

impl Caller for Asking {
    async fn call(&self, echo: Echo) -> Echo {
        self.0.call(ECHO, echo).await.expect("the server answers").echo
    }
}

const ECHO: &str = "Echo.Echo";
