//! Following all services, with two blocking queries.
//!
//! One tells of records that changed, the other of leases that began or ended. Only the services
//! that they name are read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use callboard_actors::registry::{BoxFuture, Change, RegistryError, Service, Watch, diff};
use serde::Deserialize;

use super::agent::{Agent, Read};
use super::fetch;

/// The tags of each service, as the catalogue has them.
type Catalog = BTreeMap<String, Vec<String>>;

/// The states of each service's checks.
type States = BTreeMap<String, BTreeSet<(String, String, u64)>>;

/// A check, as `/v1/health/state/any` has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    #[serde(default)]
    service_name: String,
    status: String,
    #[serde(default)]
    create_index: u64,
}

/// A watch on all services.
pub(super) struct AllWatch {
    agent: Agent,
    catalog: Read<Catalog>,
    states: Read<States>,
    services: Vec<Service>,
    changes: VecDeque<Change>,
    query: Option<BoxFuture<'static, Result<News, RegistryError>>>,
}

enum News {
    Catalog(Read<Catalog>),
    States(Read<States>),
}

impl AllWatch {
    pub(super) async fn open(agent: Agent) -> Result<Self, RegistryError> {
        // The states first: what changes after them is found by the next query.
        let states = read_states(&agent, None).await?;
        let catalog = agent.catalog(None).await?;
        let services = fetch(&agent, catalog.value.keys().cloned()).await?;
        let changes = VecDeque::from([Change::Resync(services.clone())]);
        Ok(Self { agent, catalog, states, services, changes, query: None })
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let (catalog, states) = (self.catalog.index, self.states.index);
            let agent = self.agent.clone();
            let query = self.query.get_or_insert_with(|| Box::pin(next(agent, catalog, states)));
            let news = query.await;
            self.query = None;
            let names = self.take(news?);
            let fresh = fetch(&self.agent, names.clone()).await?;
            let is_named = |service: &Service| names.contains(&service.name);
            let before: Vec<_> = self.services.iter().filter(|it| is_named(it)).cloned().collect();
            self.changes.extend(diff(&before, &fresh));
            self.services.retain(|service| !is_named(service));
            self.services.extend(fresh);
        }
    }

    /// Takes what is new; the names of the services that it is about.
    fn take(&mut self, news: News) -> BTreeSet<String> {
        match news {
            News::Catalog(read) => replace(&mut self.catalog, read),
            News::States(read) => replace(&mut self.states, read),
        }
    }
}

impl Watch for AllWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}

/// Whichever of the two queries has news first.
async fn next(agent: Agent, catalog: u64, states: u64) -> Result<News, RegistryError> {
    tokio::select! {
        read = agent.catalog(Some(catalog)) => read.map(News::Catalog),
        read = read_states(&agent, Some(states)) => read.map(News::States),
    }
}

async fn read_states(agent: &Agent, after: Option<u64>) -> Result<Read<States>, RegistryError> {
    let Read { value, index } = agent.query::<Vec<Check>>("/v1/health/state/any", after).await?;
    let mut states = States::new();
    for check in value {
        let of_service = states.entry(check.service_name).or_default();
        of_service.insert((check.id, check.status, check.create_index));
    }
    Ok(Read { value: states, index })
}

/// Replaces a table; the names whose entries differ.
fn replace<T: PartialEq>(
    old: &mut Read<BTreeMap<String, T>>,
    new: Read<BTreeMap<String, T>>,
) -> BTreeSet<String> {
    let names = old.value.keys().chain(new.value.keys());
    let differs = |name: &&String| old.value.get(*name) != new.value.get(*name);
    let changed = names.filter(differs).cloned().collect();
    *old = new.after(old.index);
    changed
}
