//! The contract of brokers, kept by the one in memory; the direct one is tested with its node.

use std::sync::Arc;

use super::MemoryBroker;
use crate::registry::BoxFuture;
use crate::testing::broker::{self, Harness, Nodes};

struct Memory;

impl Harness for Memory {
    fn nodes(&self) -> BoxFuture<'_, Nodes> {
        let broker = Arc::new(MemoryBroker::new());
        Box::pin(async { Nodes::new([broker.clone(), broker.clone(), broker]) })
    }
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    broker::all(&Memory).await;
}
