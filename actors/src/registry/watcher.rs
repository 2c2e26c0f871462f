//! Keeps the last good view of the services that are asked for.
//!
//! The [`Watcher`] is the root supervisor's child, restarted for ever. It loses nothing when it
//! restarts: views and subscribers live in a [`WatcherState`] that its factory hands in. Lookups
//! that were waiting fail with the mailbox's error and may be repeated.
//!
//! ```text
//!                Lookup, Subscribe            watch
//! Selector, … ────────────────────▶ Watcher ────────▶ Registry
//!             ◀──────────────────── one watch per service
//!                   ViewChanged
//! ```
//!
//! What becomes of a view:
//!
//! - A service is watched from the first [`Lookup`] or [`Subscribe`] that names it; however many
//!   ask at once, the registry is asked once.
//! - When a watch breaks, the view stays as it was and is marked [`Freshness::Stale`]; the watch
//!   is opened again after an exponential backoff with full jitter.
//! - When it is back, the view is live again. A registry may have lost its leases meanwhile, so
//!   nodes it does not mention are kept for a [grace](WatcherOptions::grace), in which live nodes
//!   register again. A kept node goes earlier when a `Deleted` names it (or names no node at all
//!   of its version) and when another node took its id or its address. That others are `Created`
//!   proves nothing, for they may just have been faster to return.
//! - A service without nodes that nobody subscribed to is watched on for a
//!   [moment](WatcherOptions::negative), which is how long "not found" is remembered, and then
//!   given up. So made-up names do not accumulate.
//! - Of too many services the least recently used is given up, those without subscribers first.

mod follow;
mod following;
mod last_good;
mod state;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, Handler, Message, Recipient, ResponseFuture};

use self::following::{Followed, Outlook};
pub use self::state::WatcherState;
use super::{Catalogue, Registry, RegistryError, Service, VersionView};
use crate::Context;

/// Keeps the last good view of the services that are asked for.
///
/// One per node, `Restart::Permanent`; see the [state](WatcherState) for what a restart keeps.
pub struct Watcher {
    registry: Arc<dyn Registry>,
    options: WatcherOptions,
    state: WatcherState,
    followed: HashMap<String, Followed>,
    uses: u64,
}

impl Watcher {
    /// Creates a watcher of `registry` that goes on from `state`.
    ///
    /// No two running watchers may share a state.
    pub fn new(registry: Arc<dyn Registry>, options: WatcherOptions, state: WatcherState) -> Self {
        Self { registry, options, state, followed: HashMap::new(), uses: 0 }
    }
}

/// What a [`Watcher`] may take up, and how patient it is.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::registry::WatcherOptions;
///
/// let options = WatcherOptions { grace: Duration::from_secs(60), ..WatcherOptions::default() };
/// assert_eq!(options.services, 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherOptions {
    /// Services watched at once; 1,024, at least 1.
    pub services: usize,
    /// Subscribers of one service; 1,024.
    pub subscribers: usize,
    /// Lookups of one service that wait for the registry; 16,384.
    pub waiting: usize,
    /// How long a service without nodes, or an error instead of an answer, is remembered; 1 s.
    pub negative: Duration,
    /// How long nodes are kept that are missing after an outage; 15 s, that is, longer than the
    /// third of the default TTL within which live nodes register again.
    pub grace: Duration,
    /// How long the registry may take to open a watch and give its first answer; 5 s.
    pub answer: Duration,
    /// Upper bound of the first delay before a broken watch is opened again; 100 ms.
    pub retry_first: Duration,
    /// Upper bound of every such delay; 5 s.
    pub retry_max: Duration,
}

impl Default for WatcherOptions {
    fn default() -> Self {
        Self {
            services: 1024,
            subscribers: 1024,
            waiting: 16_384,
            negative: Duration::from_secs(1),
            grace: Duration::from_secs(15),
            answer: Duration::from_secs(5),
            retry_first: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
        }
    }
}

/// What is believed about a service at one moment.
///
/// Views share what they have in common, so that the one after a change costs little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceView {
    /// The service's name.
    pub name: String,
    /// Its versions by name, each with at least one node, by id; empty when it has no nodes.
    pub versions: Vec<VersionView>,
    /// Whether the registry stands behind it.
    pub freshness: Freshness,
    /// Greater than that of every earlier view of the same watcher, restarts included.
    pub revision: u64,
}

impl ServiceView {
    /// Creates a view of records in any order, live and of revision 1.
    ///
    /// Those of one version are merged, and versions without nodes are left out.
    pub fn new(name: impl Into<String>, records: impl IntoIterator<Item = Service>) -> Self {
        let versions = Catalogue::new(records).into_versions();
        Self { name: name.into(), versions, freshness: Freshness::Live, revision: 1 }
    }
}

/// Whether a view is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// The registry is being watched.
    Live,
    /// The registry cannot be watched; this is what it said last.
    Stale,
}

/// Why there is no view of a service.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The registry knows no node of it.
    #[error("service {0} is not in the registry")]
    NotFound(String),
    /// The registry cannot be asked, and never could be while this service was followed.
    #[error("the registry cannot be asked")]
    Unavailable(#[source] RegistryError),
    /// More services, subscribers or lookups at once than the [options](WatcherOptions) allow.
    #[error("the watcher has too much to follow")]
    Overloaded,
}

impl LookupError {
    /// Whether repeating the same lookup later may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotFound(_) => false,
            Self::Unavailable(error) => error.is_retryable(),
            Self::Overloaded => true,
        }
    }
}

// ===== Messages =====

/// Asks for the current view of a service.
///
/// Sent by whoever needs one; repeating it is safe. It is answered at once if there is a view,
/// else as soon as the registry has answered or failed, and within [`WatcherOptions::answer`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Arc<ServiceView>, LookupError>")]
pub struct Lookup {
    /// The service's name.
    pub service: String,
}

/// Asks to be told of a service: of the current view, if there is one, and of each that follows.
///
/// Sent by the selector. Repeating it has the subscriber told once more, not twice each time. A
/// subscriber whose mailbox is full gets the newest view later, not every view. It stays
/// subscribed until [`Unsubscribe`], until its mailbox is gone, or until it is told
/// [`ViewChanged::view`] of `None`. The only error is [`LookupError::Overloaded`].
#[derive(Debug, Message)]
#[rtype(result = "Result<(), LookupError>")]
pub struct Subscribe {
    /// The service's name.
    pub service: String,
    /// Who is told.
    pub recipient: Recipient<ViewChanged>,
}

/// Asks to be told no more. Repeating it is safe.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Unsubscribe {
    /// The service's name.
    pub service: String,
    /// Who was told.
    pub recipient: Recipient<ViewChanged>,
}

/// A view differs from the one before; sent by the [`Watcher`] to subscribers.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ViewChanged {
    /// The service's name.
    pub service: String,
    /// What is believed now. `None` when the watcher gave the service up to make room for others:
    /// the subscription is over, subscribe again when the service is needed again.
    pub view: Option<Arc<ServiceView>>,
}

// ===== Handlers =====

impl Actor for Watcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.resume(ctx);
    }
}

impl Handler<Lookup> for Watcher {
    type Result = ResponseFuture<Result<Arc<ServiceView>, LookupError>>;

    // Lookups overlap on purpose: those of one service wait together for one answer.
    fn handle(&mut self, Lookup { service }: Lookup, ctx: &mut Self::Context) -> Self::Result {
        match self.outlook(service, ctx) {
            Outlook::Known(answer) => Box::pin(async { answer }),
            Outlook::Wait(answer) => {
                Box::pin(async { answer.await.unwrap_or(Err(LookupError::Overloaded)) })
            }
        }
    }
}

impl Handler<Subscribe> for Watcher {
    type Result = Result<(), LookupError>;

    fn handle(&mut self, message: Subscribe, ctx: &mut Self::Context) -> Self::Result {
        let Subscribe { service, recipient } = message;
        self.use_service(&service, ctx)?;
        if !self.state.subscribe(&service, recipient, self.options.subscribers) {
            return Err(LookupError::Overloaded);
        }
        self.publish(&service, ctx);
        Ok(())
    }
}

impl Handler<Unsubscribe> for Watcher {
    type Result = ();

    fn handle(&mut self, message: Unsubscribe, ctx: &mut Self::Context) {
        self.state.unsubscribe(&message.service, &message.recipient);
        self.plan_to_forget(&message.service, ctx);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("registry", &self.registry.name())
            .field("services", &self.followed.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
