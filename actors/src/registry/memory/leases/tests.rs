//! What the table of leases knows, and in which order.

use super::*;

const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(2);

#[test]
fn leases_of_one_version_run_out_one_by_one() {
    let mut leases = Leases::default();
    leases.register(version("1", "a"), SOON);
    leases.register(version("1", "b"), LATER);
    assert_eq!(leases.expire(SOON / 2), []);
    assert_eq!(leases.expire(SOON), [Change::Deleted(version("1", "a"))]);
    assert_eq!(leases.next_expiry(&WatchScope::All), Some(LATER));
    assert_eq!(leases.expire(LATER), [Change::Deleted(version("1", "b"))]);
    assert_eq!((leases.len(), leases.next_expiry(&WatchScope::All)), (0, None));
}

#[test]
fn a_version_that_runs_out_at_once_is_told_of_as_it_last_was() {
    let mut leases = Leases::default();
    let both = version("1", "a").node(NodeInfo::new("b", "b:1"));
    leases.register(both.clone(), SOON);
    leases.register(version("2", "c"), SOON);
    let expected = [Change::Deleted(both), Change::Deleted(version("2", "c"))];
    assert_eq!(leases.expire(LATER), expected);
}

#[test]
fn a_renewal_that_misses_a_node_extends_none() {
    let mut leases = Leases::default();
    leases.register(version("1", "a"), SOON);
    let both = version("1", "a").node(NodeInfo::new("b", "b:1"));
    assert_eq!(leases.renew(&both, LATER), Err("b".to_owned()));
    assert_eq!(leases.next_expiry(&WatchScope::All), Some(SOON));
    assert_eq!(leases.renew(&version("1", "a"), LATER), Ok(()));
    assert_eq!(leases.next_expiry(&WatchScope::All), Some(LATER));
}

#[test]
fn only_what_differs_is_an_event() {
    let mut leases = Leases::default();
    assert_eq!(leases.register(version("1", "a"), SOON), [Change::Created(version("1", "a"))]);
    assert_eq!(leases.register(version("1", "a"), LATER), []);
    let mut other = version("1", "a");
    other.nodes[0].incarnation = 1;
    assert_eq!(leases.register(other.clone(), LATER), [Change::Updated(other.clone())]);
    other.metadata.insert("zone".into(), "x".into());
    let labels = Service { nodes: vec![], ..other.clone() };
    assert_eq!(leases.register(other.clone(), LATER), [Change::Updated(labels)]);
    let second = Service { nodes: vec![NodeInfo::new("b", "b:1")], ..other.clone() };
    other.nodes[0].incarnation = 2;
    let both =
        Service { nodes: vec![other.nodes[0].clone(), NodeInfo::new("b", "b:1")], ..other.clone() };
    let expected = [Change::Created(second), Change::Updated(other)];
    assert_eq!(leases.register(both, LATER), expected);
    assert!(leases.deregister(&version("1", "c")).is_none());
}

#[test]
fn a_service_is_told_from_those_whose_names_begin_alike() {
    let mut leases = Leases::default();
    let scope = |name: &str| WatchScope::Service(name.into());
    for (name, until) in [("greet", SOON), ("greeter", LATER), ("greeter2", SOON)] {
        leases.register(Service { name: name.into(), ..version("1", "a") }, until);
    }
    assert_eq!(leases.snapshot(&scope("greeter")), [version("1", "a")]);
    assert_eq!(leases.next_expiry(&scope("greeter")), Some(LATER));
    assert_eq!(leases.next_expiry(&scope("nobody")), None);
}

#[test]
fn both_orders_agree_with_the_leases_whatever_happens() {
    let mut leases = Leases::default();
    for step in 0..2_000_u64 {
        let (one, other) = (format!("{}", step * 7 % 5), format!("{}", step * 11 % 13));
        let now = Duration::from_secs(step);
        let until = now + Duration::from_secs(step * 31 % 50);
        match step % 6 {
            0..=2 => drop(leases.register(version(&one, &other), until)),
            3 => drop(leases.renew(&version(&one, &other), until)),
            4 => drop(leases.deregister(&version(&one, &other))),
            _ => drop(leases.expire(now)),
        }
        let mut all: Vec<End> = Vec::new();
        for version in leases.versions.values() {
            let own: BTreeSet<_> = version.nodes.values().map(|lease| lease.end).collect();
            assert_eq!(own, version.ends);
            all.extend(own);
        }
        all.sort_unstable();
        assert!(leases.ends.keys().eq(&all), "step {step}");
    }
    assert!(leases.len() > 0);
}

#[test]
fn a_forgotten_node_leaves_every_version() {
    let mut leases = Leases::default();
    leases.register(version("1", "a"), SOON);
    leases.register(version("2", "a"), SOON);
    leases.register(version("2", "b"), SOON);
    let expected = [Change::Deleted(version("1", "a")), Change::Deleted(version("2", "a"))];
    assert_eq!(leases.forget("a"), expected);
}

#[test]
fn the_size_of_a_record_counts_every_text() {
    let mut service = Service::new("12", "3").node(NodeInfo::new("4", "5").label("6", "7"));
    service.metadata.insert("8".into(), "9".into());
    service.endpoints.push(EndpointInfo {
        name: "a".into(),
        request: "b".into(),
        reply: "c".into(),
        metadata: BTreeMap::from([("d".into(), "e".into())]),
        ..EndpointInfo::default()
    });
    assert_eq!(text_bytes(&service), 14);
}

fn version(version: &str, node: &str) -> Service {
    Service::new("greeter", version).node(NodeInfo::new(node, format!("{node}:1")))
}
