//! A world in memory for tests: several nodes in one process, on paused time, with faults.
//!
//! Nothing here touches a socket, and nothing waits for a real clock: when every node waits, time
//! jumps to the next moment at which one of them has something to do. A test of ten minutes takes
//! milliseconds, and a timeout of three seconds is three seconds to the millisecond.
//!
//! ```toml
//! [dev-dependencies]
//! callboard = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use callboard::prelude::*;
//! use callboard::testing::World;
//!
//! #[derive(Debug, Serialize, Deserialize, Endpoint)]
//! #[endpoint(name = "Greeter.Hello", reply = String)]
//! struct Hello {
//!     name: String,
//! }
//!
//! #[derive(Default)]
//! struct Greeter;
//!
//! impl Actor for Greeter {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<Request<Hello>> for Greeter {
//!     type Result = Reply<Hello>;
//!
//!     fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
//!         Ok(format!("Hello {}", request.name))
//!     }
//! }
//!
//! World::run(|world| async move {
//!     let node = world.system("greeter").handler(Greeter::default, |h| h.request::<Hello>());
//!     let node = node.start().await?;
//!     let client = world.system("client").start().await?;
//!     let greeter = client.service("greeter");
//!     assert_eq!(greeter.send(Hello { name: "John".into() }).await?, "Hello John");
//!
//!     world.partition(&client, &node);
//!     let asked = world.elapsed();
//!     assert!(greeter.send(Hello { name: "John".into() }).await.is_err());
//!     assert!(world.elapsed() - asked < Duration::from_secs(3), "a silent node is found");
//!
//!     world.heal(&client, &node);
//!     world.advance(Duration::from_secs(5)).await;
//!     assert_eq!(greeter.send(Hello { name: "John".into() }).await?, "Hello John");
//!     Ok::<_, callboard::Error>(())
//! })
//! .unwrap();
//! ```

mod registry;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::System;
use callboard_actors::registry::MemoryRegistry;
use callboard_actors::transport::MemoryTransport;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

pub use callboard_actors::transport::Faults;

use self::registry::{Access, NodeRegistry};
use crate::system::{ServiceSystem, SystemBuilder};

/// Several nodes in one process: their network, their registry and their clock.
///
/// Clones are the same world. All its systems live on the thread that the world was made on, for
/// only there the clock is paused: placements like `per_arbiter` are one actor here.
///
/// The faults of the network follow from the [seed](Self::seed); which of several nodes a call
/// picks, and the jitter of pauses, do not.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    began: Instant,
    network: MemoryTransport,
    registry: MemoryRegistry,
    nodes: Mutex<Nodes>,
}

#[derive(Default)]
struct Nodes {
    /// What connects each node with the registry, by id.
    accesses: HashMap<String, Access>,
    isolated: Vec<String>,
}

impl World {
    /// Creates a world on the present thread and pauses its clock.
    ///
    /// For tests that have a runtime of actix already, those under `#[actix::test]`; everybody
    /// else has [`run`](Self::run).
    ///
    /// # Panics
    /// Outside of an actix system, and when the clock is paused already.
    pub fn new() -> Self {
        Self::seeded(DEFAULT_SEED)
    }

    /// Like [`new`](Self::new), with a seed of its own.
    ///
    /// # Panics
    /// As `new`.
    pub fn seeded(seed: u64) -> Self {
        assert!(
            System::is_registered(),
            "a World lives in an actix system: use #[actix::test], or World::run"
        );
        tokio::time::pause();
        Self::on_paused_time(seed)
    }

    /// Runs a test in a world of its own, and returns what it returns.
    ///
    /// ```
    /// use callboard::testing::World;
    ///
    /// World::run(|world| async move {
    ///     let client = world.system("client").start().await.unwrap();
    ///     let error = client.service("nobody").send(Ping).await.unwrap_err();
    ///     assert!(error.to_string().contains("no service is called \"nobody\""));
    /// });
    /// # use callboard::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
    /// # #[endpoint(name = "Nobody.Ping", reply = ())]
    /// # struct Ping;
    /// ```
    ///
    /// # Panics
    /// Inside another runtime, when the test panics, and when it takes more than a day of the
    /// world's time: it then waits for what never comes.
    pub fn run<F: Future>(test: impl FnOnce(Self) -> F) -> F::Output {
        Self::run_seeded(DEFAULT_SEED, test)
    }

    /// Like [`run`](Self::run), with a seed of its own, which is printed if the test panics.
    ///
    /// ```
    /// use callboard::testing::World;
    ///
    /// for seed in 0..3 {
    ///     World::run_seeded(seed, |world| async move { assert_eq!(world.seed(), seed) });
    /// }
    /// ```
    ///
    /// # Panics
    /// As `run`.
    pub fn run_seeded<F: Future>(seed: u64, test: impl FnOnce(Self) -> F) -> F::Output {
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime of one thread needs but a few file descriptors")
        });
        system.block_on(async move {
            let world = Self::on_paused_time(seed);
            let ended = timeout(LIMIT, test(world.clone())).await;
            ended
                .unwrap_or_else(|_| panic!("the test took more than {LIMIT:?} of the world's time"))
        })
    }

    fn on_paused_time(seed: u64) -> Self {
        let shared = Shared {
            seed,
            began: Instant::now(),
            network: MemoryTransport::seeded(seed),
            registry: MemoryRegistry::new(),
            nodes: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    // ===== Nodes =====

    /// Begins to describe a node of this world that runs the service `name`.
    ///
    /// Its id is `NAME-1`, or the next number that is free. It does not read the environment, and
    /// its transport and its registry are the world's.
    pub fn system(&self, name: &str) -> SystemBuilder {
        let mut number = 1;
        let id_of = |number: u64| format!("{name}-{number}");
        while self.shared.nodes.lock().accesses.contains_key(&id_of(number)) {
            number += 1;
        }
        self.node(name, &id_of(number))
    }

    /// Like [`system`](Self::system), with an id of its own.
    ///
    /// Use the id of a node that has stopped to start it again.
    pub fn node(&self, name: &str, id: &str) -> SystemBuilder {
        let access = self.admit(id);
        let registry = NodeRegistry::new(self.shared.registry.clone(), access);
        ServiceSystem::new(name)
            .without_environment()
            .registry(registry)
            .transport(self.shared.network.endpoint(id))
            .configure(|config| {
                config.server_id = Some(id.to_owned());
                // Another thread's clock would run on.
                config.arbiters = Some(1);
            })
    }

    fn admit(&self, id: &str) -> Access {
        let mut nodes = self.shared.nodes.lock();
        let isolated: Vec<_> =
            nodes.isolated.iter().filter(|other| *other != id).cloned().collect();
        for other in isolated {
            self.shared.network.partition(id, &other);
        }
        nodes.accesses.entry(id.to_owned()).or_default().clone()
    }

    // ===== Faults =====

    /// Stops everything between the two, silently, until [`heal`](Self::heal).
    pub fn partition(&self, one: &ServiceSystem, other: &ServiceSystem) {
        self.shared.network.partition(&one.node().id, &other.node().id);
    }

    /// Ends a partition of the two.
    pub fn heal(&self, one: &ServiceSystem, other: &ServiceSystem) {
        self.shared.network.heal(&one.node().id, &other.node().id);
    }

    /// Breaks all connections between the two; what is on its way is lost.
    pub fn sever(&self, one: &ServiceSystem, other: &ServiceSystem) {
        self.shared.network.sever(&one.node().id, &other.node().id);
    }

    /// Sets the faults of what `from` sends to `to`; `Faults::default()` ends them.
    pub fn faults(&self, from: &ServiceSystem, to: &ServiceSystem, faults: Faults) {
        self.shared.network.inject(&from.node().id, &to.node().id, faults);
    }

    /// Cuts a node off from all other nodes and from the registry, silently.
    ///
    /// To all others this is how the crash of a machine looks: no goodbye, and a lease that runs
    /// out. [`rejoin`](Self::rejoin) ends it.
    pub fn isolate(&self, system: &ServiceSystem) {
        self.cut(&system.node().id, true);
    }

    /// Ends the isolation of a node, and every partition between it and others.
    pub fn rejoin(&self, system: &ServiceSystem) {
        self.cut(&system.node().id, false);
    }

    fn cut(&self, id: &str, is_cut: bool) {
        let mut nodes = self.shared.nodes.lock();
        nodes.isolated.retain(|other| other != id);
        for (other, access) in &nodes.accesses {
            if other == id {
                access.cut(is_cut);
            } else if is_cut {
                self.shared.network.partition(id, other);
            } else if !nodes.isolated.contains(other) {
                self.shared.network.heal(id, other);
            }
        }
        if is_cut {
            nodes.isolated.push(id.to_owned());
        }
    }

    /// The registry of all nodes, with its outages and counters.
    pub fn registry(&self) -> &MemoryRegistry {
        &self.shared.registry
    }

    /// The network between all nodes; its names are the nodes' ids.
    ///
    /// For faults before a node has been started, and between its parts.
    pub fn network(&self) -> &MemoryTransport {
        &self.shared.network
    }

    /// What the network's faults follow from; 0 unless it was given.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    // ===== Time =====

    /// Lets time pass: everything that happens meanwhile happens at its moment.
    pub async fn advance(&self, time: Duration) {
        sleep(time).await;
    }

    /// The world's time since it was made.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed of the world was {}", self.seed);
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.shared.seed)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

const DEFAULT_SEED: u64 = 0;

/// No test takes this long, but one that waits for ever reaches it at once.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
