//! Publishing: to the subscribers of this process, and to the nodes of all others.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::StreamExt;
use futures_util::future::FutureExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep_until;

use super::route::{Group, Route, Stop, Way};
use super::{Letter, Shared};
use crate::broker::memory::publish_here;
use crate::broker::topics::To;
use crate::broker::{
    BrokerError, BrokerHome, EncodedEvent, EventDesk, EventFrame, Interest, Published, Publisher,
};
use crate::client::{CallError, CallOptions, CallTarget, Executed, RemoteService};
use crate::deadline::Deadline;
use crate::registry::BoxFuture;
use crate::selector::Snapshot;

/// The way to one topic.
pub(super) struct DirectPublisher {
    shared: Arc<Shared>,
    topic: Arc<str>,
    services: OnceLock<Vec<Arc<RemoteService>>>,
    route: ArcSwap<Route>,
}

/// One event under way.
#[derive(Clone, Copy)]
struct Publishing<'a> {
    shared: &'a Shared,
    home: &'a BrokerHome,
    topic: &'a Arc<str>,
    /// In whose name nodes are called.
    service: &'a RemoteService,
    event: &'a EncodedEvent,
    options: &'a CallOptions,
    deadline: Deadline,
}

impl DirectPublisher {
    pub(super) fn new(shared: Arc<Shared>, topic: &str) -> Self {
        let (services, route) = (OnceLock::new(), ArcSwap::default());
        Self { shared, topic: topic.into(), services, route }
    }

    /// Publishes to the only node that subscribes, if that is known and can be done without
    /// waiting; most topics have one.
    async fn publish_to_one(
        &self,
        event: &EncodedEvent,
        timeout: Duration,
    ) -> Option<Result<Published, BrokerError>> {
        let (home, services) = (self.shared.home.get()?, self.services.get()?);
        let is_known_here = self.shared.desk.topics().look(&self.topic, |_| ()).is_some();
        if is_known_here || !event.metadata.is_within_limits() {
            return None;
        }
        let stop = self.route.load().only(services).cloned()?;
        let Way::Native(node) = &stop.way else { return None };
        let target = target(event);
        let frame = EventFrame { topic: &self.topic, group: None, body: &event.body };
        let call = (&event.metadata, &frame);
        let answer = match home.caller.ask_node(node, target, call, timeout).await {
            Ok(asked) => asked?.map_err(|failed| {
                let mut options = home.caller.call_options(timeout);
                options.retries = 0;
                home.caller.failure(&services[0], target, &options, failed)
            }),
            Err(error) => Err(error),
        };
        Some(answer.map_or_else(verdict, |reply| Ok(counts(&reply.body))))
    }

    async fn publish_to_all(
        &self,
        event: EncodedEvent,
        deadline: Deadline,
    ) -> Result<Published, BrokerError> {
        let home = self.shared.home.get().ok_or(BrokerError::Stopped)?;
        Interest::new(Arc::clone(&self.topic)).check()?;
        let services = self.services.get_or_init(|| {
            let names = self.shared.directory.services(&self.topic);
            names.iter().map(|name| home.caller.service(name)).collect()
        });
        let route = self.route(home, services, deadline).await?;
        let Some(service) = services.first() else { return Ok(Published::default()) };
        let mut options = home.caller.call_options(deadline.time_left());
        options.retries = 0;
        options.metadata = event.metadata.clone();
        options.check().map_err(BrokerError::Call)?;
        let publishing = Publishing {
            shared: &self.shared,
            home,
            topic: &self.topic,
            service,
            event: &event,
            options: &options,
            deadline,
        };
        publishing.everywhere(&route).await
    }

    /// The subscribers on other nodes, as of now.
    async fn route(
        &self,
        home: &BrokerHome,
        services: &[Arc<RemoteService>],
        deadline: Deadline,
    ) -> Result<Guard<Arc<Route>>, BrokerError> {
        let route = self.route.load();
        if route.is_current(services) {
            return Ok(route);
        }
        let mut sources = sources(home, services, deadline).await?;
        if let Some(complete) = home.registry.complete_at() {
            // Else the first event would miss those who have been there for long.
            sleep_until(complete.min(deadline.instant())).await;
            sources = self::sources(home, services, deadline).await?;
        }
        let home = (home, self.shared.place.get());
        let route = Route::new(home, &*self.shared.directory, &self.topic, sources);
        self.route.store(Arc::new(route));
        Ok(self.route.load())
    }
}

/// The nodes of the services, as of now.
async fn sources(
    home: &BrokerHome,
    services: &[Arc<RemoteService>],
    deadline: Deadline,
) -> Result<Vec<Arc<Snapshot>>, BrokerError> {
    let mut sources = Vec::with_capacity(services.len());
    for service in services {
        let is_empty = service.nodes().is_some_and(|nodes| nodes.load().candidates().is_empty());
        let nodes = home.caller.nodes(service, is_empty, deadline).await.map_err(failure)?;
        sources.extend(nodes.map(|nodes| nodes.load().clone()));
    }
    Ok(sources)
}

/// Why there is no knowing who subscribes.
fn failure(error: CallError) -> BrokerError {
    match error {
        CallError::Registry { source, .. } => BrokerError::Registry(source),
        CallError::Stopped => BrokerError::Stopped,
        error => BrokerError::Call(error),
    }
}

impl Publishing<'_> {
    async fn everywhere(self, route: &Route) -> Result<Published, BrokerError> {
        let here = self.audiences_here(route);
        let is_here = |group: &Group| here.iter().flatten().any(|name| *name == group.name);
        let local = here.iter().map(|group| {
            let (topics, to) =
                (self.shared.desk.topics(), group.as_deref().map_or(To::Ungrouped, To::Group));
            publish_here(topics, self.topic, self.event, to, self.deadline).map(Ok).boxed()
        });
        let nodes = route.ungrouped.iter().map(|stop| self.ungrouped(stop).boxed());
        let groups = route.groups.iter().filter(|group| !is_here(group));
        let groups = groups.map(|group| self.group(group).boxed());
        let mut under_way: FuturesUnordered<_> = local.chain(nodes).chain(groups).collect();
        let (mut sum, mut failed) = (Published::default(), None);
        while let Some(published) = under_way.next().await {
            match published {
                Ok(published) => sum.add(published),
                // It is the same for all: the event is too large, or the system stops.
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if sum == Published::default() => Err(error),
            _ => Ok(sum),
        }
    }

    /// Who is meant of the subscribers of this process: those without a group, and each group of
    /// which a member here has room or no member is elsewhere.
    fn audiences_here(&self, route: &Route) -> Vec<Option<Arc<str>>> {
        let topics = self.shared.desk.topics();
        let found = topics.look(self.topic, |topic| {
            let mut audiences = topic.subscribers().audiences();
            audiences.retain(|group| {
                group.as_deref().is_none_or(|name| topic.has_room(name) || !route.has_group(name))
            });
            audiences
        });
        found.unwrap_or_default()
    }

    /// Has a node deliver the event to its subscribers without a group.
    async fn ungrouped(self, stop: &Stop) -> Result<Published, BrokerError> {
        match self.bring(stop, None).await {
            Ok(published) => Ok(published),
            Err(error) => verdict(error),
        }
    }

    /// Has a node of a group deliver the event; the next one where one did not take it.
    async fn group(self, group: &Group) -> Result<Published, BrokerError> {
        let mut last = Ok(Published { refused: 1, ..Published::default() });
        for stop in group.members() {
            match self.bring(stop, Some(&group.name)).await {
                Ok(published) => return Ok(published),
                Err(error) if error.executed() == Executed::No => last = verdict(error),
                Err(error) => return verdict(error),
            }
            if self.deadline.has_passed() {
                break;
            }
        }
        last
    }

    async fn bring(self, stop: &Stop, group: Option<&str>) -> Result<Published, CallError> {
        let Way::Native(node) = &stop.way else {
            let Some(courier) = &self.shared.courier else {
                return Err(CallError::Draining { node: stop.node.address.clone() });
            };
            let letter = Letter {
                topic: Arc::clone(self.topic),
                node: Arc::clone(&stop.node),
                event: self.event.clone(),
                deadline: self.deadline,
            };
            return courier.deliver(letter).await;
        };
        let target = target(self.event);
        let frame = EventFrame { topic: self.topic, group, body: &self.event.body };
        let options = (self.options, self.deadline);
        let called = self.home.caller.call_node(node, self.service, target, frame, options).await?;
        Ok(counts(&called.reply.body))
    }
}

fn target(event: &EncodedEvent) -> CallTarget {
    let content_type = event.content_type;
    CallTarget { endpoint: EventDesk::ENDPOINT, content_type, is_idempotent: false }
}

/// What a node has answered. What cannot be read comes from a newer one; it has got the event.
fn counts(answer: &[u8]) -> Published {
    Published::read(answer).unwrap_or(Published { failed: 1, ..Published::default() })
}

/// What the failure to bring an event to a subscriber means.
fn verdict(error: CallError) -> Result<Published, BrokerError> {
    let nothing = Published::default();
    match (&error, error.executed()) {
        (CallError::TooLarge { .. } | CallError::Stopped, _) => Err(failure(error)),
        // The node knows no such codec, or what it was sent is no event.
        (CallError::Codec { .. }, _) => Ok(Published { failed: 1, ..nothing }),
        (_, Executed::No) => Ok(Published { refused: 1, ..nothing }),
        _ => Ok(Published { failed: 1, ..nothing }),
    }
}

impl Publisher for DirectPublisher {
    fn publish(
        self: Arc<Self>,
        event: EncodedEvent,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Published, BrokerError>> {
        Box::pin(async move {
            match self.publish_to_one(&event, timeout).await {
                Some(published) => published,
                // Boxed, so that the short way does not carry its size.
                None => Box::pin(self.publish_to_all(event, Deadline::within(timeout))).await,
            }
        })
    }
}
