//! Following one service.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{BoxFuture, Change, RegistryError, Service, Watch, diff, merge};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::agent::{Agent, Read};

/// What was known of services when their watches broke.
#[derive(Debug)]
pub(super) struct Memory {
    grace: Duration,
    known: Mutex<HashMap<String, Vec<Service>>>,
}

impl Memory {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, known: Mutex::default() }
    }
}

/// A watch on one service: a blocking query after the other.
pub(super) struct ServiceWatch {
    agent: Agent,
    name: String,
    memory: Arc<Memory>,
    index: u64,
    /// As Consul says.
    present: Vec<Service>,
    /// As whoever watches has been told.
    told: Vec<Service>,
    changes: VecDeque<Change>,
    kept: Option<Kept>,
    /// Kept between two calls of `next`, whose futures may be dropped.
    query: Option<BoxFuture<'static, Result<Read<Vec<Service>>, RegistryError>>>,
}

/// What Consul does not know any more, and may soon know again.
struct Kept {
    services: Vec<Service>,
    until: Instant,
}

impl ServiceWatch {
    pub(super) async fn open(
        agent: Agent,
        name: String,
        memory: Arc<Memory>,
    ) -> Result<Self, RegistryError> {
        let Read { value, index } = agent.health(&name, None).await?;
        let known = memory.known.lock().remove(&name);
        let until = Instant::now() + memory.grace;
        let mut watch = Self {
            agent,
            name,
            memory,
            index,
            present: value,
            told: Vec::new(),
            changes: VecDeque::new(),
            kept: known.map(|services| Kept { services, until }),
            query: None,
        };
        watch.told = watch.view();
        watch.changes.push_back(Change::Resync(watch.told.clone()));
        Ok(watch)
    }

    /// What there is: Consul's view, and what is kept beside it.
    fn view(&mut self) -> Vec<Service> {
        let Some(kept) = &mut self.kept else { return self.present.clone() };
        let is_back = |id: &str| {
            self.present.iter().any(|service| service.nodes.iter().any(|node| node.id == id))
        };
        for service in &mut kept.services {
            service.nodes.retain(|node| !is_back(&node.id));
        }
        kept.services.retain(|service| !service.nodes.is_empty());
        let mut view = kept.services.clone();
        for service in &self.present {
            merge(&mut view, service.clone());
        }
        if kept.services.is_empty() {
            self.kept = None;
        }
        view
    }

    fn tell(&mut self) {
        let view = self.view();
        self.changes.extend(diff(&self.told, &view));
        self.told = view;
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let query = self.query.get_or_insert_with(|| {
                let (agent, name, index) = (self.agent.clone(), self.name.clone(), self.index);
                Box::pin(async move { agent.health(&name, Some(index)).await })
            });
            let over = self.kept.as_ref().map(|kept| kept.until);
            let grace_ends = async {
                match over {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = query => {
                    self.query = None;
                    self.took(read)?;
                }
                () = grace_ends => self.kept = None,
            }
            self.tell();
        }
    }

    fn took(
        &mut self,
        read: Result<Read<Vec<Service>>, RegistryError>,
    ) -> Result<(), RegistryError> {
        match read {
            Ok(Read { value, index }) => {
                // An index that goes back, or is none, says nothing about what was missed.
                self.index = if index < self.index { 0 } else { index };
                self.present = value;
                Ok(())
            }
            Err(error) => {
                let known = std::mem::take(&mut self.told);
                self.memory.known.lock().insert(self.name.clone(), known);
                Err(error)
            }
        }
    }
}

impl Watch for ServiceWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}
