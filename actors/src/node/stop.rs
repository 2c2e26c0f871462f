//! Stopping a node.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::start::run_hooks;
use super::subscriber::unsubscribe;
use super::{Hook, NodeRef, Phase};
use crate::heartbeat::Release;
use crate::supervisor::{Exit, SupervisorRef};

impl NodeRef {
    /// Stops the node in order; resolves with how it ended. Repeating it waits for the same end.
    ///
    /// Deregisters, tells clients, waits the settle time, refuses new requests, finishes accepted
    /// ones up to the drain timeout, and stops the children bottom to top.
    ///
    /// # Cancellation
    /// The node stops all the same.
    pub async fn stop(&self) -> Exit {
        if self.begins_to_stop() {
            let node = self.clone();
            // On the node's own arbiter: the caller's executor may have no timers, and may end.
            let abandoned = Abandoned(Some(node.clone()));
            // Whether it can be spawned or not: it is dropped unfinished when the arbiter is gone.
            self.shared.arbiter.spawn(async move {
                node.run_stop().await;
                drop(abandoned);
            });
        }
        self.ended().await
    }

    /// Ends all waiting for others: a stop that is under way goes straight to its end.
    pub fn hurry(&self) {
        // A stop that has not been asked for is not to be shortened in advance.
        if self.is_stopping() {
            self.shared.hurry.notify_one();
        }
    }

    /// How the node ended, once it has: [`Exit::Shutdown`] after a stop.
    pub async fn ended(&self) -> Exit {
        let mut phase = self.shared.phase.subscribe();
        let ended = phase.wait_for(|phase| matches!(phase, Phase::Ended(_))).await;
        match ended.as_deref() {
            Ok(Phase::Ended(exit)) => exit.clone(),
            _ => Exit::ArbiterGone,
        }
    }

    /// Whether it has been told to stop, or has ended.
    pub fn is_stopping(&self) -> bool {
        *self.shared.phase.borrow() != Phase::Running
    }

    /// Notices when the handlers, or the root supervisor itself, give up.
    pub(super) fn watch(&self, handlers: SupervisorRef) {
        let node = self.clone();
        actix_rt::spawn(async move {
            let mut abandoned = Abandoned(Some(node.clone()));
            let root = &node.shared.root;
            let handlers_gave_up = async {
                match handlers.ended().await {
                    // They were stopped, and the root tells why.
                    exit if exit.is_normal() => std::future::pending().await,
                    exit => exit,
                }
            };
            let exit = tokio::select! {
                exit = root.ended() => exit,
                exit = handlers_gave_up => exit,
            };
            abandoned.0 = None;
            node.give_up(exit).await;
        });
    }

    /// Ends the node because a part of it has ended that it cannot be without.
    pub(super) async fn give_up(&self, exit: Exit) {
        // A root that was told to stop is waited for by whoever told it.
        if self.begins_to_stop() {
            if !exit.is_normal() {
                tracing::error!(%exit, "the node gave up");
            }
            self.shared.root.stop().await;
            self.shared.server.close();
            self.shared.phase.send_replace(Phase::Ended(exit));
        }
    }

    /// Leaves the running phase; false when that has been done before.
    fn begins_to_stop(&self) -> bool {
        self.shared.phase.send_if_modified(|phase| {
            let is_first = *phase == Phase::Running;
            if is_first {
                *phase = Phase::Stopping;
            }
            is_first
        })
    }

    async fn run_stop(&self) {
        tokio::select! {
            () = self.drain() => {}
            () = self.shared.hurry.notified() => tracing::warn!("stopping at once"),
        }
        self.shared.server.close();
        let exit = self.shared.root.stop().await;
        let hooks = std::mem::take(&mut *self.shared.after_stop.lock());
        self.run_stop_hooks("after_stop", hooks).await;
        tracing::info!(node = self.node().id, "stopped");
        self.shared.phase.send_replace(Phase::Ended(exit));
    }

    async fn drain(&self) {
        let hooks = std::mem::take(&mut *self.shared.before_stop.lock());
        self.run_stop_hooks("before_stop", hooks).await;
        let own = std::mem::take(&mut *self.shared.subscriptions.lock());
        let subscribers = std::mem::take(&mut *self.shared.subscribers.lock());
        let added = join_all(subscribers.iter().map(|subscriber| subscriber.unsubscribe()));
        join(unsubscribe(own), added).await;
        let Some(heartbeat) = self.shared.heartbeat.get() else { return };
        tracing::info!(node = self.node().id, "draining");
        // The answer has been logged by the heartbeat; whatever it is, the node goes.
        let _ = timeout(DEREGISTRATION, heartbeat.send(Release)).await;
        let server = &self.shared.server;
        server.drain();
        sleep(self.shared.options.settle_time).await;
        server.refuse();
        let until = Instant::now() + self.shared.options.drain_timeout;
        let settled = async {
            // Answers to what these have heard are written by the sessions.
            join_all(subscribers.iter().map(|subscriber| subscriber.settled())).await;
            server.settled().await;
        };
        if timeout_at(until, settled).await.is_err() {
            let limit = self.shared.options.drain_timeout;
            tracing::warn!(?limit, "not everything accepted was finished in time");
            return;
        }
        // Clients close their connections when they have heard; one that does not is not waited
        // for long. Closing first could lose a request that is on its way.
        let until = until.min(Instant::now() + DESERTION);
        if timeout_at(until, server.deserted()).await.is_err() {
            tracing::debug!("some clients kept their connections open");
        }
    }

    async fn run_stop_hooks(&self, name: &'static str, hooks: Vec<Hook>) {
        for hook in hooks {
            let limit = self.shared.options.drain_timeout;
            match timeout(limit, run_hooks(name, vec![hook])).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a hook failed"),
                Err(_) => tracing::error!(hook = name, ?limit, "a hook took too long"),
            }
        }
    }
}

/// Ends the node if it is dropped earlier: then its arbiter is gone, and nothing else would.
struct Abandoned(Option<NodeRef>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        let Some(node) = self.0.take() else { return };
        node.shared.phase.send_if_modified(|phase| {
            let is_lost = !matches!(phase, Phase::Ended(_));
            if is_lost {
                *phase = Phase::Ended(Exit::ArbiterGone);
            }
            is_lost
        });
    }
}

/// Time the registry has to take the registration back.
const DEREGISTRATION: Duration = Duration::from_secs(2);

/// Time clients have to close their connections once everything has been answered.
const DESERTION: Duration = Duration::from_secs(1);
