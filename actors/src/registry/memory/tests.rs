//! What the registry in memory promises beyond the conformance suite.

use tokio::time::{Instant, advance, sleep, timeout};

use super::watch::MAX_QUEUED;
use super::*;
use crate::registry::{Change, NodeInfo};

const TTL: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_read_gets_one_resync_instead_of_endless_changes() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Change::Resync(vec![]));
    for n in 0..=MAX_QUEUED {
        registry.register(greeter(&format!("{n:04}")), TTL).await.unwrap();
    }
    let Change::Resync(known) = watch.next().await.unwrap() else { panic!("not a resync") };
    assert_eq!(known[0].nodes.len(), MAX_QUEUED + 1);
    registry.register(Service { version: "2".into(), ..greeter("z") }, TTL).await.unwrap();
    let after = watch.next().await.unwrap();
    assert_eq!(after, Change::Created(Service { version: "2".into(), ..greeter("z") }));
    assert_silent(&mut *watch).await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_before_the_first_read_is_part_of_the_first_resync() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    registry.register(greeter("a"), TTL).await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Change::Resync(vec![greeter("a")]));
    assert_silent(&mut *watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_read_late_gets_every_change_while_they_fit() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    watch.next().await.unwrap();
    for n in 0..MAX_QUEUED {
        registry.register(Service { version: n.to_string(), ..greeter("a") }, TTL).await.unwrap();
    }
    for n in 0..MAX_QUEUED {
        let expected = Change::Created(Service { version: n.to_string(), ..greeter("a") });
        assert_eq!(watch.next().await.unwrap(), expected);
    }
    assert_silent(&mut *watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_an_expiry_at_the_ttl_and_not_before() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::Service("greeter".into())).await.unwrap();
    watch.next().await.unwrap();
    registry.register(greeter("a"), TTL).await.unwrap();
    watch.next().await.unwrap();
    let began = Instant::now();
    assert_eq!(watch.next().await.unwrap(), Change::Deleted(greeter("a")));
    let took = began.elapsed();
    assert!(took >= TTL && took <= TTL + Duration::from_millis(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_shortened_is_told_of_at_its_new_end() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    watch.next().await.unwrap();
    registry.register(greeter("a"), TTL).await.unwrap();
    watch.next().await.unwrap();
    let reader = tokio::spawn(async move {
        let began = Instant::now();
        (watch.next().await, began.elapsed())
    });
    sleep(Duration::from_secs(1)).await;
    registry.register(greeter("a"), Duration::from_secs(1)).await.unwrap();
    let (change, took) = reader.await.unwrap();
    assert_eq!(change.unwrap(), Change::Deleted(greeter("a")));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_fails_operations_and_ends_watches_until_it_is_over() {
    let registry = MemoryRegistry::new();
    registry.register(greeter("a"), TTL).await.unwrap();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    watch.next().await.unwrap();
    let waiting = tokio::spawn(async move { (watch.next().await, watch) });
    tokio::task::yield_now().await;
    registry.outage();
    let (ended, mut watch) = waiting.await.unwrap();
    assert!(matches!(ended, Err(RegistryError::WatchEnded { .. })), "{ended:?}");
    assert!(watch.next().await.is_err());
    for failed in [
        registry.register(greeter("a"), TTL).await,
        registry.renew(greeter("a"), TTL).await,
        registry.deregister(greeter("a")).await,
        registry.get("greeter".into()).await.map(drop),
        registry.list().await.map(drop),
        registry.watch(WatchScope::All).await.map(drop),
    ] {
        assert!(matches!(failed, Err(RegistryError::Unavailable { .. })), "{failed:?}");
    }
    registry.restore();
    assert_eq!(registry.get("greeter".into()).await.unwrap(), [greeter("a")]);
    assert!(watch.next().await.is_err(), "a watch that ended stays ended");
}

#[tokio::test(start_paused = true)]
async fn forgotten_nodes_have_lost_their_leases() {
    let registry = MemoryRegistry::new();
    registry.register(greeter("a"), TTL).await.unwrap();
    registry.register(greeter("b"), TTL).await.unwrap();
    registry.forget("a");
    assert_eq!(registry.list().await.unwrap(), [greeter("b")]);
    let lost = registry.renew(greeter("a"), TTL).await;
    assert!(matches!(lost, Err(RegistryError::LeaseLost { node, .. }) if node == "a"));
    registry.forget_all();
    assert_eq!(registry.list().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn every_operation_takes_the_delay() {
    let registry = MemoryRegistry::new();
    registry.delay(Duration::from_millis(70));
    let began = Instant::now();
    registry.register(greeter("a"), TTL).await.unwrap();
    registry.get("greeter".into()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(140));
    let abandoned = registry.register(greeter("b"), TTL);
    assert!(timeout(Duration::from_millis(10), abandoned).await.is_err());
    advance(Duration::from_secs(1)).await;
    assert_eq!(registry.get("greeter".into()).await.unwrap(), [greeter("a")]);
}

#[tokio::test(start_paused = true)]
async fn operations_are_counted_by_kind() {
    let registry = MemoryRegistry::new();
    registry.register(greeter("a"), TTL).await.unwrap();
    for _ in 0..2 {
        registry.renew(greeter("a"), TTL).await.unwrap();
    }
    for _ in 0..3 {
        registry.get("greeter".into()).await.unwrap();
    }
    registry.outage();
    registry.list().await.unwrap_err();
    registry.restore();
    registry.deregister(greeter("a")).await.unwrap();
    let watch = registry.watch(WatchScope::All).await.unwrap();
    let counted = [
        registry.registrations(),
        registry.renewals(),
        registry.lookups(),
        registry.lists(),
        registry.deregistrations(),
        registry.watches(),
    ];
    assert_eq!(counted, [1, 2, 3, 1, 1, 1]);
    assert_eq!(registry.open_watches(), 1);
    drop(watch);
    assert_eq!(registry.open_watches(), 0);
}

#[tokio::test(start_paused = true)]
async fn records_without_a_name_or_a_node_or_too_large_are_refused() {
    let registry = MemoryRegistry::new();
    let mut large = greeter("a");
    large.metadata.insert("large".into(), "x".repeat(MemoryRegistry::MAX_RECORD));
    for record in
        [Service::new("greeter", "1"), Service { name: String::new(), ..greeter("a") }, large]
    {
        let refused = registry.register(record, TTL).await.unwrap_err();
        assert!(matches!(refused, RegistryError::Invalid { .. }), "{refused}");
        assert!(!refused.is_retryable());
    }
    assert_eq!(registry.list().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_ttl_beyond_all_time_never_ends() {
    let registry = MemoryRegistry::new();
    registry.register(greeter("a"), Duration::MAX).await.unwrap();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    watch.next().await.unwrap();
    assert_silent(&mut *watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_wakes_no_watch_unless_the_lease_ends_earlier() {
    let registry = MemoryRegistry::new();
    let mut watch = registry.watch(WatchScope::Service("greeter".into())).await.unwrap();
    watch.next().await.unwrap();
    registry.register(greeter("a"), TTL).await.unwrap();
    watch.next().await.unwrap();
    let polls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&polls);
    let reader = tokio::spawn(async move {
        let mut next = watch.next();
        std::future::poll_fn(|cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            next.as_mut().poll(cx)
        })
        .await
    });
    sleep(Duration::from_secs(1)).await;
    let before = polls.load(Ordering::Relaxed);
    for _ in 0..10 {
        registry.renew(greeter("a"), TTL).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(polls.load(Ordering::Relaxed), before);
    registry.renew(greeter("a"), Duration::from_secs(1)).await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), Change::Deleted(greeter("a")));
}

async fn assert_silent(watch: &mut dyn Watch) {
    let next = timeout(Duration::from_secs(1), watch.next()).await;
    assert!(next.is_err(), "the watch told of {next:?}");
}

fn greeter(node: &str) -> Service {
    Service::new("greeter", "1").node(NodeInfo::new(node, format!("{node}:1")))
}
