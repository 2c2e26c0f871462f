//! Picks nodes: who of those that run a service gets the next call.
//!
//! The [`Selector`] owns the writes: it turns views of the registry into [`Snapshot`]s. Readers
//! never ask it: they hold the [`ServiceNodes`] of a service and pick from the present snapshot
//! on their own thread, wait-free and without allocation.
//!
//! ```text
//! Watcher ──ViewChanged──▶ Selector ──publish──▶ ServiceNodes ◀──load, pick── callers
//!                  Mark ─────▲                       ▲──────begin, finish───────┘
//! ```
//!
//! Supervised by `ServiceNode`. A restart loses nothing: nodes, load and health live in the
//! [`SelectorState`] that the actor's factory hands to each incarnation.

mod candidate;
mod field;
mod filter;
mod health;
mod load;
mod moment;
mod nodes;
mod options;
mod pick;
mod places;
mod plain;
mod recent;
mod release;
mod ring;
mod seats;
mod shared;
mod snapshot;
mod strategy;
mod vitals;

use std::collections::HashMap;
use std::sync::Arc;

use actix::{Actor, Handler, Message, MessageResult};
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::candidate::Candidate;
pub use self::field::Eligible;
pub use self::filter::{Filter, Locality};
pub use self::health::{Outcome, Standing};
pub use self::nodes::ServiceNodes;
pub use self::options::{SelectorOptions, SelectorOptionsError};
pub use self::pick::{Pick, PickError};
pub(crate) use self::plain::{PlainRoutes, Route};
pub use self::snapshot::Snapshot;
pub use self::strategy::{CustomStrategy, Strategy, StrategyError};
use crate::Context;
use crate::registry::ViewChanged;
pub use rand::Rng;

/// Turns views of the registry into snapshots.
///
/// One per node, supervised by `ServiceNode` with `Restart::Permanent`; loses nothing.
#[derive(Debug)]
pub struct Selector {
    options: SelectorOptions,
    state: SelectorState,
}

impl Selector {
    /// Creates a selector; `options` apply to services that are not in `state` yet.
    #[must_use]
    pub fn new(options: SelectorOptions, state: SelectorState) -> Self {
        Self { options, state }
    }
}

impl Actor for Selector {
    type Context = Context<Self>;
}

/// The services that selectors know, shared by all incarnations of one.
#[derive(Debug, Clone, Default)]
pub struct SelectorState {
    services: Arc<Mutex<HashMap<String, Arc<ServiceNodes>>>>,
}

impl SelectorState {
    /// The nodes of a service that a selector knows already; takes a short lock.
    #[must_use]
    pub fn nodes(&self, service: &str) -> Option<Arc<ServiceNodes>> {
        self.services.lock().get(service).cloned()
    }

    /// The nodes of a service, made known if need be.
    fn nodes_or_new(&self, service: &str, options: &SelectorOptions) -> Arc<ServiceNodes> {
        let mut services = self.services.lock();
        if let Some(nodes) = services.get(service) {
            return Arc::clone(nodes);
        }
        if services.len() >= options.services {
            services.retain(|_, nodes| is_held(nodes) || !nodes.load().is_empty());
        }
        if services.len() >= options.services {
            services.retain(|_, nodes| is_held(nodes));
        }
        let nodes = Arc::new(ServiceNodes::new(service, options.clone(), Instant::now()));
        services.insert(service.to_owned(), Arc::clone(&nodes));
        nodes
    }
}

// ===== Messages =====

/// Something was learnt about a node apart from a call.
///
/// Sent by connections: draining when the peer said so, unreachable when the connection is lost,
/// returned when another incarnation answers.
/// Applies to the node in every service it runs. Repeating it is safe.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Mark {
    /// The node's id.
    pub node: String,
    /// What was learnt.
    pub outcome: Outcome,
}

/// Asks for the nodes of a service.
///
/// Sent by callers, once: the answer is kept up to date as long as somebody holds it. A service of
/// which nothing is known yet has no nodes until its first [`ViewChanged`]. The answer is always
/// the same while somebody holds it; one that nobody held may have been forgotten, see
/// [`SelectorOptions::services`], and is known again with the next view.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Arc<ServiceNodes>")]
pub struct NodesOf {
    /// The service's name.
    pub service: String,
}

// ===== Handlers =====

impl Handler<ViewChanged> for Selector {
    type Result = ();

    fn handle(&mut self, message: ViewChanged, _: &mut Self::Context) {
        let ViewChanged { service, view } = message;
        let nodes = self.state.nodes_or_new(&service, &self.options);
        match view {
            Some(view) => nodes.publish(&view, Instant::now()),
            // Nobody follows the service any more; without nodes its next caller looks it up.
            None => nodes.clear(Instant::now()),
        }
    }
}

impl Handler<Mark> for Selector {
    type Result = ();

    fn handle(&mut self, Mark { node, outcome }: Mark, _: &mut Self::Context) {
        let now = Instant::now();
        for nodes in self.state.services.lock().values() {
            nodes.load().node(&node).for_each(|candidate| candidate.mark(outcome, now));
        }
    }
}

impl Handler<NodesOf> for Selector {
    type Result = MessageResult<NodesOf>;

    fn handle(&mut self, NodesOf { service }: NodesOf, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.state.nodes_or_new(&service, &self.options))
    }
}

// ===== Private helpers =====

/// Whether somebody else holds on to it. Nobody can begin to: that takes the lock that the caller
/// of this has.
fn is_held(nodes: &Arc<ServiceNodes>) -> bool {
    Arc::strong_count(nodes) > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Freshness, NodeInfo, Service, ServiceView};
    use crate::testing::start_once;

    #[actix::test]
    async fn what_callers_hold_follows_the_registry() {
        let selector =
            start_once(Selector::new(SelectorOptions::default(), SelectorState::default()));
        let nodes = selector.send(NodesOf { service: "greeter".into() }).await.unwrap();
        assert_eq!((nodes.load().len(), nodes.load().revision()), (0, 0));
        selector.send(changed("greeter", 3)).await.unwrap();
        let snapshot = nodes.load();
        assert_eq!((snapshot.len(), snapshot.revision()), (3, 3));
        assert_eq!(snapshot.freshness(), Freshness::Live);
    }

    #[actix::test]
    async fn a_mark_reaches_the_node_in_every_service_it_runs() {
        let state = SelectorState::default();
        let selector = start_once(Selector::new(SelectorOptions::default(), state.clone()));
        for service in ["greeter", "counter"] {
            selector.send(changed(service, 2)).await.unwrap();
        }
        let mark = Mark { node: "node-1".into(), outcome: Outcome::Draining };
        selector.send(mark).await.unwrap();
        for service in ["greeter", "counter"] {
            let nodes = state.nodes(service).unwrap();
            let standings: Vec<_> = nodes
                .load()
                .candidates()
                .map(|candidate| candidate.standing(Instant::now()))
                .collect();
            assert_eq!(standings, [Standing::Ready, Standing::Draining]);
        }
    }

    #[actix::test]
    async fn a_restarted_selector_goes_on_with_the_same_nodes() {
        let state = SelectorState::default();
        let first = start_once(Selector::new(SelectorOptions::default(), state.clone()));
        first.send(changed("greeter", 2)).await.unwrap();
        let before = first.send(NodesOf { service: "greeter".into() }).await.unwrap();
        let second = start_once(Selector::new(SelectorOptions::default(), state));
        let after = second.send(NodesOf { service: "greeter".into() }).await.unwrap();
        assert!(Arc::ptr_eq(&before, &after));
        assert_eq!(after.load().len(), 2);
    }

    #[actix::test]
    async fn services_that_nobody_holds_are_forgotten_when_there_are_too_many() {
        let options = SelectorOptions { services: 2, ..SelectorOptions::default() };
        let state = SelectorState::default();
        let selector = start_once(Selector::new(options, state.clone()));
        let held = selector.send(NodesOf { service: "held".into() }).await.unwrap();
        selector.send(changed("known", 1)).await.unwrap();
        selector.send(changed("other", 1)).await.unwrap();
        assert!(state.nodes("known").is_none());
        assert!(state.nodes("other").is_some());
        assert!(Arc::ptr_eq(&state.nodes("held").unwrap(), &held));
    }

    #[actix::test]
    async fn services_without_nodes_are_forgotten_before_those_with_some() {
        let options = SelectorOptions { services: 2, ..SelectorOptions::default() };
        let state = SelectorState::default();
        let selector = start_once(Selector::new(options, state.clone()));
        selector.send(changed("known", 1)).await.unwrap();
        drop(selector.send(NodesOf { service: "unknown".into() }).await.unwrap());
        selector.send(changed("other", 1)).await.unwrap();
        assert!(state.nodes("known").is_some());
        assert!(state.nodes("unknown").is_none());
    }

    fn changed(name: &str, count: u64) -> ViewChanged {
        ViewChanged { service: name.to_owned(), view: Some(view(name, count)) }
    }

    #[actix::test]
    async fn a_service_that_is_followed_no_more_has_no_nodes() {
        let selector =
            start_once(Selector::new(SelectorOptions::default(), SelectorState::default()));
        let nodes = selector.send(NodesOf { service: "greeter".into() }).await.unwrap();
        selector.send(changed("greeter", 2)).await.unwrap();
        let given_up = ViewChanged { service: "greeter".into(), view: None };
        selector.send(given_up).await.unwrap();
        assert!(nodes.load().is_empty());
    }

    #[actix::test]
    async fn an_older_view_that_comes_late_changes_nothing() {
        let selector =
            start_once(Selector::new(SelectorOptions::default(), SelectorState::default()));
        let nodes = selector.send(NodesOf { service: "greeter".into() }).await.unwrap();
        selector.send(changed("greeter", 3)).await.unwrap();
        selector.send(changed("greeter", 2)).await.unwrap();
        assert_eq!(nodes.load().len(), 3);
    }

    fn view(name: &str, count: u64) -> Arc<ServiceView> {
        let mut service = Service::new(name, "1");
        let ids = (0..count).map(|index| format!("node-{index}"));
        service.nodes = ids.map(|id| NodeInfo::new(id, "there")).collect();
        Arc::new(ServiceView { revision: count, ..ServiceView::new(name, [service]) })
    }
}
