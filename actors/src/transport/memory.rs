//! A network within the process, with faults to inject.
//!
//! ```text
//! Socket ──poll_write──▶ Pipe ──poll_read──▶ Socket      one pipe per direction
//!                          │
//!                        Path (from, to): faults, partition, the generator they are drawn from
//! ```

mod faults;
mod listener;
mod path;
mod pipe;
mod routes;
mod socket;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use self::faults::Faults;
use self::listener::{Backlog, MemoryListener};
use self::path::Path;
use self::socket::Opening;
use super::{Hello, Listener, Socket, Transport, TransportError};
use crate::registry::BoxFuture;

/// Connections within the process; addresses are `memory:NAME`.
///
/// Clones share one network. A clone made by [`endpoint`](Self::endpoint) speaks under a name of
/// its own, and faults are set between two names. What a listener made without a name sends comes
/// from the `NAME` of its address. `memory:0` listens on any free name.
///
/// Messages pass through bounded queues: 1,024 messages or 256 KiB per direction.
///
/// ```
/// use std::time::Duration;
/// use callboard_actors::transport::{Faults, MemoryTransport};
///
/// let network = MemoryTransport::seeded(7);
/// let client = network.endpoint("client");
/// network.inject("client", "greeter", Faults::default().delay(Duration::from_millis(20)));
/// network.partition("client", "greeter");
/// network.heal("client", "greeter");
/// ```
#[derive(Debug, Clone)]
pub struct MemoryTransport {
    network: Arc<Network>,
    name: Arc<str>,
}

impl MemoryTransport {
    /// Creates a network without faults, whose generator has seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// Creates a network whose faults follow from `seed`.
    ///
    /// Each direction between two names has a generator of its own, so that what happens there
    /// depends on the messages there only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let network = Network { seed, state: Mutex::default() };
        Self { network: Arc::new(network), name: Arc::from("") }
    }

    /// The same network under a name of its own.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Self {
        Self { network: self.network.clone(), name: Arc::from(name) }
    }

    /// Sets the faults of what `from` sends to `to`; open connections are affected at once.
    ///
    /// What is already under way is not.
    pub fn inject(&self, from: &str, to: &str, faults: Faults) {
        self.network.path(from, to).inject(faults);
    }

    /// Stops everything between the two, silently.
    ///
    /// No connection closes; what is sent waits until [`heal`](Self::heal), and so do new
    /// connections.
    pub fn partition(&self, one: &str, other: &str) {
        self.network.both_ways(one, other, |path| path.block(true));
    }

    /// Ends a partition.
    pub fn heal(&self, one: &str, other: &str) {
        self.network.both_ways(one, other, |path| path.block(false));
    }

    /// Breaks all connections between the two; what has not been received is lost.
    pub fn sever(&self, one: &str, other: &str) {
        self.network.both_ways(one, other, Path::sever);
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for MemoryTransport {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        let (transport, address) = (self.clone(), address.to_owned());
        Box::pin(async move {
            let refused = |reason: &str| TransportError::Connect {
                address: address.clone(),
                reason: reason.to_owned(),
            };
            let network = &transport.network;
            let backlog = network.backlog(parse(&address)?).ok_or_else(|| refused("refused"))?;
            let there = network.path(&transport.name, backlog.owner());
            let back = network.path(backlog.owner(), &transport.name);
            if there.refuses() {
                return Err(refused("refused"));
            }
            there.passable().await;
            back.passable().await;
            let (near, far) = Opening::pair(&there, &back, &transport.name);
            if !backlog.push(far) {
                return Err(refused("the listener has gone or its backlog is full"));
            }
            near.greet(hello).await
        })
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        let (transport, address) = (self.clone(), address.to_owned());
        Box::pin(async move {
            let name = parse(&address)?;
            let listener = transport.network.listen(name, &transport.name)?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

/// What all clones share.
#[derive(Debug)]
struct Network {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    backlogs: HashMap<String, Arc<Backlog>>,
    paths: HashMap<(String, String), Arc<Path>>,
    free_names: u64,
}

impl Network {
    fn path(&self, from: &str, to: &str) -> Arc<Path> {
        let mut state = self.state.lock();
        let new = || Arc::new(Path::new(self.seed, from, to));
        state.paths.entry((from.to_owned(), to.to_owned())).or_insert_with(new).clone()
    }

    fn both_ways(&self, one: &str, other: &str, change: impl Fn(&Path)) {
        change(&self.path(one, other));
        if one != other {
            change(&self.path(other, one));
        }
    }

    fn backlog(&self, name: &str) -> Option<Arc<Backlog>> {
        self.state.lock().backlogs.get(name).cloned()
    }

    fn listen(self: &Arc<Self>, name: &str, owner: &str) -> Result<MemoryListener, TransportError> {
        let mut state = self.state.lock();
        let mut name = name.to_owned();
        if name == "0" {
            state.free_names += 1;
            name = format!("free-{}", state.free_names);
        }
        if state.backlogs.contains_key(&name) {
            let (address, reason) = (format!("{PREFIX}{name}"), "address in use".to_owned());
            return Err(TransportError::Listen { address, reason });
        }
        let owner = if owner.is_empty() { &name } else { owner };
        let backlog = Arc::new(Backlog::new(owner));
        state.backlogs.insert(name.clone(), backlog.clone());
        Ok(MemoryListener::new(self.clone(), name, backlog))
    }

    fn forget(&self, name: &str) {
        self.state.lock().backlogs.remove(name);
    }
}

fn parse(address: &str) -> Result<&str, TransportError> {
    address.strip_prefix(PREFIX).filter(|name| !name.is_empty()).ok_or_else(|| {
        let (address, reason) = (address.to_owned(), "expected memory:NAME".to_owned());
        TransportError::Address { transport: NAME, address, reason }
    })
}

const NAME: &str = "memory";
const PREFIX: &str = "memory:";

#[cfg(test)]
mod tests;
