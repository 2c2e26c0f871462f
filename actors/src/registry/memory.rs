//! A registry in memory, for nodes of one process and for tests.
//!
//! It keeps leases on tokio's time, so that paused time runs them out at once, and it has faults to
//! inject. Nothing survives the last handle.

mod leases;
mod watch;
mod watches;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use self::leases::{Leases, text_bytes};
use self::watch::{MemoryWatch, WatchQueue};
use self::watches::Watches;
use super::{BoxFuture, Change, Registry, RegistryError, Service, Watch, WatchScope};

/// A registry in memory; clones share one content.
///
/// A lease is gone at its TTL for whoever asks, and watches tell of it then. A watch that is not
/// read keeps 256 changes, then one [`Change::Resync`] in their place.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::registry::{MemoryRegistry, NodeInfo, Registry, RegistryError, Service};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RegistryError> {
/// let registry = MemoryRegistry::new();
/// let greeter = Service::new("greeter", "1").node(NodeInfo::new("greeter-1", "127.0.0.1:9000"));
/// registry.register(greeter.clone(), Duration::from_secs(30)).await?;
/// assert_eq!(registry.get("greeter".into()).await?, [greeter]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryRegistry {
    shared: Arc<Shared>,
}

impl MemoryRegistry {
    /// Text of a record, in bytes: 64 KiB, as for every registry.
    pub const MAX_RECORD: usize = 64 * 1024;

    /// Leases held at once; far more than one process has nodes.
    pub const MAX_LEASES: usize = 65_536;

    /// Creates an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                began: Instant::now(),
                state: Mutex::default(),
                counts: Counts::default(),
            }),
        }
    }

    /// Begins an outage: operations fail and watches end, until [`restore`](Self::restore).
    ///
    /// Leases are kept and run out as ever.
    pub fn outage(&self) {
        let mut state = self.shared.state.lock();
        state.outage = true;
        state.watches.end();
    }

    /// Ends an outage.
    pub fn restore(&self) {
        self.shared.state.lock().outage = false;
    }

    /// Loses every lease of the node `id`, as if it had run out.
    pub fn forget(&self, id: &str) {
        let mut state = self.shared.state.lock();
        let changes = state.leases.forget(id);
        state.tell(changes);
    }

    /// Loses every lease.
    ///
    /// Between [`outage`](Self::outage) and [`restore`](Self::restore) this is a restart of a
    /// registry that keeps nothing.
    pub fn forget_all(&self) {
        let mut state = self.shared.state.lock();
        let changes = state.leases.forget_all();
        state.tell(changes);
    }

    /// Makes every operation from now on take at least `delay`; zero by default.
    ///
    /// What a running watch delivers is not delayed.
    pub fn delay(&self, delay: Duration) {
        self.shared.state.lock().delay = delay;
    }

    /// How often `register` was asked, failures included.
    #[must_use]
    pub fn registrations(&self) -> u64 {
        self.shared.counts.registrations.load(Ordering::Relaxed)
    }

    /// How often `renew` was asked, failures included.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        self.shared.counts.renewals.load(Ordering::Relaxed)
    }

    /// How often `deregister` was asked, failures included.
    #[must_use]
    pub fn deregistrations(&self) -> u64 {
        self.shared.counts.deregistrations.load(Ordering::Relaxed)
    }

    /// How often `get` was asked, failures included.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.shared.counts.lookups.load(Ordering::Relaxed)
    }

    /// How often `list` was asked, failures included.
    #[must_use]
    pub fn lists(&self) -> u64 {
        self.shared.counts.lists.load(Ordering::Relaxed)
    }

    /// How often `watch` was asked, failures included.
    #[must_use]
    pub fn watches(&self) -> u64 {
        self.shared.counts.watches.load(Ordering::Relaxed)
    }

    /// How many watches are running.
    #[must_use]
    pub fn open_watches(&self) -> usize {
        self.shared.state.lock().watches.len()
    }
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("MemoryRegistry")
            .field("leases", &state.leases.len())
            .field("watches", &state.watches.len())
            .field("outage", &state.outage)
            .finish_non_exhaustive()
    }
}

impl Registry for MemoryRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> String {
        ADDRESS.into()
    }

    fn register(
        &self,
        service: Service,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.act(&self.shared.counts.registrations, move |state, now| {
            check(&service)?;
            if state.leases.len() + service.nodes.len() > Self::MAX_LEASES {
                return Err(unavailable("it holds as many leases as it may"));
            }
            let name = service.name.clone();
            state.leasing(&name, |state| {
                let changes = state.leases.register(service, now.saturating_add(ttl));
                state.tell(changes);
                Ok(())
            })
        }))
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.act(&self.shared.counts.renewals, move |state, now| {
            let name = service.name.clone();
            state.leasing(&name, |state| {
                let answer = state.leases.renew(&service, now.saturating_add(ttl));
                answer.map_err(|node| RegistryError::LeaseLost { registry: NAME, node })
            })
        }))
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(self.act(&self.shared.counts.deregistrations, move |state, _| {
            let change = state.leases.deregister(&service);
            state.tell(change);
            Ok(())
        }))
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(self.act(&self.shared.counts.lookups, move |state, _| {
            Ok(state.leases.snapshot(&WatchScope::Service(name)))
        }))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(
            self.act(&self.shared.counts.lists, |state, _| {
                Ok(state.leases.snapshot(&WatchScope::All))
            }),
        )
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        Box::pin(self.act(&self.shared.counts.watches, move |state, _| {
            if state.watches.len() == MAX_WATCHES {
                return Err(unavailable("it has as many watches as it may"));
            }
            let wake = Arc::new(Notify::new());
            let id = state.watches.insert(WatchQueue::new(scope, Arc::clone(&wake)));
            let watch = MemoryWatch { id, shared: Arc::clone(&self.shared), wake };
            Ok(Box::new(watch) as Box<dyn Watch>)
        }))
    }
}

impl MemoryRegistry {
    /// Runs one operation: counted, delayed, refused in an outage, on leases that have not run out.
    async fn act<T>(
        &self,
        count: &AtomicU64,
        operation: impl FnOnce(&mut State, Duration) -> Result<T, RegistryError> + Send,
    ) -> Result<T, RegistryError> {
        count.fetch_add(1, Ordering::Relaxed);
        let delay = self.shared.state.lock().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let now = self.shared.now();
        let mut state = self.shared.state.lock();
        if state.outage {
            return Err(unavailable("it has an outage"));
        }
        state.expire(now);
        operation(&mut state, now)
    }
}

struct Shared {
    began: Instant,
    state: Mutex<State>,
    counts: Counts,
}

impl Shared {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

#[derive(Debug, Default)]
struct State {
    leases: Leases,
    watches: Watches,
    outage: bool,
    delay: Duration,
}

impl State {
    fn expire(&mut self, now: Duration) {
        let changes = self.leases.expire(now);
        self.tell(changes);
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.watches.tell(&change);
        }
    }

    /// Changes leases of a service, and wakes its watches where one now ends before they wake.
    fn leasing<T>(&mut self, service: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.leases.next_expiry_of(service);
        let answer = act(self);
        let after = self.leases.next_expiry_of(service);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.watches.wake(service);
        }
        answer
    }
}

#[derive(Debug, Default)]
struct Counts {
    registrations: AtomicU64,
    renewals: AtomicU64,
    deregistrations: AtomicU64,
    lookups: AtomicU64,
    lists: AtomicU64,
    watches: AtomicU64,
}

fn check(service: &Service) -> Result<(), RegistryError> {
    let reason = if service.name.is_empty() {
        "it has no name".to_owned()
    } else if service.nodes.is_empty() {
        "it has no nodes".to_owned()
    } else if text_bytes(service) > MemoryRegistry::MAX_RECORD {
        format!("it exceeds {} bytes", MemoryRegistry::MAX_RECORD)
    } else {
        return Ok(());
    };
    Err(RegistryError::Invalid { registry: NAME, service: service.name.clone(), reason })
}

fn unavailable(reason: &str) -> RegistryError {
    RegistryError::Unavailable { registry: NAME, address: ADDRESS.into(), reason: reason.into() }
}

const NAME: &str = "memory";
const ADDRESS: &str = "this process";

/// Watches open at once; enough for a thousand services followed by sixteen nodes.
const MAX_WATCHES: usize = 16_384;

#[cfg(test)]
mod tests;
