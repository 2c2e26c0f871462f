//! Following one service.

use std::collections::VecDeque;

use callboard_actors::registry::{BoxFuture, Change, RegistryError, Service, Watch, diff};

use super::agent::{Agent, Read};

/// A watch on one service: a blocking query after the other.
pub(super) struct ServiceWatch {
    agent: Agent,
    name: String,
    known: Read<Vec<Service>>,
    changes: VecDeque<Change>,
    /// Kept between two calls of `next`, whose futures may be dropped.
    query: Option<BoxFuture<'static, Result<Read<Vec<Service>>, RegistryError>>>,
}

impl ServiceWatch {
    pub(super) async fn open(agent: Agent, name: String) -> Result<Self, RegistryError> {
        let known = agent.health(&name, None).await?;
        let changes = VecDeque::from([Change::Resync(known.value.clone())]);
        Ok(Self { agent, name, known, changes, query: None })
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let query = self.query.get_or_insert_with(|| {
                let (agent, name) = (self.agent.clone(), self.name.clone());
                let index = self.known.index;
                Box::pin(async move { agent.health(&name, Some(index)).await })
            });
            let read = query.await;
            self.query = None;
            let read = read?.after(self.known.index);
            self.changes.extend(diff(&self.known.value, &read.value));
            self.known = read;
        }
    }
}

impl Watch for ServiceWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}
