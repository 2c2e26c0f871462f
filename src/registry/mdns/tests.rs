//! Tests of the registry `mdns` in real time, on loopback.
//!
//! Each uses a UDP port of its own, so that they see nothing of each other.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Instant as WallInstant;

use callboard_actors::registry::{Change, EndpointInfo, NodeInfo};
use mdns_sd::{ServiceDaemon, ServiceInfo};
use tokio::time::timeout;

use super::announcement::{SERVICE_TYPE, Stamp, properties};
use super::*;

/// Options on loopback and a port that no other test uses.
pub(super) fn test_options() -> MdnsOptions {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    MdnsOptions::default().port(socket.local_addr().unwrap().port())
}

/// Two registries that see each other.
fn pair() -> (MdnsRegistry, MdnsRegistry) {
    let options = test_options();
    (MdnsRegistry::new(options.clone()).unwrap(), MdnsRegistry::new(options).unwrap())
}

fn service(version: &str, id: &str, address: &str) -> Service {
    Service::new("greeter", version).node(NodeInfo::new(id, address))
}

/// Looks until the service `greeter` is as it shall be.
async fn until(registry: &MdnsRegistry, is_right: impl Fn(&[Service]) -> bool) -> Vec<Service> {
    let scope = WatchScope::Service("greeter".into());
    registry.browse().unwrap();
    let mut snapshots = registry.snapshots.clone();
    let looking = snapshots.wait_for(|snapshot| is_right(&snapshot.within(&scope).records()));
    let found = timeout(PATIENCE, looking).await.expect("the view in time").unwrap();
    found.within(&scope).records()
}

async fn next(watch: &mut dyn Watch) -> Change {
    timeout(PATIENCE, watch.next()).await.expect("a change in time").unwrap()
}

fn node_count(view: &[Service]) -> usize {
    view.iter().map(|service| service.nodes.len()).sum()
}

#[tokio::test]
async fn a_registration_is_seen_by_itself_at_once_and_by_others_soon() {
    let (here, there) = pair();
    let mut record = service("1.0.0", "greeter-1", "127.0.0.1:9000");
    record.metadata.insert("type".into(), "helloworld".into());
    record.endpoints.push(EndpointInfo { name: "Greeter.Hello".into(), ..Default::default() });
    record.nodes[0].incarnation = u64::MAX;
    here.register(record.clone(), LONG).await.unwrap();
    assert_eq!(here.snapshots.borrow().records(), [record.clone()]);
    assert_eq!(there.get("greeter".into()).await.unwrap(), [record.clone()]);
    assert_eq!(there.list().await.unwrap(), [record]);
}

#[tokio::test]
async fn a_registry_that_looks_already_sees_a_new_node_without_probing_delay() {
    let (here, there) = pair();
    assert_eq!(there.list().await.unwrap(), []);
    let start = WallInstant::now();
    here.register(service("1", "a", "127.0.0.1:1"), LONG).await.unwrap();
    until(&there, |view| node_count(view) == 1).await;
    assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_unrenewed_registration_ends_and_cannot_be_renewed() {
    let (here, there) = pair();
    let record = service("1", "a", "127.0.0.1:1");
    let start = WallInstant::now();
    here.register(record.clone(), SHORT).await.unwrap();
    until(&there, |view| node_count(view) == 1).await;
    until(&there, <[_]>::is_empty).await;
    assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT * 2, "{:?}", start.elapsed());
    // Each forgets by its own clock.
    until(&here, <[_]>::is_empty).await;
    let lost = here.renew(record.clone(), SHORT).await.unwrap_err();
    assert!(matches!(lost, RegistryError::LeaseLost { ref node, .. } if node == "a"));
    here.register(record, SHORT).await.unwrap();
    until(&there, |view| node_count(view) == 1).await;
}

#[tokio::test]
async fn renewals_keep_a_node_in_view_without_a_gap() {
    let (here, there) = pair();
    let record = service("1", "a", "127.0.0.1:1");
    here.register(record.clone(), SHORT).await.unwrap();
    until(&there, |view| node_count(view) == 1).await;
    let mut watch = there.watch(WatchScope::All).await.unwrap();
    assert_eq!(next(&mut *watch).await, Change::Resync(vec![record.clone()]));
    for _ in 0..6 {
        here.renew(record.clone(), SHORT).await.unwrap();
        let change = timeout(SHORT / 3, watch.next()).await;
        assert!(change.is_err(), "nothing changes: {change:?}");
    }
}

#[tokio::test]
async fn a_node_that_falls_silent_is_forgotten_though_its_dns_records_live() {
    let there = MdnsRegistry::new(test_options()).unwrap();
    let records = Record::split(&service("1", "a", "127.0.0.1:1")).unwrap();
    let stamp = Stamp { origin: 1, beat: 1, ttl: SHORT };
    let silent = foreign(&there, "silent", properties(&records[0], stamp, None));
    until(&there, |view| node_count(view) == 1).await;
    let start = WallInstant::now();
    until(&there, <[_]>::is_empty).await;
    assert!(start.elapsed() > SHORT / 2 && start.elapsed() < SHORT * 2, "{:?}", start.elapsed());
    // It answers when asked, but with its old beat only.
    let mut watch = there.watch(WatchScope::All).await.unwrap();
    assert_eq!(next(&mut *watch).await, Change::Resync(vec![]));
    let revived = timeout(Duration::from_secs(3), watch.next()).await;
    assert!(revived.is_err(), "{revived:?}");
    silent.shutdown().unwrap().recv().unwrap();
}

#[tokio::test]
async fn a_withdrawal_is_seen_at_once_and_may_be_repeated_and_taken_back() {
    let (here, there) = pair();
    let record = service("1", "a", "127.0.0.1:1");
    for _ in 0..3 {
        here.register(record.clone(), LONG).await.unwrap();
        until(&there, |view| node_count(view) == 1).await;
        let start = WallInstant::now();
        here.deregister(record.clone()).await.unwrap();
        assert!(here.snapshots.borrow().is_empty());
        until(&there, <[_]>::is_empty).await;
        assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
        here.deregister(record.clone()).await.unwrap();
    }
    assert!(matches!(here.renew(record, LONG).await, Err(RegistryError::LeaseLost { .. })));
}

#[tokio::test]
async fn an_update_is_seen_and_a_repetition_is_none() {
    let (here, there) = pair();
    let mut watch = there.watch(WatchScope::All).await.unwrap();
    assert_eq!(next(&mut *watch).await, Change::Resync(vec![]));
    let old = service("1", "a", "127.0.0.1:1");
    let new = service("1", "a", "127.0.0.1:2");
    for expected in [Change::Created(old.clone()), Change::Updated(new.clone())] {
        let (Change::Created(record) | Change::Updated(record)) = &expected else { panic!() };
        here.register(record.clone(), LONG).await.unwrap();
        here.register(record.clone(), LONG).await.unwrap();
        assert_eq!(next(&mut *watch).await, expected);
    }
    here.deregister(new.clone()).await.unwrap();
    assert_eq!(next(&mut *watch).await, Change::Deleted(new));
}

#[tokio::test]
async fn one_node_may_run_two_versions_and_two_registries_one_version() {
    let (here, there) = pair();
    here.register(service("1", "a", "127.0.0.1:1"), LONG).await.unwrap();
    here.register(service("2", "a", "127.0.0.1:1"), LONG).await.unwrap();
    there.register(service("2", "b", "127.0.0.1:2"), LONG).await.unwrap();
    for registry in [&here, &there] {
        let view = until(registry, |view| node_count(view) == 3).await;
        let counts: Vec<_> = view.iter().map(|s| (&*s.version, s.nodes.len())).collect();
        assert_eq!(counts, [("1", 1), ("2", 2)]);
    }
    here.deregister(service("2", "a", "127.0.0.1:1")).await.unwrap();
    until(&there, |view| node_count(view) == 2).await;
}

#[tokio::test]
async fn a_hundred_nodes_are_seen_by_early_and_late_registries() {
    let (here, there) = pair();
    assert_eq!(there.list().await.unwrap(), []);
    let record = |index: usize| service("1", &format!("greeter-{index}"), "127.0.0.1:1");
    for index in 0..100 {
        here.register(record(index), LONG).await.unwrap();
    }
    until(&there, |view| node_count(view) == 100).await;
    let late = MdnsRegistry::new(there.options.clone()).unwrap();
    until(&late, |view| node_count(view) == 100).await;
    for index in 0..100 {
        here.deregister(record(index)).await.unwrap();
    }
    until(&there, <[_]>::is_empty).await;
}

#[tokio::test]
async fn unicode_and_sixty_four_kilobytes_survive_and_can_be_updated() {
    let (here, there) = pair();
    let mut record = Service::new("grüße·東京", "версия 1");
    record = record.node(NodeInfo::new("Нода.1 \\ A", "127.0.0.1:1").label("=🦀", "\u{0}\n\"x\""));
    here.register(record.clone(), LONG).await.unwrap();
    assert_eq!(there.get(record.name.clone()).await.unwrap(), [record.clone()]);

    let mut watch = there.watch(WatchScope::Service(record.name.clone())).await.unwrap();
    next(&mut *watch).await;
    // Its node stays as it is.
    let labels = |record: &Service| Change::Updated(Service { nodes: vec![], ..record.clone() });
    for letter in ["x", "y"] {
        record.metadata.insert("large".into(), letter.repeat(65_000));
        here.register(record.clone(), LONG).await.unwrap();
        assert_eq!(next(&mut *watch).await, labels(&record));
    }
    record.metadata.remove("large");
    here.register(record.clone(), LONG).await.unwrap();
    assert_eq!(next(&mut *watch).await, labels(&record));

    record.metadata.insert("large".into(), "z".repeat(65_536));
    let refused = here.register(record, LONG).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Invalid { .. }) && !refused.is_retryable());
}

#[tokio::test]
async fn many_large_records_are_fetched() {
    let (here, there) = pair();
    for index in 0..30 {
        let mut record = service(&index.to_string(), "a", "127.0.0.1:1");
        record.metadata.insert("large".into(), "x".repeat(60_000));
        here.register(record, LONG).await.unwrap();
    }
    until(&there, |view| view.len() == 30).await;
}

#[tokio::test]
async fn nodes_without_a_port_or_on_other_networks_keep_their_address() {
    let (here, there) = pair();
    let addresses = ["unix:/run/greeter.sock", "192.0.2.7:9000", "[::1]:9000", "greeter.test:9000"];
    for address in addresses {
        here.register(service("1", address, address), LONG).await.unwrap();
    }
    let view = until(&there, |view| node_count(view) == addresses.len()).await;
    assert!(view[0].nodes.iter().all(|node| node.address == node.id));
}

#[tokio::test]
async fn ids_that_dns_cannot_tell_apart_stay_apart() {
    let (here, there) = pair();
    let long = "x".repeat(100);
    let ids =
        ["node.1", "Node.1", "node 1", "node\\1", "nöde", "nøde", &long, &(long.clone() + "y")];
    for id in ids {
        here.register(service("1.0.0", id, "127.0.0.1:1"), LONG).await.unwrap();
    }
    let view = until(&there, |view| node_count(view) == ids.len()).await;
    here.deregister(service("1.0.0", "Node.1", "127.0.0.1:1")).await.unwrap();
    let left = until(&there, |left| node_count(left) == ids.len() - 1).await;
    assert!(view[0].nodes.iter().any(|node| node.id == "Node.1"));
    assert!(left[0].nodes.iter().any(|node| node.id == "node.1"));
    assert!(left[0].nodes.iter().all(|node| node.id != "Node.1"));
}

#[tokio::test]
async fn dropping_a_registry_withdraws_its_nodes_and_ends_its_watches() {
    let (here, there) = pair();
    let mut watch = here.watch(WatchScope::All).await.unwrap();
    here.register(service("1", "a", "127.0.0.1:1"), LONG).await.unwrap();
    next(&mut *watch).await;
    until(&there, |view| node_count(view) == 1).await;
    drop(here);
    until(&there, <[_]>::is_empty).await;
    assert!(matches!(watch.next().await, Err(RegistryError::WatchEnded { .. })));
}

#[tokio::test]
async fn an_unknown_name_costs_a_bounded_wait_that_shrinks() {
    let wait = Duration::from_millis(500);
    let registry = MdnsRegistry::new(test_options().lookup_wait(wait)).unwrap();
    let mut waits = vec![];
    for _ in 0..2 {
        let start = WallInstant::now();
        assert_eq!(registry.get("nobody".into()).await.unwrap(), []);
        waits.push(start.elapsed());
    }
    assert!(waits[0] >= wait, "{waits:?}");
    assert!(waits[1] < wait, "{waits:?}");
}

#[tokio::test]
async fn garbage_from_the_network_is_ignored() {
    let there = MdnsRegistry::new(test_options()).unwrap();
    let txt = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| mdns_sd::TxtProperty::from(((*k).to_owned(), v))).collect()
    };
    let head = [("txtvers", "1"), ("origin", "1"), ("beat", "1"), ("ttl", "60000")];
    let strangers = [
        foreign(&there, "stranger", vec![]),
        foreign(&there, "broken", txt(&[&head[..], &[("r0", "{\"name\":")]].concat())),
        foreign(
            &there,
            "liar",
            txt(&[&head[..], &[("digest", "1"), ("size", "9"), ("at", "1")]].concat()),
        ),
    ];
    let here = MdnsRegistry::new(there.options.clone()).unwrap();
    here.register(service("1", "a", "127.0.0.1:1"), LONG).await.unwrap();
    until(&there, |view| node_count(view) == 1).await;
    assert_eq!(there.list().await.unwrap().len(), 1);
    for stranger in strangers {
        stranger.shutdown().unwrap().recv().unwrap();
    }
}

#[test]
fn one_registry_serves_several_runtimes() {
    let (here, there) = pair();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let record = service("1", "a", "127.0.0.1:1");
    runtime().block_on(here.register(record.clone(), LONG)).unwrap();
    let mut watch = runtime().block_on(there.watch(WatchScope::All)).unwrap();
    assert_eq!(runtime().block_on(watch.next()).unwrap(), Change::Resync(vec![record.clone()]));
    runtime().block_on(here.deregister(record.clone())).unwrap();
    assert_eq!(runtime().block_on(watch.next()).unwrap(), Change::Deleted(record));
}

/// Announces an instance that is not ours to `registry`.
fn foreign(registry: &MdnsRegistry, label: &str, txt: Vec<mdns_sd::TxtProperty>) -> ServiceDaemon {
    let daemon = ServiceDaemon::new_with_port(registry.options.port).unwrap();
    daemon.disable_interface(mdns_sd::IfKind::All).unwrap();
    daemon.enable_interface(mdns_sd::IfKind::LoopbackV4).unwrap();
    let host = format!("{label}.local.");
    let ip = Ipv4Addr::LOCALHOST.to_string();
    let mut info = ServiceInfo::new(SERVICE_TYPE, label, &host, ip, 9, txt).unwrap();
    info.set_requires_probe(false);
    daemon.register(info).unwrap();
    daemon
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(15);
