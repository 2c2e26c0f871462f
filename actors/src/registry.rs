//! The registry port: where nodes are announced and found.
//!
//! A registration is a lease: the registry forgets it when its TTL passes without a renewal. The
//! conformance suite in [`testing::registry`](crate::testing::registry) is the contract in code.

mod catalogue;
mod change;
mod memory;
mod schema;
mod service;
mod version;
mod watcher;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

pub use self::catalogue::Catalogue;
pub use self::change::Change;
pub use self::memory::MemoryRegistry;
pub use self::schema::Schema;
pub use self::service::{EndpointInfo, EndpointKind, NodeInfo, Service};
pub use self::version::VersionView;
pub use self::watcher::{
    Freshness, Lookup, LookupError, ServiceView, Subscribe, Unsubscribe, ViewChanged, Watcher,
    WatcherOptions, WatcherState,
};

/// A future that a port returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where nodes are announced and found.
///
/// Object-safe and shared: one value serves a whole node. Every method may be called from any
/// arbiter, and dropping a returned future leaves the registry as it was or as it was asked to be,
/// never in between.
pub trait Registry: Send + Sync + 'static {
    /// The name used in settings and messages, e.g. `mdns`.
    fn name(&self) -> &'static str;

    /// Where it is, for messages; empty when it is nowhere in particular.
    fn address(&self) -> String {
        String::new()
    }

    /// When its answers may first be taken for complete, while that lies ahead.
    ///
    /// None, unless it says otherwise: a registry that asks others learns of them one by one. Who
    /// must reach all nodes, not just one, waits for it.
    fn complete_at(&self) -> Option<Instant> {
        None
    }

    /// Announces `service`, which carries exactly the nodes of the caller, for `ttl`.
    ///
    /// Repeating it renews the lease, and rewrites the record where it differs. A node is known by
    /// its id: registering it again under the same name and version replaces it.
    fn register(&self, service: Service, ttl: Duration)
    -> BoxFuture<'_, Result<(), RegistryError>>;

    /// Keeps an unchanged registration alive for another `ttl`.
    ///
    /// # Errors
    /// [`RegistryError::LeaseLost`] when the registry does not know it (any more): register again.
    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// Withdraws the nodes of `service`. Withdrawing what is not there succeeds.
    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// The service of that name: one [`Service`] per version, nodes merged; empty when unknown.
    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>>;

    /// All services, one per name and version.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>>;

    /// Follows one service, or all.
    ///
    /// The first change is a [`Change::Resync`] with what is known now. Those that follow are about
    /// the nodes that changed, or resyncs again where only whole lists are known.
    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>>;
}

/// What a watch follows.
///
/// ```
/// use callboard_actors::registry::WatchScope;
///
/// assert!(WatchScope::Service("greeter".into()).covers("greeter"));
/// assert!(WatchScope::All.covers("anything"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WatchScope {
    /// The service of this name.
    Service(String),
    /// Every service.
    All,
}

impl WatchScope {
    /// Whether a service of this name belongs to it.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::Service(own) => own == name,
            Self::All => true,
        }
    }
}

/// A running watch; dropping it ends it.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::registry::{Change, MemoryRegistry, NodeInfo, Registry, Service, WatchScope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), callboard_actors::registry::RegistryError> {
/// let registry = MemoryRegistry::new();
/// let mut watch = registry.watch(WatchScope::All).await?;
/// assert_eq!(watch.next().await?, Change::Resync(vec![]));
///
/// let greeter = Service::new("greeter", "1").node(NodeInfo::new("greeter-1", "127.0.0.1:9000"));
/// registry.register(greeter.clone(), Duration::from_secs(30)).await?;
/// assert_eq!(watch.next().await?, Change::Created(greeter));
/// # Ok(())
/// # }
/// ```
pub trait Watch: Send {
    /// The next change.
    ///
    /// # Cancellation
    /// Dropping the future loses no change.
    ///
    /// # Errors
    /// After an error the watch is over; watch again.
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>>;
}

/// Why a registry did not do what it was asked.
///
/// ```
/// use callboard_actors::registry::RegistryError;
///
/// let lost = RegistryError::LeaseLost { registry: "memory", node: "greeter-1".into() };
/// assert!(lost.is_retryable());
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It cannot be reached or does not answer; trying again makes sense.
    #[error("registry {registry} at {address} is unavailable: {reason}")]
    Unavailable {
        /// The registry's name.
        registry: &'static str,
        /// Where it was looked for.
        address: String,
        /// What failed.
        reason: String,
    },
    /// It does not let us; trying again does not help until somebody allows it.
    #[error("registry {registry} at {address} refuses access: {reason}")]
    Forbidden {
        /// The registry's name.
        registry: &'static str,
        /// Where it is.
        address: String,
        /// What it says.
        reason: String,
    },
    /// It answers, but not to what it is asked; trying again does not help until a setting changes.
    #[error("registry {registry} at {address} cannot be used like this: {reason}")]
    Misconfigured {
        /// The registry's name.
        registry: &'static str,
        /// Where it is.
        address: String,
        /// What it says, and what to change.
        reason: String,
    },
    /// It forgot the registration; register again.
    #[error("registry {registry} does not hold a lease for node {node}")]
    LeaseLost {
        /// The registry's name.
        registry: &'static str,
        /// The node's id.
        node: String,
    },
    /// The record cannot be stored as it is; trying again does not help.
    #[error("registry {registry} refused the record of {service}: {reason}")]
    Invalid {
        /// The registry's name.
        registry: &'static str,
        /// The service's name.
        service: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A watch has ended; watch again.
    #[error("watch on registry {registry} ended: {reason}")]
    WatchEnded {
        /// The registry's name.
        registry: &'static str,
        /// Why.
        reason: String,
    },
    /// The registry does not do this, e.g. register in a fixed list.
    #[error("registry {registry} does not support {operation}")]
    Unsupported {
        /// The registry's name.
        registry: &'static str,
        /// What was asked.
        operation: &'static str,
    },
}

impl RegistryError {
    /// Whether repeating the same operation later may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::WatchEnded { .. } | Self::LeaseLost { .. })
    }
}
