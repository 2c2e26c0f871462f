//! Publishing: to the subscribers of this process, and to the nodes of all others.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep_until;

use super::Shared;
use super::deliver::{Draft, Publishing, counts, failure, target, verdict};
use super::route::{Group, Only, Route, Stop, Way};
use super::under_way::UnderWay;
use crate::broker::{BrokerError, BrokerHome, EncodedEvent, Interest, Published, Publisher};
use crate::client::{CallOptions, RemoteService};
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

impl DirectPublisher {
    pub(super) fn new(shared: Arc<Shared>, topic: &str) -> Self {
        let (services, route) = (OnceLock::new(), ArcSwap::default());
        Self { shared, topic: topic.into(), services, route }
    }

    /// Publishes to the only node that subscribes, or to a member of the only group, if that can be
    /// done without waiting; most topics have one.
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
        let route = self.route.load_full();
        let (stop, group) = match route.only(services)? {
            Only::Node(stop) => (stop, None),
            Only::Group(group) => {
                let turn = group.turn();
                (group.members(turn).next()?, Some((group, turn)))
            }
        };
        let told = self.ask((home, &services[0]), stop, group, event, timeout).await;
        if let (None, Some((group, _))) = (&told, group) {
            group.give_back();
        }
        told
    }

    /// Asks a node at once, if there is a connection to it and it takes the usual form.
    async fn ask(
        &self,
        (home, service): (&BrokerHome, &RemoteService),
        stop: &Stop,
        group: Option<(&Group, usize)>,
        event: &EncodedEvent,
        timeout: Duration,
    ) -> Option<Result<Published, BrokerError>> {
        let Way::Native(node) = &stop.way else { return None };
        if stop.needs_other_form(event) {
            return None;
        }
        let draft = Draft::new(event);
        let frame = draft.frame(&self.topic, group.map(|(group, _)| &*group.name));
        let body = (&event.metadata, &frame);
        let asked = home.caller.ask_node(node, target(event), body, timeout, counts);
        let failed = match asked.await {
            Ok(answer) => match answer? {
                Ok(published) => return Some(Ok(published)),
                Err(failed) => failed,
            },
            Err(error) => return Some(verdict(error)),
        };
        // Boxed, so that the short way does not carry its size.
        let going_on = async {
            let deadline = failed.deadline().unwrap_or_else(|| Deadline::within(timeout));
            let options = options(home, event, deadline);
            let publishing = Publishing {
                shared: &self.shared,
                home,
                topic: &self.topic,
                service,
                draft: &draft,
                options: &options,
                deadline,
                timeout,
            };
            publishing.go_on(node, frame, failed, group).await
        };
        Some(Box::pin(going_on).await)
    }

    async fn publish_to_all(
        &self,
        event: EncodedEvent,
        timeout: Duration,
    ) -> Result<Published, BrokerError> {
        let deadline = Deadline::within(timeout);
        let home = self.shared.home.get().ok_or(BrokerError::Stopped)?;
        Interest::new(Arc::clone(&self.topic)).check()?;
        let services = self.services.get_or_init(|| {
            let names = self.shared.directory.services(&self.topic);
            names.iter().map(|name| home.caller.service(name)).collect()
        });
        let route = self.route(home, services, deadline).await?;
        let Some(service) = services.first() else { return Ok(Published::default()) };
        let options = options(home, &event, deadline);
        options.check().map_err(BrokerError::Call)?;
        let publishing = Publishing {
            shared: &self.shared,
            home,
            topic: &self.topic,
            service,
            draft: &Draft::new(&event),
            options: &options,
            deadline,
            timeout: options.timeout,
        };
        UnderWay::begin(publishing, &route).await
    }

    /// The subscribers on other nodes, as of now.
    async fn route(
        &self,
        home: &BrokerHome,
        services: &[Arc<RemoteService>],
        deadline: Deadline,
    ) -> Result<Arc<Route>, BrokerError> {
        let route = self.route.load_full();
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
        let route = Arc::new(route);
        self.route.store(Arc::clone(&route));
        Ok(route)
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
        let is_empty = service.nodes().is_some_and(|nodes| nodes.load().is_empty());
        let nodes = home.caller.nodes(service, is_empty, deadline).await.map_err(failure)?;
        sources.extend(nodes.map(|nodes| nodes.load().clone()));
    }
    Ok(sources)
}

/// How nodes are asked to deliver an event: once, as what may have arrived is not sent again.
fn options(home: &BrokerHome, event: &EncodedEvent, deadline: Deadline) -> CallOptions {
    let mut options = home.caller.call_options(deadline.time_left());
    options.retries = 0;
    options.metadata = event.metadata.clone();
    options
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
                None => Box::pin(self.publish_to_all(event, timeout)).await,
            }
        })
    }
}
