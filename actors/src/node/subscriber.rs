//! Handlers that hear events, added while their node runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::start::subscribe;
use super::{HandlerParts, NodeError, NodeRef};
use crate::broker::{BrokerError, Subscription};
use crate::inbox::InboxStatus;
use crate::supervisor::{Restart, SupervisorBuilder, SupervisorRef};

/// Actors that hear events, added while their node runs; dropping it ends them, without waiting for
/// that.
///
/// Made by [`NodeRef::subscribe`]. A node that stops ends them as it ends its other handlers.
#[must_use = "dropping it unsubscribes"]
pub struct Subscriber {
    node: NodeRef,
    running: Option<Arc<Running>>,
}

/// What a subscriber consists of, known to its node until it has ended.
pub(super) struct Running {
    supervisor: SupervisorRef,
    inboxes: Vec<Arc<dyn InboxStatus>>,
    subscriptions: Mutex<Vec<Box<dyn Subscription>>>,
}

impl NodeRef {
    /// Starts a handler's actors below `supervisor` and subscribes them; resolves once publishers
    /// can find them. A node that served nothing listens and is registered from then on, if its
    /// broker needs that.
    ///
    /// The supervisor is one of the handlers': when it gives up, so does the node. A registry that
    /// is down is tried again until the [start timeout](super::NodeOptions::start_timeout).
    ///
    /// # Cancellation
    /// What has been started is ended; a node that has begun to listen goes on.
    ///
    /// # Errors
    /// The handler answers requests or hears nothing, an actor did not start, the node cannot
    /// listen or register, or the broker did not take a subscription; nothing of it is left then,
    /// but that the node may listen and be registered.
    pub async fn subscribe(
        &self,
        handler: HandlerParts,
        supervisor: SupervisorBuilder,
    ) -> Result<Subscriber, NodeError> {
        check(&handler)?;
        let name = handler.name.clone();
        let (started, outcome) = oneshot::channel();
        let node = self.clone();
        // On the node's own arbiter: the caller's executor may have no timers.
        self.shared.arbiter.spawn(async move {
            let subscriber = node.start_subscriber(handler, supervisor).await;
            // What nobody waits for any more is dropped, and ends.
            let _ = started.send(subscriber);
        });
        outcome.await.unwrap_or_else(|_| Err(stopped(&name)))
    }

    async fn start_subscriber(
        self,
        handler: HandlerParts,
        builder: SupervisorBuilder,
    ) -> Result<Subscriber, NodeError> {
        let HandlerParts { name, port, start } = handler;
        let failure = |source| NodeError::Child { child: format!("handler {name}"), source };
        let parent = self.shared.handlers.get().ok_or_else(|| stopped(&name))?;
        let (child, supervisor) = builder.into_child();
        // Not restarted: where it gives up, the node does.
        let nested = parent.start_child(child.restart(Restart::Temporary)).await;
        nested.map_err(failure)?;
        let running = Arc::new(Running {
            supervisor: supervisor.clone(),
            inboxes: port.inboxes(),
            subscriptions: Mutex::default(),
        });
        let subscriber = Subscriber { node: self.clone(), running: Some(Arc::clone(&running)) };
        let begun = async {
            start(supervisor.clone()).await.map_err(failure)?;
            let until = Instant::now() + self.shared.options.start_timeout;
            if self.shared.broker.port().is_some() {
                // A node that served nothing could not be reached.
                self.serve(until).await?;
            }
            let subscriptions =
                subscribe(&*self.shared.broker, port.subscriptions(), until).await?;
            *running.subscriptions.lock() = subscriptions;
            self.shared.subscribers.lock().push(Arc::clone(&running));
            // A stop that began before this cannot have seen it; one that begins later does.
            if self.is_stopping() { Err(stopped(&name)) } else { Ok(()) }
        };
        if let Err(error) = begun.await {
            subscriber.close().await;
            return Err(error);
        }
        actix_rt::spawn(async move {
            let exit = supervisor.ended().await;
            if !exit.is_normal() {
                self.give_up(exit).await;
            }
        });
        Ok(subscriber)
    }

    /// Ends a subscriber: first publishers are told, then what they have sent is handled.
    async fn end_subscriber(&self, running: Arc<Running>) {
        running.unsubscribe().await;
        let limit = self.shared.options.drain_timeout;
        if timeout(limit, running.settled()).await.is_err() {
            tracing::warn!(?limit, "not all events of a subscriber were handled in time");
        }
        running.supervisor.stop().await;
        self.shared.subscribers.lock().retain(|other| !Arc::ptr_eq(other, &running));
    }
}

impl Running {
    /// Takes the subscriptions back, once.
    pub(super) async fn unsubscribe(&self) {
        let subscriptions = std::mem::take(&mut *self.subscriptions.lock());
        unsubscribe(subscriptions).await;
    }

    /// Resolves once what was delivered has been handled.
    pub(super) async fn settled(&self) {
        join_all(self.inboxes.iter().map(|inbox| Arc::clone(inbox).idle())).await;
    }
}

impl Subscriber {
    /// Ends it: withdraws it from the registry, has what was delivered before handled, for at most
    /// the [drain timeout](super::NodeOptions::drain_timeout), and stops its actors.
    ///
    /// # Cancellation
    /// It ends all the same.
    pub async fn close(mut self) {
        // When the arbiter is gone, so is the subscriber.
        let _ = self.end().await;
    }

    /// Ends it on the node's arbiter, where that goes on whoever stops waiting.
    fn end(&mut self) -> oneshot::Receiver<()> {
        let (done, ended) = oneshot::channel();
        if let Some(running) = self.running.take() {
            let node = self.node.clone();
            self.node.shared.arbiter.spawn(async move {
                node.end_subscriber(running).await;
                drop(done);
            });
        }
        ended
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Ends subscriptions; what was delivered before is handled like any request.
pub(super) async fn unsubscribe(subscriptions: Vec<Box<dyn Subscription>>) {
    let all = join_all(subscriptions.into_iter().map(Subscription::close));
    if timeout(DEREGISTRATION, all).await.is_err() {
        tracing::warn!(limit = ?DEREGISTRATION, "not unsubscribed in time");
    }
}

fn check(handler: &HandlerParts) -> Result<(), NodeError> {
    let reason = if !handler.port.endpoints().is_empty() {
        "it answers requests, which must be known when the node starts"
    } else if handler.port.subscriptions().is_empty() {
        "it hears no events"
    } else {
        return Ok(());
    };
    Err(NodeError::NotSubscriber { handler: handler.name.clone(), reason })
}

fn stopped(handler: &str) -> NodeError {
    NodeError::Subscribe { topic: format!("the topics of {handler}"), source: BrokerError::Stopped }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("node", self.node.node()).finish_non_exhaustive()
    }
}

/// Time the registry has to take announcements back.
const DEREGISTRATION: Duration = Duration::from_secs(2);
