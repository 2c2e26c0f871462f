//! The registry `mdns`: nodes on one network find each other without a server.
//!
//! Each node is announced as a DNS-SD instance of the type `_callboard._tcp.local.`, so that
//! `avahi-browse -r _callboard._tcp` shows it: the instance is named after the node, SRV has its
//! host and port, TXT the record. SRV is a courtesy; readers take the address from the record. A
//! node without a port, on a Unix socket say, has the port 9 there.
//!
//! # Leases
//! DNS records of this kind live for hours. A lease is kept beside them: TXT carries its TTL and a
//! number, the *beat*, that grows with each renewal. Renewing announces the node again, at most
//! four times per TTL. A node whose beat has not changed for its TTL, a quarter of that and 250 ms
//! is not shown any more, so one that crashed is forgotten about then. A registration that is not
//! renewed within its TTL is withdrawn by its own registry, and a withdrawal is seen at once.
//!
//! # Large records
//! A record is at most 64 KiB of JSON. What does not fit a TXT record of 1,000 bytes is handed out
//! by a TCP listener that is opened for the first such record, on a free port of the address that
//! the announcement points to (of every address, where the interfaces' own are used): TXT then has
//! its digest, its size and the port. A reader fetches each digest once.
//!
//! # Limits
//! 10,000 nodes are remembered and 10,000 registrations held; large records take 64 MiB at most.
//! What is not understood is ignored and counted in the log at debug level. Multicast DNS knows no
//! authentication: whoever may send on the network may announce a node. By default that is this
//! machine alone.

mod announcement;
mod daemon;
mod leases;
mod nodes;
mod outsize;
mod record;
mod worker;

use std::fmt;
use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use callboard_actors::registry::{BoxFuture, Registry, RegistryError, Service, Watch, WatchScope};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use self::daemon::Daemon;
use self::record::{Record, keys};
use self::worker::{Input, Worker};
use super::snapshot::{Snapshot, SnapshotWatch, answered};

/// A registry on multicast DNS.
///
/// It has threads of its own and works in any tokio runtime. Dropping it withdraws what it
/// announced, for which it waits up to a second; watches end.
///
/// ```no_run
/// use callboard::ServiceSystem;
/// use callboard::registry::{Interfaces, MdnsOptions, MdnsRegistry};
///
/// # fn example() -> Result<(), callboard::Error> {
/// let registry = MdnsRegistry::new(MdnsOptions::default().interfaces(Interfaces::All))?;
/// let client = ServiceSystem::new("greeter.client").registry(registry);
/// # Ok(())
/// # }
/// ```
pub struct MdnsRegistry {
    options: MdnsOptions,
    inputs: SyncSender<Input>,
    snapshots: watch::Receiver<Snapshot>,
    browsing_since: Mutex<Option<Instant>>,
}

impl MdnsRegistry {
    /// Starts to speak multicast DNS; nothing is sent before the first use.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] when threads cannot be started, or when no interface has the
    /// address of [`Interfaces::Address`].
    pub fn new(options: MdnsOptions) -> Result<Self, RegistryError> {
        let (inputs, received) = sync_channel(INPUTS_MAX);
        let (sender, snapshots) = watch::channel(Snapshot::default());
        let registry =
            Self { options, inputs: inputs.clone(), snapshots, browsing_since: Mutex::new(None) };
        let daemon = Daemon::start(&registry.options).map_err(|text| registry.unavailable(text))?;
        let worker = Worker::new(registry.options.clone(), daemon, (inputs, received), sender);
        thread::Builder::new()
            .name("callboard-mdns".into())
            .spawn(move || worker.run())
            .map_err(|error| registry.unavailable(error.to_string()))?;
        Ok(registry)
    }

    /// Hands an input to the worker.
    fn tell(&self, input: Input) -> Result<(), RegistryError> {
        self.inputs.try_send(input).map_err(|error| match error {
            TrySendError::Full(_) => self.unavailable("it has too much to do"),
            TrySendError::Disconnected(_) => self.unavailable("its thread has ended"),
        })
    }

    async fn ask(
        &self,
        input: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Input,
    ) -> Result<Result<(), String>, RegistryError> {
        let (reply, answer) = oneshot::channel();
        self.tell(input(reply))?;
        answer.await.map_err(|_| self.unavailable("its thread has ended"))
    }

    /// Looks for nodes from the first call on; returns until when what is unknown may yet appear.
    fn browse(&self) -> Result<Instant, RegistryError> {
        let now = Instant::now();
        let mut since = self.browsing_since.lock();
        if since.is_none() {
            self.tell(Input::Browse)?;
        }
        let cold = *since.get_or_insert(now) + self.options.lookup_wait;
        Ok(cold.max(now + self.options.lookup_wait / WARM_LOOKUP))
    }

    fn unavailable(&self, reason: impl Into<String>) -> RegistryError {
        let reason = reason.into();
        RegistryError::Unavailable { registry: NAME, address: self.address(), reason }
    }
}

impl Registry for MdnsRegistry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> String {
        format!("multicast port {} on {}", self.options.port, self.options.interfaces)
    }

    /// A fifth of [`MdnsOptions::lookup_wait`] after it began to look for nodes: they answer with a
    /// delay of up to 120 ms (RFC 6762, section 6).
    fn complete_at(&self) -> Option<Instant> {
        let since = (*self.browsing_since.lock())?;
        let complete = since + self.options.lookup_wait / WARM_LOOKUP;
        (complete > Instant::now()).then_some(complete)
    }

    fn register(
        &self,
        service: Service,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            let records = Record::split(&service).map_err(|reason| RegistryError::Invalid {
                registry: NAME,
                service: service.name.clone(),
                reason,
            })?;
            let answer = self.ask(|reply| Input::Register(records, ttl, reply)).await?;
            answer.map_err(|reason| self.unavailable(reason))
        })
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            let answer = self.ask(|reply| Input::Renew(keys(&service), ttl, reply)).await?;
            answer.map_err(|node| RegistryError::LeaseLost { registry: NAME, node })
        })
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            let answer = self.ask(|reply| Input::Deregister(keys(&service), reply)).await?;
            answer.map_err(|reason| self.unavailable(reason))
        })
    }

    /// The service of that name.
    ///
    /// A name that is not known is waited for: [`MdnsOptions::lookup_wait`] after the registry
    /// began to look for nodes, a fifth of that later on.
    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(async move {
            let patience = self.browse()?;
            let scope = WatchScope::Service(name);
            Ok(answered(&mut self.snapshots.clone(), &scope, patience).await.records())
        })
    }

    /// All services; waits until the registry has looked for nodes for long enough.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        Box::pin(async move {
            let patience = self.browse()?;
            let warm = Instant::now() + self.options.lookup_wait / WARM_LOOKUP;
            if patience > warm {
                sleep_until(patience).await;
            }
            Ok(self.snapshots.borrow().records())
        })
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        Box::pin(async move {
            let patience = Some(self.browse()?);
            let watch = SnapshotWatch::new(NAME, scope, self.snapshots.clone(), patience);
            Ok(Box::new(watch) as Box<dyn Watch>)
        })
    }
}

impl Drop for MdnsRegistry {
    fn drop(&mut self) {
        let (done, ended) = sync_channel(0);
        if self.inputs.send(Input::Stop(done)).is_ok() {
            // Nothing is ever sent: the channel closes when goodbye was said, or it takes too long.
            let _closed = ended.recv_timeout(STOP_MAX);
        }
    }
}

impl fmt::Debug for MdnsRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MdnsRegistry").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How multicast DNS is spoken.
///
/// ```
/// use callboard::registry::{Interfaces, MdnsOptions};
///
/// // A world of its own, for a test.
/// let options = MdnsOptions::default().port(20_353);
/// assert_eq!(options.interfaces, Interfaces::Loopback);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MdnsOptions {
    /// Where nodes are announced and looked for; default [`Interfaces::Loopback`].
    pub interfaces: Interfaces,
    /// The UDP port; default 5353. Another one is a world of its own, which no other tool sees.
    pub port: u16,
    /// How long a first lookup waits for answers; default 1.5 s, in which a query is sent twice.
    pub lookup_wait: Duration,
}

impl Default for MdnsOptions {
    fn default() -> Self {
        Self {
            interfaces: Interfaces::Loopback,
            port: mdns_sd::MDNS_PORT,
            lookup_wait: Duration::from_millis(1_500),
        }
    }
}

impl MdnsOptions {
    /// Sets the interfaces and returns the whole.
    #[must_use]
    pub fn interfaces(mut self, interfaces: Interfaces) -> Self {
        self.interfaces = interfaces;
        self
    }

    /// Sets the UDP port and returns the whole.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets how long a first lookup waits and returns the whole.
    #[must_use]
    pub fn lookup_wait(mut self, lookup_wait: Duration) -> Self {
        self.lookup_wait = lookup_wait;
        self
    }
}

/// The network interfaces that multicast DNS uses.
///
/// ```
/// use callboard::registry::Interfaces;
///
/// assert_eq!(Interfaces::Name("eth0".into()).to_string(), "interface eth0");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interfaces {
    /// IPv4 loopback: nodes on this machine. Works without any network.
    #[default]
    Loopback,
    /// All, loopback included; a node is announced where its address belongs.
    All,
    /// The one of this name, e.g. `eth0`.
    Name(String),
    /// The one that has this address.
    Address(IpAddr),
}

impl Interfaces {
    /// The interfaces that suit a node with this address: loopback for one that only this machine
    /// can reach, all for any other.
    ///
    /// ```
    /// use callboard::registry::Interfaces;
    ///
    /// assert_eq!(Interfaces::for_address("127.0.0.1:9000"), Interfaces::Loopback);
    /// assert_eq!(Interfaces::for_address("unix:/run/greeter.sock"), Interfaces::Loopback);
    /// assert_eq!(Interfaces::for_address("192.0.2.7:9000"), Interfaces::All);
    /// ```
    #[must_use]
    pub fn for_address(address: &str) -> Self {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local = match ip {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host == "localhost" || address.starts_with("unix:"),
        };
        if is_local { Self::Loopback } else { Self::All }
    }
}

impl fmt::Display for Interfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::All => f.write_str("all interfaces"),
            Self::Name(name) => write!(f, "interface {name}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

const NAME: &str = "mdns";

/// Inputs that wait for the worker.
const INPUTS_MAX: usize = 1_024;

/// A lookup in a view that is up to date waits this much shorter.
const WARM_LOOKUP: u32 = 5;

/// Time to withdraw what was announced.
const STOP_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
