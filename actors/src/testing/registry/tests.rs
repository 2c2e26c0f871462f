//! That the suite finds what is wrong with a registry.

use parking_lot::Mutex;

use super::*;
use crate::registry::{
    Catalogue, Change, MemoryRegistry, RegistryError, Service, VersionView, Watch, WatchScope,
};

#[tokio::test(start_paused = true)]
async fn a_registry_in_memory_has_every_property() {
    all(&Memory::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_forgets_when_it_restarts_has_every_property() {
    all(&Memory { forgets: true, ..Memory::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_registry_has_every_property() {
    all(&Memory { delay: Duration::from_millis(20), ..Memory::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_has_whole_lists_only_has_every_property() {
    all(&Faulty::new(Fault::None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_only_registry_is_asked_only_to_read() {
    all(&Fixed).await;
}

#[tokio::test(start_paused = true)]
async fn each_broken_promise_is_found_and_named() {
    let cases = [
        (Fault::RenewsTheUnknown, "renewing_the_unknown_says_so"),
        (Fault::NeverExpires, "watch_tells_of_an_expiry"),
        (Fault::NeverExpires, "expires_after_its_ttl"),
        (Fault::ForgetsToRenew, "renewal_keeps_a_lease"),
        (Fault::KeepsTheWithdrawn, "deregistration_is_seen_and_repeatable"),
        (Fault::WatchesAll, "watch_of_one_sees_only_that"),
        (Fault::ListsNothing, "lists_every_version_once"),
        (Fault::CutsRecords, "large_records_survive"),
        (Fault::WritesOnce, "update_is_seen"),
        (Fault::ForgetsToRenew, "a_lease_that_was_lost_is_told_and_begins_anew"),
        (Fault::ForgetsToRenew, "nodes_and_watches_outlive_the_loss_of_everything"),
        (Fault::WatchesOnce, "nodes_and_watches_outlive_the_loss_of_everything"),
        (Fault::TellsOfOthers, "watch_tells_of_one_node_among_others"),
    ];
    for (fault, property) in cases {
        let found = AssertUnwindSafe(all(&Faulty::new(fault))).catch_unwind().await;
        let found = found.err().map(|panic| text(&*panic).to_owned()).unwrap_or_default();
        assert!(found.contains(&format!("{property}: ")), "{fault:?} is not found: {found}");
    }
}

#[derive(Default)]
struct Memory {
    forgets: bool,
    delay: Duration,
    last: Mutex<MemoryRegistry>,
}

impl Harness for Memory {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        let registry = MemoryRegistry::new();
        registry.delay(self.delay);
        *self.last.lock() = registry.clone();
        Box::pin(async { Pair { one: Arc::new(registry.clone()), other: Arc::new(registry) } })
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn restart(&self) -> BoxFuture<'_, ()> {
        let registry = self.last.lock().clone();
        registry.outage();
        if self.forgets {
            registry.forget_all();
        }
        registry.restore();
        Box::pin(async {})
    }

    fn can_lose_everything(&self) -> bool {
        true
    }

    fn lose_everything(&self) -> BoxFuture<'_, ()> {
        let registry = self.last.lock().clone();
        registry.outage();
        registry.forget_all();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            registry.restore();
        })
    }
}

struct Fixed;

impl Harness for Fixed {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        Box::pin(async {
            let registry = Arc::new(MemoryRegistry::new());
            probe::must(registry.register(probe::record("1", "a"), probe::LONG).await, "to fill");
            Pair { one: registry.clone(), other: registry }
        })
    }

    fn can_register(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It tells whole lists instead of changes, which is none.
    None,
    RenewsTheUnknown,
    NeverExpires,
    ForgetsToRenew,
    KeepsTheWithdrawn,
    WatchesAll,
    ListsNothing,
    CutsRecords,
    WritesOnce,
    WatchesOnce,
    TellsOfOthers,
}

struct Faulty {
    fault: Fault,
    memory: Memory,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { fault, memory: Memory::default() }
    }
}

impl Harness for Faulty {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        let inner = MemoryRegistry::new();
        *self.memory.last.lock() = inner.clone();
        let registry = Arc::new(FaultyRegistry { fault: self.fault, inner });
        Box::pin(async { Pair { one: registry.clone(), other: registry } })
    }

    fn can_lose_everything(&self) -> bool {
        true
    }

    fn lose_everything(&self) -> BoxFuture<'_, ()> {
        self.memory.lose_everything()
    }
}

struct FaultyRegistry {
    fault: Fault,
    inner: MemoryRegistry,
}

impl FaultyRegistry {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

impl Registry for FaultyRegistry {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn register(
        &self,
        mut service: Service,
        mut ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        if self.has(Fault::CutsRecords) {
            service.metadata.retain(|_, value| value.len() < 10_000);
        }
        if self.has(Fault::NeverExpires) {
            ttl *= 1000;
        }
        Box::pin(async move {
            let renewed = self.inner.renew(service.clone(), ttl).await;
            if self.has(Fault::WritesOnce) && renewed.is_ok() {
                Ok(())
            } else {
                self.inner.register(service, ttl).await
            }
        })
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        match self.fault {
            Fault::RenewsTheUnknown => self.inner.register(service, ttl),
            Fault::ForgetsToRenew => Box::pin(async { Ok(()) }),
            _ => self.inner.renew(service, ttl),
        }
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        if self.has(Fault::KeepsTheWithdrawn) {
            Box::pin(async { Ok(()) })
        } else {
            self.inner.deregister(service)
        }
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        self.inner.get(name)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        if self.has(Fault::ListsNothing) {
            Box::pin(async { Ok(Vec::new()) })
        } else {
            self.inner.list()
        }
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        let scope = if self.has(Fault::WatchesAll) { WatchScope::All } else { scope };
        Box::pin(async move {
            let watch = self.inner.watch(scope).await?;
            Ok(match self.fault {
                Fault::WatchesOnce => Box::new(Endless(watch)) as Box<dyn Watch>,
                Fault::None | Fault::TellsOfOthers => {
                    let (known, is_change) = (Catalogue::default(), self.has(Fault::TellsOfOthers));
                    Box::new(Whole { watch, known, is_change })
                }
                _ => watch,
            })
        })
    }
}

/// A watch that does not tell that it is over.
struct Endless(Box<dyn Watch>);

impl Watch for Endless {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(async {
            match self.0.next().await {
                Ok(change) => Ok(change),
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// A watch that tells of all nodes when one changes: as a whole list, or as a change of each.
struct Whole {
    watch: Box<dyn Watch>,
    known: Catalogue,
    is_change: bool,
}

impl Watch for Whole {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(async {
            let change = self.watch.next().await?;
            self.known.apply(change.clone());
            Ok(match change {
                Change::Updated(one) if self.is_change => {
                    Change::Updated(self.known.version(&one).map_or(one, VersionView::record))
                }
                other if self.is_change => other,
                _ => Change::Resync(self.known.records()),
            })
        })
    }
}
