//! Stopping a node.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::start::run_hooks;
use super::{Hook, NodeRef, Phase};
use crate::heartbeat::Release;
use crate::supervisor::Exit;

impl NodeRef {
    /// Stops the node in order; resolves with how it ended. Repeating it waits for the same end.
    ///
    /// Deregisters, tells clients, waits the settle time, refuses new requests, finishes accepted
    /// ones up to the drain timeout, and stops the children bottom to top.
    ///
    /// # Cancellation
    /// The node stops all the same.
    pub async fn stop(&self) -> Exit {
        let is_first = self.shared.phase.send_if_modified(|phase| {
            let is_first = *phase == Phase::Running;
            if is_first {
                *phase = Phase::Stopping;
            }
            is_first
        });
        if is_first {
            let node = self.clone();
            // On the node's own arbiter: the caller's executor may have no timers, and may end.
            if !self.shared.arbiter.spawn(async move { node.run_stop().await }) {
                self.shared.phase.send_replace(Phase::Ended(Exit::ArbiterGone));
            }
        }
        self.ended().await
    }

    /// Ends all waiting for others: a stop that is under way goes straight to its end.
    pub fn hurry(&self) {
        self.shared.hurry.notify_one();
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

    /// Notices when the root supervisor gives up.
    pub(super) fn watch_root(&self) {
        let node = self.clone();
        actix_rt::spawn(async move {
            let exit = node.shared.root.ended().await;
            // A root that was told to stop is waited for by whoever told it.
            if *node.shared.phase.borrow() == Phase::Running {
                tracing::error!(%exit, "the node gave up");
                node.shared.server.close();
                node.shared.phase.send_replace(Phase::Ended(exit));
            }
        });
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
        let Some(heartbeat) = &self.shared.heartbeat else { return };
        tracing::info!(node = self.node().id, "draining");
        // The answer has been logged by the heartbeat; whatever it is, the node goes.
        let _ = timeout(DEREGISTRATION, heartbeat.send(Release)).await;
        let server = &self.shared.server;
        server.drain();
        sleep(self.shared.options.settle_time).await;
        server.refuse();
        let until = Instant::now() + self.shared.options.drain_timeout;
        if timeout_at(until, server.settled()).await.is_err() {
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

/// Time the registry has to take the registration back.
const DEREGISTRATION: Duration = Duration::from_secs(2);

/// Time clients have to close their connections once everything has been answered.
const DESERTION: Duration = Duration::from_secs(1);
