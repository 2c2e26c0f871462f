//! Watches and lookups over a view that a thread keeps up to date.
//!
//! A back-end that follows its source by itself publishes views, which share what did not change;
//! each watch compares the newest one with the last it reported, but for what both share. A slow
//! watcher therefore costs one view, never a queue: what came and went between two looks is not
//! reported.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::registry::{
    BoxFuture, Catalogue, Change, RegistryError, Service, Watch, WatchScope,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Everything a back-end knows at one moment.
pub(super) type Snapshot = Arc<Catalogue>;

/// Publishes what a back-end knows now, where that differs from what it knew before.
pub(super) fn publish(snapshots: &watch::Sender<Snapshot>, services: Vec<Service>) {
    let mut now = Catalogue::clone(&snapshots.borrow());
    // Nodes that did not change stay the same ones, so that nobody need compare them again.
    now.apply(Change::Resync(services));
    snapshots.send_if_modified(|known| {
        let differs = **known != now;
        *known = Arc::new(now);
        differs
    });
}

/// What is known of `scope`, waiting until `patience` for a first answer.
///
/// Once one has come, it waits a little for those that follow on its heels.
pub(super) async fn answered(
    snapshots: &mut watch::Receiver<Snapshot>,
    scope: &WatchScope,
    patience: Instant,
) -> Catalogue {
    let known = snapshots.borrow_and_update().within(scope);
    if !known.is_empty() {
        return known;
    }
    let first = snapshots.wait_for(|snapshot| !snapshot.within(scope).is_empty());
    let came = matches!(timeout_at(patience, first).await, Ok(Ok(_)));
    if came {
        let settling = async { while snapshots.changed().await.is_ok() {} };
        // That time passes is how settling ends.
        let _elapsed = timeout(SETTLE, settling).await;
    }
    snapshots.borrow_and_update().within(scope)
}

/// A [`Watch`] that reports the differences between views.
pub(super) struct SnapshotWatch {
    registry: &'static str,
    scope: WatchScope,
    snapshots: watch::Receiver<Snapshot>,
    patience: Option<Instant>,
    known: Option<Catalogue>,
    // At most three changes per version of two views.
    pending: VecDeque<Change>,
}

impl SnapshotWatch {
    /// Creates a watch whose first change, a resync, comes at `patience` at the latest.
    ///
    /// It comes sooner when something is known, and at once without `patience`.
    pub(super) fn new(
        registry: &'static str,
        scope: WatchScope,
        snapshots: watch::Receiver<Snapshot>,
        patience: Option<Instant>,
    ) -> Self {
        Self { registry, scope, snapshots, patience, known: None, pending: VecDeque::new() }
    }

    async fn advance(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(change);
            }
            let Some(known) = &self.known else { return Ok(self.resync().await) };
            self.snapshots.changed().await.map_err(|_| RegistryError::WatchEnded {
                registry: self.registry,
                reason: "the registry was closed".into(),
            })?;
            let now = self.snapshots.borrow_and_update().within(&self.scope);
            self.pending.extend(now.changes_since(known));
            self.known = Some(now);
        }
    }

    async fn resync(&mut self) -> Change {
        let services = match self.patience {
            Some(patience) => answered(&mut self.snapshots, &self.scope, patience).await,
            None => self.snapshots.borrow_and_update().within(&self.scope),
        };
        let records = services.records();
        self.known = Some(services);
        Change::Resync(records)
    }
}

impl Watch for SnapshotWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(self.advance())
    }
}

/// Time for further answers after the first; responders spread theirs over 50 ms.
const SETTLE: Duration = Duration::from_millis(80);

#[cfg(test)]
mod tests {
    use callboard_actors::registry::NodeInfo;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_begins_with_a_resync_and_reports_differences_in_order() {
        let (sender, receiver) = watch::channel(Snapshot::default());
        let mut watch = SnapshotWatch::new("fake", WatchScope::All, receiver, None);
        assert_eq!(watch.next().await.unwrap(), Change::Resync(vec![]));

        let (old, new) = (version("1"), version("2"));
        publish(&sender, vec![old.clone()]);
        assert_eq!(watch.next().await.unwrap(), Change::Created(old.clone()));
        publish(&sender, vec![new.clone()]);
        assert_eq!(watch.next().await.unwrap(), Change::Created(new));
        assert_eq!(watch.next().await.unwrap(), Change::Deleted(old));

        drop(sender);
        assert!(matches!(watch.next().await, Err(RegistryError::WatchEnded { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_loses_no_change() {
        let (sender, receiver) = watch::channel(Snapshot::default());
        let mut watch = SnapshotWatch::new("fake", WatchScope::All, receiver, None);
        watch.next().await.unwrap();
        assert!(timeout(Duration::from_millis(1), watch.next()).await.is_err());
        let service = version("1");
        publish(&sender, vec![service.clone()]);
        assert_eq!(watch.next().await.unwrap(), Change::Created(service));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_name_is_waited_for_until_patience_ends() {
        let (sender, mut receiver) = watch::channel(Snapshot::default());
        publish(&sender, vec![Service { name: "other".into(), ..version("1") }]);
        let scope = WatchScope::Service("greeter".into());
        let start = Instant::now();
        let patience = start + Duration::from_secs(1);
        assert!(answered(&mut receiver, &scope, patience).await.is_empty());
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_answer_ends_the_wait_after_a_short_settling() {
        let (sender, mut receiver) = watch::channel(Snapshot::default());
        let (first, second) = (version("1"), version("2"));
        let both = vec![first.clone(), second];
        let expected = both.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            publish(&sender, vec![first]);
            tokio::time::sleep(SETTLE / 2).await;
            publish(&sender, both);
            std::future::pending::<()>().await;
        });
        let start = Instant::now();
        let scope = WatchScope::Service("greeter".into());
        let answer = answered(&mut receiver, &scope, start + Duration::from_secs(9)).await;
        assert_eq!(answer.records(), expected);
        assert_eq!(start.elapsed(), Duration::from_millis(100) + SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_nodes_the_one_that_changed_is_told() {
        let (sender, receiver) = watch::channel(Snapshot::default());
        let both = version("1").node(NodeInfo::new("b", "b:1"));
        publish(&sender, vec![both.clone()]);
        let mut watch = SnapshotWatch::new("fake", WatchScope::All, receiver, None);
        assert_eq!(watch.next().await.unwrap(), Change::Resync(vec![both.clone()]));
        let mut moved = both;
        moved.nodes[1].address = "b:2".into();
        publish(&sender, vec![moved.clone()]);
        moved.nodes.remove(0);
        assert_eq!(watch.next().await.unwrap(), Change::Updated(moved));
    }

    fn version(version: &str) -> Service {
        Service::new("greeter", version).node(NodeInfo::new("a", "a:1"))
    }
}
