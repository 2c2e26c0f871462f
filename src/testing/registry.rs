//! One node's way to the world's registry, which can be cut.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{
    BoxFuture, Change, MemoryRegistry, Registry, RegistryError, Service, Watch, WatchScope,
};
use tokio::sync::watch;

/// Whether a node reaches the registry; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Access {
    is_cut: Arc<watch::Sender<bool>>,
}

impl Access {
    pub(super) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }

    /// Runs an operation that fails as soon as the registry cannot be reached.
    async fn through<T>(
        &self,
        operation: BoxFuture<'_, Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let mut is_cut = self.is_cut.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as `self`, so this is not about its end.
            _ = is_cut.wait_for(|is_cut| *is_cut) => Err(RegistryError::Unavailable {
                registry: NAME,
                address: String::from("this process"),
                reason: String::from("the node is isolated"),
            }),
            result = operation => result,
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Self { is_cut: Arc::new(watch::Sender::new(false)) }
    }
}

/// The world's registry as one node sees it.
#[derive(Debug)]
pub(super) struct NodeRegistry {
    registry: MemoryRegistry,
    access: Access,
}

impl NodeRegistry {
    pub(super) fn new(registry: MemoryRegistry, access: Access) -> Self {
        Self { registry, access }
    }
}

impl Registry for NodeRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> String {
        self.registry.address()
    }

    fn register(
        &self,
        service: Service,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.access.through(self.registry.register(service, ttl)))
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.access.through(self.registry.renew(service, ttl)))
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.access.through(self.registry.deregister(service)))
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(self.access.through(self.registry.get(name)))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(self.access.through(self.registry.list()))
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        Box::pin(async move {
            let watch = self.access.through(self.registry.watch(scope)).await?;
            Ok(Box::new(NodeWatch { watch, access: self.access.clone() }) as Box<dyn Watch>)
        })
    }
}

/// A watch that ends when its node is cut off.
struct NodeWatch {
    watch: Box<dyn Watch>,
    access: Access,
}

impl Watch for NodeWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.access.through(self.watch.next()))
    }
}

const NAME: &str = "memory";
