//! How others talk to a supervisor.

use std::sync::Arc;

use actix::prelude::{Actor, Addr, Message};
use tokio::sync::{oneshot, watch};

use super::Exit;
use super::child::{Child, ChildSpec};
use super::tree::Supervisor;
use crate::context::Context;
use crate::vitals::VitalSigns;

/// The handle to a running supervisor; cheap to clone, usable from any thread.
///
/// Dropping it does not stop the supervisor.
///
/// ```
/// use callboard_actors::supervisor::{Exit, Supervisor};
///
/// # actix::System::new().block_on(async {
/// let supervisor = Supervisor::builder("workers").start();
/// assert!(supervisor.children().await.is_empty());
/// assert_eq!(supervisor.stop().await, Exit::Shutdown);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct SupervisorRef {
    address: Addr<Supervisor>,
    exit: watch::Receiver<Option<Exit>>,
}

impl SupervisorRef {
    pub(super) fn new(address: Addr<Supervisor>, exit: watch::Receiver<Option<Exit>>) -> Self {
        Self { address, exit }
    }

    /// Adds a child, which is started after all others; returns its address once it has started.
    ///
    /// A child added like this is taken off the roster when it ends for good, and also when its
    /// first start fails: that is the caller's to know, and no reason to give up on its siblings.
    ///
    /// # Cancellation
    /// The child is started all the same.
    ///
    /// # Errors
    /// Its first start failed, or the supervisor is full, stops or has ended.
    pub async fn start_child<A: Actor<Context = Context<A>>>(
        &self,
        child: Child<A>,
    ) -> Result<Addr<A>, StartError> {
        let address = child.address();
        let (started, outcome) = oneshot::channel();
        self.address.do_send(StartChild { spec: child.into_spec(), started: Some(started) });
        outcome.await.unwrap_or(Err(StartError::SupervisorEnded))?;
        Ok(address)
    }

    /// Adds a child without waiting for its start; returns its address.
    ///
    /// A start that fails is repeated like any restart. If the supervisor is full or has ended the
    /// address is closed.
    pub fn add_child<A: Actor<Context = Context<A>>>(&self, child: Child<A>) -> Addr<A> {
        let address = child.address();
        self.address.do_send(StartChild { spec: child.into_spec(), started: None });
        address
    }

    /// Stops all children, last-started-first, then the supervisor; returns how it ended.
    ///
    /// # Cancellation
    /// The supervisor stops all the same.
    pub async fn stop(&self) -> Exit {
        self.address.do_send(StopAll);
        self.ended().await
    }

    /// How the supervisor ended, once it has.
    pub async fn ended(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or(Exit::Shutdown),
            // All incarnations are gone without a word: their arbiter was torn down.
            Err(_) => Exit::ArbiterGone,
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        // The sender goes without a word when the arbiter is torn down.
        self.exit.borrow().is_some() || self.exit.has_changed().is_err()
    }

    /// What the children are doing; empty once the supervisor has ended.
    pub async fn children(&self) -> Vec<ChildInfo> {
        self.address.send(ListChildren).await.unwrap_or_default()
    }
}

/// A child as its supervisor sees it.
///
/// ```
/// use actix::prelude::*;
/// use callboard_actors::Context;
/// use callboard_actors::supervisor::{Child, ChildState, Supervisor};
///
/// #[derive(Default)]
/// struct Worker;
/// impl Actor for Worker { type Context = Context<Self>; }
///
/// # actix::System::new().block_on(async {
/// let supervisor = Supervisor::builder("workers").start();
/// supervisor.start_child(Child::new("worker", Worker::default)).await.unwrap();
/// let children = supervisor.children().await;
/// assert_eq!((children[0].name.as_str(), children[0].state), ("worker", ChildState::Running));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct ChildInfo {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ChildState,
    /// How it ended last, if it ever did.
    pub last_exit: Option<Exit>,
    /// Its counters.
    pub vitals: VitalSigns,
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildState {
    /// Between the order to start and the end of `started`.
    Starting,
    /// At work.
    Running,
    /// Between the order to stop and the end of `stopped`.
    Stopping,
    /// Not there; its mailbox may be.
    Stopped,
}

/// Why a child was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its first start failed.
    #[error("the child {0}")]
    Failed(Exit),
    /// The supervisor has as many children as it may have.
    #[error("the supervisor has {0} children, as many as it may")]
    Full(usize),
    /// The supervisor stops or has ended.
    #[error("the supervisor has ended")]
    SupervisorEnded,
}

/// Adds a child; sent by [`SupervisorRef`].
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StartChild {
    pub(super) spec: ChildSpec,
    pub(super) started: Option<oneshot::Sender<Result<(), StartError>>>,
}

/// Stops everything; sent by [`SupervisorRef`]. Repeating it changes nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopAll;

/// Asks what the children are doing.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ChildInfo>")]
pub(super) struct ListChildren;

/// Keeps the sender side of a supervisor's end.
pub(super) type Ended = Arc<watch::Sender<Option<Exit>>>;
