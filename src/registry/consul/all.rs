//! Following all services, with two blocking queries.
//!
//! One tells of records that changed, the other of leases that began or ended. Only the services
//! that they name are read. A node without a lease, as Go Micro may register it, whose labels are
//! those of another one is named by neither: Consul only tells that there is something. So after a
//! change of records all services are read, too, on average not more than twenty a second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{BoxFuture, Catalogue, Change, RegistryError, Service, Watch};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::agent::{Agent, Read, is_expressible};
use super::fetch;

/// The tags of each service, as the catalogue has them.
type Catalog = BTreeMap<String, BTreeSet<String>>;

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
    catalog: Arc<Read<Catalog>>,
    states: Arc<Read<States>>,
    known: Catalogue,
    changes: VecDeque<Change>,
    query: Option<BoxFuture<'static, Result<News, RegistryError>>>,
    look: Look,
}

/// When all services are read.
#[derive(Debug, Clone, Copy)]
struct Look {
    last: Instant,
    next: Option<Instant>,
}

impl Look {
    /// As soon as may be; the more services there are, the more seldom.
    fn plan(&mut self, services: usize) {
        let pause = EACH.saturating_mul(u32::try_from(services).unwrap_or(u32::MAX));
        self.next.get_or_insert(self.last + pause);
    }
}

/// What a look found.
struct News {
    catalog: Arc<Read<Catalog>>,
    states: Arc<Read<States>>,
    /// Of the services that may have changed.
    names: BTreeSet<String>,
    /// As they are now.
    services: Vec<Service>,
    source: Source,
}

/// Where news come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Catalog,
    States,
    /// Reading all services.
    Look,
}

impl AllWatch {
    pub(super) async fn open(agent: Agent) -> Result<Self, RegistryError> {
        // The states first: what changes after them is found by the next query.
        let states = Arc::new(read_states(&agent, None).await?);
        let catalog = Arc::new(agent.catalog(None).await?);
        let services = fetch(&agent, catalog.value.keys().cloned()).await?;
        let known = Catalogue::new(services);
        let changes = VecDeque::from([Change::Resync(known.records())]);
        let look = Look { last: Instant::now(), next: None };
        Ok(Self { agent, catalog, states, known, changes, query: None, look })
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Ok(change);
            }
            let (agent, catalog, states) =
                (self.agent.clone(), Arc::clone(&self.catalog), Arc::clone(&self.states));
            // Reads what is new to its end: dropped in between, it would be lost.
            let look = self.look.next;
            let query =
                self.query.get_or_insert_with(|| Box::pin(next(agent, catalog, states, look)));
            let news = query.await;
            self.query = None;
            let News { catalog, states, names, services, source } = news?;
            match source {
                Source::Look => self.look = Look { last: Instant::now(), next: None },
                // Beside those that differ there may be one that does not.
                Source::Catalog if catalog.index != self.catalog.index => {
                    self.look.plan(catalog.value.len());
                }
                Source::Catalog | Source::States => {}
            }
            (self.catalog, self.states) = (catalog, states);
            let before = self.known.clone();
            self.known.replace(services, |service| names.contains(&service.name));
            self.changes.extend(self.known.changes_since(&before));
        }
    }
}

impl Watch for AllWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}

/// Whichever of the two queries has news first, and the services that it is about.
async fn next(
    agent: Agent,
    mut catalog: Arc<Read<Catalog>>,
    mut states: Arc<Read<States>>,
    look: Option<Instant>,
) -> Result<News, RegistryError> {
    let (source, names) = tokio::select! {
        // Of services that are new the catalogue tells.
        () = reached(look) => (Source::Look, catalog.value.keys().cloned().collect()),
        read = agent.catalog(Some(catalog.index)) => {
            let read = read?.after(catalog.index);
            let names = changed(&catalog.value, &read.value);
            catalog = Arc::new(read);
            (Source::Catalog, names)
        }
        read = read_states(&agent, Some(states.index)) => {
            let read = read?.after(states.index);
            let names = changed(&states.value, &read.value);
            states = Arc::new(read);
            (Source::States, names)
        }
    };
    if names.is_empty() {
        // Nothing of ours. In a busy datacenter there is always something.
        sleep(PAUSE).await;
    }
    let services = fetch(&agent, names.iter().cloned()).await?;
    Ok(News { catalog, states, names, services, source })
}

async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn read_states(agent: &Agent, after: Option<u64>) -> Result<Read<States>, RegistryError> {
    let Read { value, index } = agent.query::<Vec<Check>>("/v1/health/state/any", after).await?;
    let mut states = States::new();
    // A check of no service is one of its machine.
    for check in value.into_iter().filter(|check| is_expressible(&check.service_name)) {
        let of_service = states.entry(check.service_name).or_default();
        of_service.insert((check.id, check.status, check.create_index));
    }
    Ok(Read { value: states, index })
}

/// The names whose entries differ.
fn changed<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> BTreeSet<String> {
    let differs = |name: &&String| old.get(*name) != new.get(*name);
    old.keys().chain(new.keys()).filter(differs).cloned().collect()
}

/// Time that reading all services is put off for each of them.
const EACH: Duration = Duration::from_millis(50);

/// Time between two looks at what turned out to be nothing new.
const PAUSE: Duration = Duration::from_millis(200);
