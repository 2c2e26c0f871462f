//! Properties of a lease: how it begins, lives on and ends.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Harness;
use super::probe::{Follower, LONG, NAME, must, must_be_lost, must_equal, record, until_found};
use crate::registry::WatchScope;

/// What was registered can be found, by every handle.
pub async fn visible_after_register(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
    until_found(harness, &pair.one, NAME, &[record("1", "a")]).await;
}

/// A lease that is not renewed lasts for its TTL and ends soon after.
pub async fn expires_after_its_ttl(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let ttl = harness.shortest_ttl();
    let began = Instant::now();
    must(pair.one.register(record("1", "a"), ttl).await, "to register");
    must(pair.one.register(record("1", "b"), LONG).await, "to register a second node");
    let both = [record("1", "a").node(record("1", "b").nodes.remove(0))];
    until_found(harness, &pair.other, NAME, &both).await;
    // A tenth less, because the registry has a clock of its own.
    let early = (ttl.mul_f64(0.9)).saturating_sub(began.elapsed());
    sleep(early).await;
    if began.elapsed() < ttl {
        let found = must(pair.other.get(NAME.into()).await, "to read before the TTL");
        must_equal(found, both.to_vec(), "before the TTL");
    }
    sleep(ttl.saturating_sub(began.elapsed())).await;
    until_found(harness, &pair.other, NAME, &[record("1", "b")]).await;
    must_be_lost(&pair.one.renew(record("1", "a"), ttl).await, "to renew what expired");
}

/// A lease lasts for as long as it is renewed, and no longer.
pub async fn renewal_keeps_a_lease(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let ttl = harness.shortest_ttl();
    must(pair.one.register(record("1", "a"), ttl).await, "to register");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
    for _ in 0..9 {
        must(pair.one.renew(record("1", "a"), ttl).await, "to renew");
        sleep(ttl / 3).await;
        let found = must(pair.other.get(NAME.into()).await, "to read what is renewed");
        must_equal(found, vec![record("1", "a")], "while it is renewed");
    }
    sleep(ttl).await;
    until_found(harness, &pair.other, NAME, &[]).await;
}

/// Renewing what is not registered answers `LeaseLost` and registers nothing.
pub async fn renewing_the_unknown_says_so(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must_be_lost(&pair.one.renew(record("1", "a"), LONG).await, "to renew the unknown");
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    must_be_lost(&pair.one.renew(record("1", "b"), LONG).await, "to renew an unknown node");
    must_be_lost(&pair.one.renew(record("2", "a"), LONG).await, "to renew an unknown version");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
}

/// Registering a node again with another record replaces the record.
pub async fn update_is_seen(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
    let mut changed = record("1", "a");
    changed.metadata.insert("stage".into(), "two".into());
    changed.nodes[0].address = "127.0.0.1:2".into();
    changed.nodes[0].incarnation = 7;
    changed.nodes[0].metadata.insert("zone".into(), "b".into());
    must(pair.one.register(changed.clone(), LONG).await, "to register a changed record");
    until_found(harness, &pair.other, NAME, &[changed.clone()]).await;
    must(pair.one.renew(changed, LONG).await, "to renew a changed record");
}

/// What was withdrawn is gone, others stay, and withdrawing it again succeeds.
pub async fn deregistration_is_seen_and_repeatable(harness: &dyn Harness) {
    let pair = harness.pair().await;
    must(pair.one.deregister(record("1", "a")).await, "to withdraw what never was");
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    must(pair.other.register(record("1", "b"), LONG).await, "to register a second node");
    let both = record("1", "a").node(record("1", "b").nodes.remove(0));
    until_found(harness, &pair.other, NAME, &[both]).await;
    for _ in 0..2 {
        must(pair.one.deregister(record("1", "a")).await, "to withdraw");
        until_found(harness, &pair.other, NAME, &[record("1", "b")]).await;
    }
    must_be_lost(&pair.one.renew(record("1", "a"), LONG).await, "to renew what was withdrawn");
    must(pair.other.deregister(record("1", "b")).await, "to withdraw the last node");
    until_found(harness, &pair.one, NAME, &[]).await;
    must(pair.one.register(record("1", "a"), LONG).await, "to register again");
    until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
}

/// Registering an unchanged record again adds nothing and is no change to a watch.
pub async fn registering_again_is_renewing(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let all = WatchScope::Service(NAME.into());
    let mut follower = Follower::open(harness, &pair.other, all).await;
    for _ in 0..3 {
        must(pair.one.register(record("1", "a"), LONG).await, "to register");
        must(pair.one.renew(record("1", "a"), LONG).await, "to renew");
        follower.until(&[record("1", "a")], Duration::ZERO).await;
    }
    // What comes after shows that nothing came between.
    must(pair.one.register(record("2", "b"), LONG).await, "to register another version");
    follower.until(&[record("1", "a"), record("2", "b")], Duration::ZERO).await;
    follower.must_have_told(&["created greeter 1 a", "created greeter 2 b"]);
    until_found(harness, &pair.other, NAME, &[record("1", "a"), record("2", "b")]).await;
}
