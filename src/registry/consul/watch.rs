//! Following one service.

use std::collections::VecDeque;

use callboard_actors::registry::{BoxFuture, Catalogue, Change, RegistryError, Watch};

use super::agent::{Agent, Read};
use super::record::{Decoded, Entry};

/// A watch on one service: a blocking query after the other.
///
/// Each answer has all nodes; those that Consul has the same index of are not decoded again.
pub(super) struct ServiceWatch {
    agent: Agent,
    name: String,
    index: u64,
    decoded: Decoded,
    known: Catalogue,
    changes: VecDeque<Change>,
    /// Kept between two calls of `next`, whose futures may be dropped.
    query: Option<BoxFuture<'static, Result<Read<Vec<Entry>>, RegistryError>>>,
}

impl ServiceWatch {
    pub(super) async fn open(agent: Agent, name: String) -> Result<Self, RegistryError> {
        let Read { value, index } = agent.entries(&name, None).await?;
        let mut decoded = Decoded::default();
        let known = Catalogue::new(decoded.decode(&name, &value));
        let changes = VecDeque::from([Change::Resync(known.records())]);
        Ok(Self { agent, name, index, decoded, known, changes, query: None })
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let query = self.query.get_or_insert_with(|| {
                let (agent, name, index) = (self.agent.clone(), self.name.clone(), self.index);
                Box::pin(async move { agent.entries(&name, Some(index)).await })
            });
            let read = query.await;
            self.query = None;
            let read = read?;
            if read.index < self.index {
                // An agent that lost its state may give an index to another record.
                self.decoded = Decoded::default();
            }
            let Read { value, index } = read.after(self.index);
            self.index = index;
            let before = self.known.clone();
            self.known.apply(Change::Resync(self.decoded.decode(&self.name, &value)));
            self.changes.extend(self.known.changes_since(&before));
        }
    }
}

impl Watch for ServiceWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}
