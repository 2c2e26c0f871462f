//! The node: one running instance of a service, and the root of its supervision tree.
//!
//! ```text
//! node (root supervisor)
//! ├── watcher ◀── registry back-end
//! ├── selector
//! ├── pool of each client arbiter ── connection × peer
//! ├── handlers ── user actor × (1, pool size or arbiters), per handler
//! │   └── supervisor ── the same, for each subscriber added since
//! ├── sessions of each arbiter ── session × peer
//! ├── acceptor
//! ├── subscriptions ── announcement × topic and queue group
//! └── heartbeat                         last to start, first to stop
//! ```
//!
//! A node starts its children top to bottom, checks that it can be reached, and only then
//! registers and subscribes. It stops the other way round: first it subscribes and is announced no
//! more, then it tells its clients to go elsewhere, finishes what it has accepted, and stops its
//! children bottom to top.
//! If the root gives up, the heartbeat's end deregisters the node, and whoever waits for
//! [`NodeRef::ended`] learns the reason.

mod error;
mod serving;
mod start;
mod stop;
mod subscriber;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::prelude::Addr;
use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::broker::{Broker, Subscription};
use crate::client::{Caller, CallerOptions};
use crate::heartbeat::{Heartbeat, HeartbeatOptions};
use crate::registry::{BoxFuture, NodeInfo, Registry, Service, WatcherOptions};
use crate::selector::SelectorOptions;
use crate::server::{AcceptorOptions, HandlerPort, Server};
use crate::supervisor::{Exit, SupervisorBuilder, SupervisorRef};
use crate::transport::Transport;

pub use self::error::NodeError;
use self::serving::Serving;
pub use self::start::start;
use self::subscriber::Running;
pub use self::subscriber::Subscriber;

/// What a node is made of.
pub struct NodeParts {
    /// The record to register: name, version, metadata; nodes and endpoints are filled in.
    pub service: Service,
    /// This node; its address is filled in.
    pub node: NodeInfo,
    /// Where it registers, and looks others up.
    pub registry: Arc<dyn Registry>,
    /// How it is reached, and reaches others.
    pub transport: Arc<dyn Transport>,
    /// How its events reach subscribers.
    pub broker: Arc<dyn Broker>,
    /// Addresses to listen on: the first free one is taken. Not used without handlers, until one is
    /// [added](NodeRef::subscribe).
    pub listen: Vec<String>,
    /// Turns the address listened on into the one announced.
    pub advertise: Advertise,
    /// Supervises the handlers' actors.
    pub handler_supervisor: SupervisorBuilder,
    /// Starts one handler's actors; in the order in which they were added.
    pub handlers: Vec<HandlerParts>,
    /// The threads that serve and call; the first is the present one.
    pub arbiters: Vec<ArbiterHandle>,
    /// The user's steps in its life.
    pub hooks: Hooks,
    /// Limits and times.
    pub options: NodeOptions,
}

/// Turns the address listened on into the one announced; the error says why it cannot.
pub type Advertise = Box<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// A handler to be started.
pub struct HandlerParts {
    /// For messages, e.g. the actor's type.
    pub name: String,
    /// What routes lead to.
    pub port: Arc<dyn HandlerPort>,
    /// Starts its actors under the handlers' supervisor.
    pub start: Box<
        dyn FnOnce(SupervisorRef) -> BoxFuture<'static, Result<(), crate::supervisor::StartError>>
            + Send,
    >,
}

/// A step of the user's in a node's life.
pub type Hook = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), String>> + Send>;

/// Is handed a node that has not started yet.
pub type Prepared = Box<dyn FnOnce(&NodeRef) + Send>;

/// The user's steps in a node's life; each in the order in which they were added.
#[derive(Default)]
pub struct Hooks {
    /// Is handed the node before its handlers are started, which may call others from then on.
    pub prepared: Option<Prepared>,
    /// Before anything is listened on; an error ends the start.
    pub before_start: Vec<Hook>,
    /// After the node has been registered; an error ends the start.
    pub after_start: Vec<Hook>,
    /// Before the node is deregistered; an error is logged.
    pub before_stop: Vec<Hook>,
    /// After all children have stopped; an error is logged.
    pub after_stop: Vec<Hook>,
}

/// Limits and times of a node.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::node::NodeOptions;
///
/// assert_eq!(NodeOptions::default().drain_timeout, Duration::from_secs(10));
/// ```
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Time for the whole start, the registry's answer included; default 10 s.
    pub start_timeout: Duration,
    /// Lease and renewal.
    pub heartbeat: HeartbeatOptions,
    /// Time between deregistration and refusal, for clients that only know the registry; default
    /// 500 ms.
    pub settle_time: Duration,
    /// Time for what was accepted to be finished; default 10 s.
    pub drain_timeout: Duration,
    /// Limits of serving.
    pub acceptor: AcceptorOptions,
    /// Largest frame accepted, in bytes; default 4 MiB.
    pub max_frame: u32,
    /// Bytes that the schemas of all endpoints may take in the node's record; what lies deepest in
    /// them is left out beyond that. Default 16 KiB, a quarter of what registries accept.
    pub max_schemas: usize,
    /// Limits of calling.
    pub caller: CallerOptions,
    /// Limits of selecting.
    pub selector: SelectorOptions,
    /// Limits of following the registry.
    pub watcher: WatcherOptions,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(10),
            heartbeat: HeartbeatOptions::default(),
            settle_time: Duration::from_millis(500),
            drain_timeout: Duration::from_secs(10),
            acceptor: AcceptorOptions::default(),
            max_frame: crate::transport::Hello::DEFAULT_MAX_FRAME,
            max_schemas: 16 * 1024,
            caller: CallerOptions::default(),
            selector: SelectorOptions::default(),
            watcher: WatcherOptions::default(),
        }
    }
}

/// The handle to a running node; cheap to clone, usable from any thread and executor.
#[derive(Clone)]
pub struct NodeRef {
    shared: Arc<Shared>,
}

struct Shared {
    /// Before it listens.
    blank: NodeInfo,
    /// Once it listens.
    node: OnceLock<NodeInfo>,
    root: SupervisorRef,
    server: Arc<Server>,
    caller: Caller,
    /// What is left to do until it can be reached.
    serving: tokio::sync::Mutex<Option<Serving>>,
    /// Once it begins to register.
    heartbeat: OnceLock<Addr<Heartbeat>>,
    broker: Arc<dyn Broker>,
    /// Supervises the actors of handlers, once they start.
    handlers: OnceLock<SupervisorRef>,
    /// Those of the handlers that it was started with.
    subscriptions: Mutex<Vec<Box<dyn Subscription>>>,
    /// Those that were added since.
    subscribers: Mutex<Vec<Arc<Running>>>,
    arbiter: ArbiterHandle,
    options: NodeOptions,
    before_stop: Mutex<Vec<Hook>>,
    after_stop: Mutex<Vec<Hook>>,
    /// Woken by the order to stop at once.
    hurry: Notify,
    phase: watch::Sender<Phase>,
}

/// Where a node is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Ended(Exit),
}

impl NodeRef {
    /// Its record; the address is empty when it listens nowhere, and until it listens.
    pub fn node(&self) -> &NodeInfo {
        self.shared.node.get().unwrap_or(&self.shared.blank)
    }

    /// Its client.
    pub fn caller(&self) -> &Caller {
        &self.shared.caller
    }

    /// Its server.
    pub fn server(&self) -> &Arc<Server> {
        &self.shared.server
    }

    /// Its broker.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.shared.broker
    }

    /// Its root supervisor.
    pub fn root(&self) -> &SupervisorRef {
        &self.shared.root
    }
}

impl fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeRef").field("node", self.node()).finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeParts")
            .field("service", &self.service)
            .field("node", &self.node)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HandlerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerParts").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
