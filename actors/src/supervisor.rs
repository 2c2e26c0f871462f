//! Supervision: who restarts whom, as in Erlang/OTP.
//!
//! A [`Supervisor`] starts its children in order, restarts those that fail by its
//! [`RestartStrategy`], and stops them last-started-first, each within its deadline. Restarts are
//! spaced by exponential backoff with jitter, the first one comes at once. When a child fails more
//! often than [`Intensity`] allows the supervisor stops its children and ends itself with
//! [`Exit::GaveUp`], which its own supervisor sees as a failure. A child whose arbiter is gone
//! cannot be restarted, which is the same as failing too often.
//!
//! A child's mailbox outlives the child: what was queued is handled by the next incarnation, in
//! order, and every `Addr` stays valid. Only the message being handled when it failed is lost, and
//! its sender is told so. A child that has ended and is not restarted refuses what is sent to it:
//! senders are told that its mailbox is closed, and requests that it drains.
//!
//! An actor that blocks its thread cannot be interrupted; its supervisor stops waiting for it at
//! its deadline, provided that it runs on another arbiter.
//!
//! ```
//! use actix::prelude::*;
//! use callboard_actors::{Context, supervisor::{Child, Supervisor}};
//!
//! #[derive(Default)]
//! struct Counter(u64);
//!
//! impl Actor for Counter {
//!     type Context = Context<Self>;
//! }
//!
//! #[derive(Message)]
//! #[rtype(result = "u64")]
//! struct Add(u64);
//!
//! impl Handler<Add> for Counter {
//!     type Result = u64;
//!     fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
//!         assert!(n != 13, "unlucky");
//!         self.0 += n;
//!         self.0
//!     }
//! }
//!
//! # actix::System::new().block_on(async {
//! let mut builder = Supervisor::builder("counters");
//! let counter = builder.child(Child::new("counter", Counter::default));
//! let supervisor = builder.start();
//!
//! assert_eq!(counter.send(Add(1)).await, Ok(1));
//! assert!(counter.send(Add(13)).await.is_err());
//! assert_eq!(counter.send(Add(1)).await, Ok(1), "a fresh counter behind the same address");
//! supervisor.stop().await;
//! # });
//! ```

mod child;
mod exit;
mod handle;
mod intensity;
mod plan;
mod roster;
mod steps;
mod tree;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, Addr};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::context::{Context, Control, Order, Report, Reporter};

pub use self::child::{Child, ChildSpec};
pub use self::exit::{Exit, Restart, RestartStrategy};
pub use self::handle::{ChildInfo, ChildState, StartError, SupervisorRef};
pub use self::intensity::Intensity;
use self::roster::Roster;
pub use self::tree::Supervisor;

/// How a supervisor treats its children.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::supervisor::{Supervisor, SupervisorOptions};
///
/// let options = SupervisorOptions { backoff_max: Duration::from_secs(1), ..Default::default() };
/// let builder = Supervisor::builder("workers").options(options);
/// ```
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// Who is restarted when one fails; default that one.
    pub strategy: RestartStrategy,
    /// When to give up; default more than 5 restarts within 10 s.
    pub intensity: Intensity,
    /// Upper bound of the delay before the second restart in a row; default 10 ms. The first has
    /// none, later ones twice that of the one before.
    pub backoff_first: Duration,
    /// Upper bound of every delay; default 5 s.
    pub backoff_max: Duration,
    /// Children it accepts; default 1,048,576.
    pub capacity: usize,
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        Self {
            strategy: RestartStrategy::default(),
            intensity: Intensity::default(),
            backoff_first: Duration::from_millis(10),
            backoff_max: Duration::from_secs(5),
            capacity: 1 << 20,
        }
    }
}

/// Describes a supervisor and its first children.
///
/// ```
/// use callboard_actors::supervisor::{RestartStrategy, Supervisor};
///
/// let mut tree = Supervisor::builder("tree").strategy(RestartStrategy::RestForOne);
/// let workers = tree.supervisor(Supervisor::builder("workers"));
/// ```
#[derive(Debug)]
pub struct SupervisorBuilder {
    name: String,
    options: SupervisorOptions,
    roster: Roster,
    shutdown: Duration,
}

impl Supervisor {
    /// Describes a supervisor without children.
    pub fn builder(name: impl Into<String>) -> SupervisorBuilder {
        SupervisorBuilder {
            name: name.into(),
            options: SupervisorOptions::default(),
            roster: Roster::default(),
            shutdown: Duration::ZERO,
        }
    }
}

impl SupervisorBuilder {
    /// Replaces all options.
    #[must_use]
    pub fn options(mut self, options: SupervisorOptions) -> Self {
        self.options = options;
        self
    }

    /// Who is restarted when one fails.
    #[must_use]
    pub fn strategy(mut self, strategy: RestartStrategy) -> Self {
        self.options.strategy = strategy;
        self
    }

    /// When to give up.
    #[must_use]
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.options.intensity = intensity;
        self
    }

    /// Adds a child, started after those added before; returns its address.
    pub fn child<A: Actor<Context = Context<A>>>(&mut self, child: Child<A>) -> Addr<A> {
        let address = child.address();
        self.spec(child.into_spec());
        address
    }

    /// Adds a supervisor as a child; returns the handle to it.
    pub fn supervisor(&mut self, builder: SupervisorBuilder) -> SupervisorRef {
        let (child, handle) = builder.into_child();
        self.child(child);
        handle
    }

    fn spec(&mut self, spec: ChildSpec) {
        self.shutdown = self.shutdown.saturating_add(spec.care.shutdown);
        self.roster.add(spec, true);
    }

    /// Turns into a child of another supervisor; its deadline allows for all of its children's.
    ///
    /// It is [`Restart::Transient`]: restarted when it gave up, not when it was told to stop.
    pub fn into_child(self) -> (Child<Supervisor>, SupervisorRef) {
        let (ended, exit) = watch::channel(None);
        let shutdown = self.shutdown.max(SHUTDOWN_LEAST).saturating_add(SHUTDOWN_MARGIN);
        let (name, options) = (self.name.clone(), self.options);
        // Shared by all incarnations, so that the children and their mailboxes outlive each.
        let roster = Arc::new(Mutex::new(self.roster));
        let ended = Arc::new(ended);
        let children = Arc::downgrade(&roster);
        let child = Child::new(self.name, move || {
            Supervisor::new(name.clone(), options.clone(), Arc::clone(&roster), Arc::clone(&ended))
        });
        let mut child = child.restart(Restart::Transient).shutdown(shutdown);
        child.roster = children;
        let handle = SupervisorRef::new(child.address(), exit);
        (child, handle)
    }

    /// Runs it at the top, on the present arbiter.
    ///
    /// # Panics
    /// Outside of an actix arbiter, as [`actix::Actor::start`] does.
    pub fn start(self) -> SupervisorRef {
        let (child, handle) = self.into_child();
        // At the top nobody restarts it: when it has ended its mailbox is closed.
        let control = Arc::new(Mutex::new(None::<Arc<Control>>));
        let own = Arc::clone(&control);
        let reporter: Reporter = Box::new(move |_, report| {
            if let Report::Exited(exit) = report {
                tracing::debug!(%exit, "the top supervisor has ended");
                if let Some(control) = own.lock().as_ref() {
                    control.order(Order::Close);
                }
            }
        });
        *control.lock() = Some(child.run_alone(reporter));
        handle
    }
}

/// A nested supervisor with few children still gets this long, for those that come later.
const SHUTDOWN_LEAST: Duration = Duration::from_secs(10);

/// What a supervisor needs beyond its children's own deadlines.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);
