//! The registry `consul`: nodes as services of a Consul agent, over its HTTP API.
//!
//! Records are written as Go Micro writes them, so that its nodes and callboard's find each other;
//! what callboard needs beyond that is in labels that Go Micro hands through. A node of Go Micro
//! is seen with an address of [`GoMicroTransport`](crate::transport::GoMicroTransport).
//!
//! A lease is a check with a TTL: renewing it is one small request, and the record is written again
//! only when it differs or Consul has lost it. Watches are blocking queries: one per service, two
//! for all services together, however many there are.
//!
//! Sources: Consul's HTTP API, version 1, as of 1.8; Go Micro's Consul registry.

mod agent;
mod all;
mod endpoint;
mod environment;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod options;
mod record;
mod tags;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{
    BoxFuture, NodeInfo, Registry, RegistryError, Service, Watch, WatchScope,
};
use futures_util::{StreamExt, stream};
use hyper::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::agent::Agent;
pub use self::options::ConsulOptions;
use self::watch::ServiceWatch;

/// A registry in Consul.
///
/// ```no_run
/// use callboard::ServiceSystem;
/// use callboard::registry::{ConsulOptions, ConsulRegistry};
///
/// # fn main() -> Result<(), callboard::Error> {
/// let registry = ConsulRegistry::new(ConsulOptions::new("127.0.0.1:8500").token("secret"))?;
/// let system = ServiceSystem::new("greeter").registry(registry);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConsulRegistry {
    agent: Agent,
    /// What was written last, by its key; only what has to be written again is.
    written: Mutex<HashMap<String, Written>>,
}

/// A record that Consul holds for us.
#[derive(Debug)]
struct Written {
    record: String,
    /// When its lease ends unless it is renewed.
    until: Instant,
}

impl ConsulRegistry {
    /// Creates a registry; Consul is not asked for anything yet.
    ///
    /// # Errors
    /// [`RegistryError::Misconfigured`]: the address cannot be one of an agent.
    pub fn new(options: ConsulOptions) -> Result<Self, RegistryError> {
        let agent = Agent::new(options)?;
        Ok(Self { agent, written: Mutex::default() })
    }

    async fn write(&self, service: &Service, ttl: Duration) -> Result<(), RegistryError> {
        let invalid = |reason| RegistryError::Invalid {
            registry: NAME,
            service: service.name.clone(),
            reason,
        };
        if !agent::is_expressible(&service.name) {
            let reason = "Consul cannot be asked for a name with empty parts, `.` or `..`";
            return Err(invalid(reason.to_owned()));
        }
        for node in &service.nodes {
            let key = record::key(service, node);
            let record = record::encode(service, node, ttl).map_err(invalid)?;
            let is_known = self.written.lock().get(&key).is_some_and(|it| it.record == record);
            if !is_known || !self.pass(&key).await? {
                let path = "/v1/agent/service/register";
                let reply = self.agent.put(path, record.clone()).await?;
                if reply.is_of_record(&self.agent) {
                    return Err(invalid(format!("{}: {}", reply.status, reply.text())));
                }
                reply.expect_ok(&self.agent)?;
                if !self.pass(&key).await? {
                    return Err(self.lost(&key, node));
                }
            }
            let written = Written { record, until: Instant::now() + ttl };
            self.written.lock().insert(key, written);
        }
        Ok(())
    }

    async fn renew_all(&self, service: &Service, ttl: Duration) -> Result<(), RegistryError> {
        for node in &service.nodes {
            let key = record::key(service, node);
            // A lease that has ended would be revived, though others have seen the node go.
            let is_over = self.written.lock().get(&key).is_some_and(|it| it.until < Instant::now());
            if is_over {
                return Err(self.lost(&key, node));
            }
            if !self.pass(&key).await? {
                return Err(self.lost(&key, node));
            }
            if let Some(written) = self.written.lock().get_mut(&key) {
                written.until = Instant::now() + ttl;
            }
        }
        Ok(())
    }

    fn lost(&self, key: &str, node: &NodeInfo) -> RegistryError {
        self.written.lock().remove(key);
        RegistryError::LeaseLost { registry: NAME, node: node.id.clone() }
    }

    /// Keeps a lease alive; false when Consul does not know it.
    async fn pass(&self, key: &str) -> Result<bool, RegistryError> {
        let path = format!("/v1/agent/check/pass/service:{}", agent::segment(key));
        let reply = self.agent.put(&path, String::new()).await?;
        // Consul of 1.8 answers 500 for a check that it does not know, later ones 404.
        let text = reply.text();
        let is_unknown = reply.status == StatusCode::NOT_FOUND
            || text.contains("does not have associated TTL")
            || text.contains("nknown check");
        if !is_unknown {
            reply.expect_ok(&self.agent)?;
        }
        Ok(!is_unknown)
    }

    async fn remove(&self, service: &Service) -> Result<(), RegistryError> {
        for node in &service.nodes {
            let key = record::key(service, node);
            self.written.lock().remove(&key);
            let path = format!("/v1/agent/service/deregister/{}", agent::segment(&key));
            let reply = self.agent.put(&path, String::new()).await?;
            let is_gone =
                reply.status == StatusCode::NOT_FOUND || reply.text().contains("nknown service");
            if !is_gone {
                reply.expect_ok(&self.agent)?;
            }
        }
        Ok(())
    }

    async fn read(&self, name: &str) -> Result<Vec<Service>, RegistryError> {
        if !agent::is_expressible(name) {
            return Ok(Vec::new());
        }
        self.agent.health(name).await
    }

    async fn read_all(&self) -> Result<Vec<Service>, RegistryError> {
        let names = self.agent.names().await?;
        fetch(&self.agent, names).await
    }
}

/// Reads services, a few at a time, however many there are.
async fn fetch(
    agent: &Agent,
    names: impl IntoIterator<Item = String>,
) -> Result<Vec<Service>, RegistryError> {
    let reads = names.into_iter().map(|name| async move { agent.health(&name).await });
    let mut reads = stream::iter(reads).buffered(READS_AT_ONCE);
    let mut services = Vec::new();
    while let Some(read) = reads.next().await {
        services.extend(read?);
    }
    Ok(services)
}

/// Opens the registry for a setting, and for what Consul's own tools take from the environment.
pub(crate) fn open(address: Option<&str>) -> Result<Arc<dyn Registry>, RegistryError> {
    let options = ConsulOptions::from_environment(address, |name| std::env::var(name).ok());
    Ok(Arc::new(ConsulRegistry::new(options?)?))
}

impl Registry for ConsulRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> String {
        self.agent.address().to_owned()
    }

    fn register(
        &self,
        service: Service,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move { self.write(&service, ttl).await })
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move { self.renew_all(&service, ttl).await })
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move { self.remove(&service).await })
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(async move { self.read(&name).await })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(self.read_all())
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        Box::pin(async move {
            Ok(match scope {
                WatchScope::Service(name) => {
                    Box::new(ServiceWatch::open(self.agent.clone(), name).await?) as Box<dyn Watch>
                }
                WatchScope::All => Box::new(all::AllWatch::open(self.agent.clone()).await?),
            })
        })
    }
}

/// Services read at the same time, when many are.
const READS_AT_ONCE: usize = 16;

const NAME: &str = "consul";
