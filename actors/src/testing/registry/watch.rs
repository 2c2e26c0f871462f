//! Properties of watches: what they begin with, what they tell and how they end.

use std::time::Duration;

use tokio::time::timeout;

use super::Harness;
use super::probe::{Follower, LONG, NAME, must, persist, record, until_found};
use crate::Deadline;
use crate::registry::{NodeInfo, Service, WatchScope};

/// The first change is a resync with what is there; then each change follows, in order.
pub async fn watch_begins_with_a_resync_and_keeps_order(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(record("0", "z"), LONG).await, "to register");
    until_found(harness, &pair.other, NAME, &[record("0", "z")]).await;
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    follower.until(&[record("0", "z")], Duration::ZERO).await;
    let both = record("1", "a").node(record("1", "b").nodes.remove(0));

    must(pair.one.register(record("1", "a"), LONG).await, "to register version 1");
    follower.until(&[record("0", "z"), record("1", "a")], Duration::ZERO).await;
    must(pair.one.register(record("1", "b"), LONG).await, "to register a second node");
    follower.until(&[record("0", "z"), both], Duration::ZERO).await;
    must(pair.one.deregister(record("1", "a")).await, "to withdraw a node");
    follower.until(&[record("0", "z"), record("1", "b")], Duration::ZERO).await;
    must(pair.one.deregister(record("1", "b")).await, "to withdraw the last node");
    follower.until(&[record("0", "z")], Duration::ZERO).await;

    let told = ["created greeter 1 a", "created greeter 1 b", "deleted greeter 1 a"];
    follower.must_have_told(&[&told[..], &["deleted greeter 1 b"]].concat());
}

/// Of many nodes of a version, a change tells of those that changed alone, or is a whole list.
pub async fn watch_tells_of_one_node_among_others(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut expected = record("1", "a").node(record("1", "b").nodes.remove(0));
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    must(pair.one.register(record("1", "b"), LONG).await, "to register a second node");
    until_found(harness, &pair.other, NAME, std::slice::from_ref(&expected)).await;
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    follower.until(std::slice::from_ref(&expected), Duration::ZERO).await;

    let mut moved = record("1", "b");
    moved.nodes[0].address = "127.0.0.1:4".into();
    expected.nodes[1] = moved.nodes[0].clone();
    must(pair.one.register(moved, LONG).await, "to register a node elsewhere");
    follower.until(std::slice::from_ref(&expected), Duration::ZERO).await;
    must(pair.one.deregister(record("1", "a")).await, "to withdraw a node");
    expected.nodes.remove(0);
    follower.until(&[expected], Duration::ZERO).await;
    follower.must_have_told(&["updated greeter 1 b", "deleted greeter 1 a"]);
}

/// A watch of one service does not tell of others.
pub async fn watch_of_one_sees_only_that(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    // Names that begin alike are what a registry that matches prefixes gets wrong.
    for name in ["greet", "greeters", "greeter.v2", "greeter/1"] {
        must(pair.one.register(named(name), LONG).await, "to register another service");
    }
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    follower.until(&[record("1", "a")], Duration::ZERO).await;
    follower.must_have_told(&["created greeter 1 a"]);
    until_found(harness, &pair.other, "greeters", &[named("greeters")]).await;
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
}

/// A watch of all tells of every service.
pub async fn watch_of_all_sees_every_service(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(named("first"), LONG).await, "to register");
    until_found(harness, &pair.other, "first", &[named("first")]).await;
    let mut follower = Follower::open(harness, &pair.other, WatchScope::All).await;
    must(pair.one.register(named("second"), LONG).await, "to register another service");
    follower.until(&[named("first"), named("second")], Duration::ZERO).await;
    must(pair.one.deregister(named("first")).await, "to withdraw");
    follower.until(&[named("second")], Duration::ZERO).await;
    follower.must_have_told(&["created second 1 second-node", "deleted first 1 first-node"]);
}

/// A lease that runs out is told of, though nobody asks the registry anything.
pub async fn watch_tells_of_an_expiry(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let ttl = harness.shortest_ttl();
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    must(pair.one.register(record("1", "a"), ttl).await, "to register");
    follower.until(&[record("1", "a")], Duration::ZERO).await;
    follower.until(&[], ttl).await;
    follower.must_have_told(&["created greeter 1 a", "deleted greeter 1 a"]);
}

/// Dropping a read that has not ended loses no change.
pub async fn watch_loses_nothing_when_a_read_is_dropped(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    let mut expected = Vec::new();
    for version in ["1", "2", "3"] {
        must(pair.one.register(record(version, "a"), LONG).await, "to register");
        expected.push(record(version, "a"));
        for _ in 0..3 {
            if let Ok(change) = timeout(Duration::from_millis(1), follower.watch.next()).await {
                follower.fold(must(change, "to read a watch"));
            }
        }
    }
    follower.until(&expected, Duration::ZERO).await;
    follower.must_have_told(&["created greeter 1 a", "created greeter 2 a", "created greeter 3 a"]);
}

/// After a restart a watch ends with an error or goes on; opened again it tells what is there.
pub async fn watch_can_be_opened_again_after_a_restart(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    let mut follower = Follower::open(harness, &pair.other, own()).await;
    follower.until(&[record("1", "a")], Duration::ZERO).await;
    harness.restart().await;
    persist(harness, || pair.one.register(record("1", "a"), LONG)).await;
    persist(harness, || pair.one.register(record("2", "b"), LONG)).await;

    let both = [record("1", "a"), record("2", "b")];
    let deadline = Deadline::within(harness.patience());
    while !deadline.has_passed() && follower.known != both {
        match timeout(deadline.time_left(), follower.watch.next()).await {
            Ok(Ok(change)) => follower.fold(change),
            Ok(Err(_)) => follower.reopen(harness, &pair.other, own()).await,
            Err(_) => break,
        }
    }
    follower.until(&both, Duration::ZERO).await;
    must(pair.one.deregister(record("1", "a")).await, "to withdraw after a restart");
    follower.until(&[record("2", "b")], Duration::ZERO).await;
}

fn own() -> WatchScope {
    WatchScope::Service(NAME.into())
}

fn named(name: &str) -> Service {
    Service::new(name, "1").node(NodeInfo::new(format!("{name}-node"), "127.0.0.1:1"))
}
