//! Properties of records: that they come out as they went in.

use std::slice;

use super::Harness;
use super::probe::{Follower, LONG, NAME, must, must_equal, record, sorted, until_found};
use crate::registry::{EndpointInfo, EndpointKind, NodeInfo, Service, WatchScope};

/// A name that nobody registered has no versions.
pub async fn unknown_names_are_empty(harness: &dyn Harness) {
    let pair = harness.pair().await;
    for name in ["nobody-has-this-name", "greeter/1", "../greeter", "nobody%20 ?*"] {
        let found = must(pair.one.get(name.into()).await, "to read an unknown name");
        must_equal(found, vec![], name);
    }
}

/// `get`, `list` and `watch` tell the same.
pub async fn reads_agree(harness: &dyn Harness) {
    let pair = harness.pair().await;
    if harness.can_register() {
        let other = Service::new("other", "1").node(NodeInfo::new("o", "127.0.0.1:1"));
        must(pair.one.register(record("1", "a"), LONG).await, "to register");
        must(pair.one.register(other.clone(), LONG).await, "to register another service");
        until_found(harness, &pair.other, NAME, &[record("1", "a")]).await;
        until_found(harness, &pair.other, "other", &[other]).await;
    }
    let listed = sorted(must(pair.other.list().await, "to list"));
    let mut names: Vec<_> = listed.iter().map(|service| service.name.clone()).collect();
    names.dedup();
    for name in names {
        let own: Vec<_> = listed.iter().filter(|service| service.name == name).cloned().collect();
        let found = must(pair.other.get(name.clone()).await, "to read what was listed");
        must_equal(found, own.clone(), "a service that was listed");
        let scope = WatchScope::Service(name);
        let watched = Follower::open(harness, &pair.other, scope).await.known;
        must_equal(watched, own, "the first word of a watch");
    }
    let watched = Follower::open(harness, &pair.other, WatchScope::All).await.known;
    must_equal(watched, listed, "the first word of a watch of all");
}

/// Two versions of one service do not touch each other.
pub async fn two_versions_live_side_by_side(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut two = record("2", "b");
    two.metadata.insert("stage".into(), "two".into());
    must(pair.one.register(record("1", "a"), LONG).await, "to register version 1");
    must(pair.one.register(two.clone(), LONG).await, "to register version 2");
    until_found(harness, &pair.other, NAME, &[record("1", "a"), two.clone()]).await;
    must(pair.one.deregister(record("1", "a")).await, "to withdraw version 1");
    until_found(harness, &pair.other, NAME, &[two]).await;
}

/// Many nodes of one version come out as one service with each node once.
pub async fn many_nodes_are_merged(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut whole = Service::new(NAME, "1");
    for n in 0..harness.nodes() {
        let node = NodeInfo::new(format!("greeter-{n:04}"), format!("127.0.0.1:{}", 10_000 + n));
        let own = Service::new(NAME, "1").node(node.clone());
        let registry = if n % 2 == 0 { &pair.one } else { &pair.other };
        must(registry.register(own, LONG).await, "to register one of many nodes");
        whole = whole.node(node);
    }
    until_found(harness, &pair.other, NAME, &[whole.clone()]).await;
    until_found(harness, &pair.one, NAME, &[whole]).await;
}

/// Every field survives, in every script.
pub async fn unicode_survives(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut service = Service::new(AWKWARD, "1.0.0-β+ü/2");
    service.metadata.insert("Größe".into(), "été \"quoted\" \\ \n 100% =;,&".into());
    service.metadata.insert("empty".into(), String::new());
    service.endpoints = vec![
        EndpointInfo {
            name: "Grüße.こんにちは".into(),
            kind: EndpointKind::Stream,
            request: "Anfrage<'ä>".into(),
            reply: "回答".into(),
            metadata: [("🎭".to_owned(), "🎬 \u{200d} e\u{301}".to_owned())].into(),
        },
        EndpointInfo { name: "Greeter.Hello".into(), ..EndpointInfo::default() },
    ];
    let mut node = NodeInfo::new("knoten-ä-1", "127.0.0.1:9000").label("zone", "münchen/süd");
    node.incarnation = u64::MAX;
    service = service.node(node);
    must(pair.one.register(service.clone(), LONG).await, "to register a record in unicode");
    until_found(harness, &pair.other, AWKWARD, &[service.clone()]).await;
    must(pair.one.renew(service.clone(), LONG).await, "to renew a record in unicode");
    must(pair.one.deregister(service).await, "to withdraw a record in unicode");
    until_found(harness, &pair.other, AWKWARD, &[]).await;
}

/// A record as large as is allowed survives, and does not disturb its neighbours.
pub async fn large_records_survive(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let mut large = record("1", "a");
    // Not one letter over and over, lest a compressing registry has an easy time.
    let room = harness.record_bytes().saturating_sub(ENVELOPE);
    let noise = |n: usize| char::from(b'a' + u8::try_from((n * n + n / 7) % 26).unwrap_or(0));
    large.metadata.insert("large".into(), (0..room).map(noise).collect());
    must(pair.one.register(large.clone(), LONG).await, "to register a large record");
    must(pair.one.register(record("2", "b"), LONG).await, "to register a small record");
    until_found(harness, &pair.other, NAME, &[large.clone(), record("2", "b")]).await;
    let scope = WatchScope::Service(NAME.into());
    let watched = Follower::open(harness, &pair.other, scope).await.known;
    must_equal(watched, vec![large, record("2", "b")], "a watch of a large record");
}

/// A list has each version of each service once, with all its nodes.
pub async fn lists_every_version_once(harness: &dyn Harness) {
    let pair = harness.pair().await;
    let other = Service::new("other", "1").node(NodeInfo::new("o", "127.0.0.1:1"));
    must(pair.one.register(record("1", "a"), LONG).await, "to register");
    must(pair.one.register(record("1", "b"), LONG).await, "to register a second node");
    must(pair.one.register(record("2", "c"), LONG).await, "to register a second version");
    must(pair.one.register(other.clone(), LONG).await, "to register another service");
    let both = record("1", "a").node(record("1", "b").nodes.remove(0));
    until_found(harness, &pair.other, NAME, &[both.clone(), record("2", "c")]).await;
    until_found(harness, &pair.other, "other", slice::from_ref(&other)).await;
    let listed = must(pair.other.list().await, "to list");
    must_equal(listed, vec![both, record("2", "c"), other], "the list");
}

/// A name with everything that paths, queries and labels give a meaning to.
const AWKWARD: &str = "grüße.サービス/1 %2F?x=y#z";

/// Bytes left for what surrounds the large text in any encoding.
const ENVELOPE: usize = 1024;
