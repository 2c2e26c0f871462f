//! Properties of what comes after a registry has lost everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Harness;
use super::probe::{
    Follower, LONG, NAME, must, must_be_lost, must_equal, persist, record, until_found,
};
use crate::Deadline;
use crate::registry::{Registry, RegistryError, Service, WatchScope};

/// Who renews learns that the lease is lost, whatever was written before; registering again is all
/// it takes.
pub async fn a_lease_that_was_lost_is_told_and_begins_anew(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
    harness.lose_everything().await;
    let found = persist(harness, || pair.other.get(NAME.into())).await;
    must_equal(found, vec![], "after it has lost everything");
    must_be_lost(&pair.one.renew(record("1", "a"), LONG).await, "to renew what is lost");
    must(pair.one.register(record("1", "a"), LONG).await, "to register what is lost");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
    must(pair.one.renew(record("1", "a"), LONG).await, "to renew what was registered again");
}

/// Nodes that renew as a heartbeat does are all there again, and whoever follows them, one service
/// or all of them, is told of it and of what comes after.
pub async fn nodes_and_watches_outlive_the_loss_of_everything(harness: &dyn Harness) {
    for scope in [WatchScope::Service(NAME.into()), WatchScope::All] {
        let pair = harness.pair().await;
        let nodes = [record("1", "a"), record("2", "b")];
        // One that was not there before shows that the watch tells of what is there now.
        let all = [record("1", "a"), record("2", "b"), record("3", "c")];
        for node in &nodes {
            must(pair.one.register(node.clone(), LONG).await, "to register");
        }
        let mut follower = Follower::open(harness, &pair.other, scope.clone()).await;
        follower.until(&nodes, Duration::ZERO).await;
        harness.lose_everything().await;
        {
            let renewing = futures_util::future::join_all(nodes.iter().map(|node| {
                let registry = &pair.one;
                async move { keep(registry, node).await }
            }));
            let following = async {
                persist(harness, || pair.one.register(record("3", "c"), LONG)).await;
                follow(harness, &pair.other, &scope, &mut follower, &all).await;
            };
            tokio::select! {
                _ = renewing => unreachable!("renewing does not end"),
                () = following => {}
            }
        }
        until_found(harness, &pair.other, NAME, &all).await;
        must(pair.one.deregister(record("1", "a")).await, "to withdraw after the loss");
        follower.until(&all[1..], Duration::ZERO).await;
    }
}

/// Renews, and registers again when the lease is lost, as a heartbeat does; never ends.
async fn keep(registry: &Arc<dyn Registry>, node: &Service) {
    loop {
        let answer = match registry.renew(node.clone(), LONG).await {
            Err(RegistryError::LeaseLost { .. }) => registry.register(node.clone(), LONG).await,
            answer => answer,
        };
        if let Err(error) = answer {
            assert!(error.is_retryable(), "to renew after the loss failed for good: {error}");
        }
        sleep(BEAT).await;
    }
}

/// Reads on until all are known; opens the watch again should it end.
async fn follow(
    harness: &dyn Harness,
    registry: &Arc<dyn Registry>,
    scope: &WatchScope,
    follower: &mut Follower,
    all: &[Service],
) {
    let deadline = Deadline::within(harness.patience());
    while follower.known != all {
        let Ok(told) = timeout(deadline.time_left(), follower.watch.next()).await else {
            panic!("the watch is not what it was; it told {:?}", follower.told);
        };
        match told {
            Ok(change) => follower.fold(change),
            Err(_) => follower.reopen(harness, registry, scope.clone()).await,
        }
    }
}

/// Time between two renewals.
const BEAT: Duration = Duration::from_millis(50);
