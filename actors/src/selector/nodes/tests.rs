//! How snapshots follow views of the registry.

use std::time::Duration;

use super::*;
use crate::registry::{Catalogue, Change, EndpointInfo, NodeInfo};
use crate::selector::candidate::Candidate;
use crate::selector::plain::Route;
use crate::selector::ring::hash;
use crate::selector::snapshot::ring_of;
use crate::selector::{Filter, Outcome, Pick, Standing, Strategy};

#[test]
fn candidates_are_kept_while_their_process_lives() {
    let nodes = nodes(vec![service("1", &["a", "b", "c"])]);
    let before = nodes.load_all();
    before[1].begin(1);
    publish(&nodes, vec![service("1", &["d", "c", "b"])]);
    let after = nodes.load_all();
    let ids: Vec<_> = after.iter().map(|candidate| &*candidate.node().id).collect();
    assert_eq!(ids, ["b", "c", "d"]);
    assert!(Arc::ptr_eq(&before[1], &after[0]) && Arc::ptr_eq(&before[2], &after[1]));
    assert_eq!(after[0].in_flight(), 1);
}

#[test]
fn what_a_thread_noted_of_nodes_is_forgotten_with_them() {
    let nodes = nodes(vec![service("1", &["a"])]);
    let route = Route { endpoint: "A.B", content_type: "application/json", types: None };
    let has = || nodes.look_and_note(|_, routes| routes.has(&route));
    // The first look has nothing to note in.
    assert!(!has());
    nodes.look_and_note(|_, routes| routes.note(route));
    assert!(has());
    let mut service = service("1", &["a"]);
    service.endpoints = vec![EndpointInfo { name: "A.C".into(), ..EndpointInfo::default() }];
    publish(&nodes, vec![service]);
    assert!(!has());
}

#[test]
fn the_sole_node_is_one_that_may_be_called() {
    let sole = |nodes: &ServiceNodes| nodes.load().sole().map(|it| it.node().id.clone());
    assert_eq!(sole(&nodes(Vec::new())), None);
    assert_eq!(sole(&nodes(vec![service("1", &["a", "b"])])), None);
    assert_eq!(sole(&nodes(vec![service("1", &["a"]), service("2", &["a"])])), None);
    for outcome in [Outcome::Draining, Outcome::Unreachable] {
        let nodes = nodes(vec![service("1", &["a"])]);
        assert_eq!(sole(&nodes).as_deref(), Some("a"));
        nodes.load_all()[0].mark(outcome, Instant::now());
        assert_eq!(sole(&nodes), None, "{outcome:?}");
    }
}

#[test]
fn a_restarted_node_begins_anew() {
    let nodes = nodes(vec![service("1", &["a", "b"])]);
    let before = nodes.load_all();
    before[0].mark(Outcome::Draining, Instant::now());
    let mut service = service("1", &["a", "b"]);
    service.nodes[0].incarnation += 1;
    publish(&nodes, vec![service]);
    let after = nodes.load_all();
    assert_eq!(after[0].standing(Instant::now()), Standing::Ready);
    assert!(!Arc::ptr_eq(&before[0].links, &after[0].links));
    assert!(Arc::ptr_eq(&before[1], &after[1]));
}

#[test]
fn a_changed_record_keeps_health_latency_and_connections() {
    let nodes = nodes(vec![service("1", &["a"])]);
    let before = nodes.load_all();
    let now = Instant::now();
    before[0].mark(Outcome::Success { latency: Duration::from_millis(7) }, now);
    before[0].mark(Outcome::Unreachable, now);
    let mut service = service("1", &["a"]);
    service.nodes[0].metadata.insert("zone".into(), "x".into());
    service.endpoints = vec![EndpointInfo { name: "A.B".into(), ..EndpointInfo::default() }];
    publish(&nodes, vec![service]);
    let after = nodes.load_all();
    assert_eq!(after[0].label("zone").unwrap(), "x");
    assert!(after[0].answers("A.B") && !after[0].answers("A.C"));
    assert_eq!(after[0].standing(now), Standing::Ejected);
    assert_eq!(after[0].latency(now), before[0].latency(now));
    assert!(Arc::ptr_eq(&before[0].links, &after[0].links));
}

#[test]
fn nodes_of_several_versions_are_ordered_and_found_by_id() {
    let twice = vec![service("2", &["b"]), service("1", &["c"]), service("2", &["a", "b"])];
    let nodes = nodes(twice);
    let order: Vec<_> = nodes
        .load_all()
        .iter()
        .map(|candidate| format!("{}{}", candidate.version(), candidate.node().id))
        .collect();
    assert_eq!(order, ["1c", "2a", "2b"]);
    let snapshot = nodes.load();
    assert_eq!(snapshot.node("b").map(|found| found.version()).collect::<Vec<_>>(), ["2"]);
    assert_eq!(snapshot.node("x").count(), 0);
}

#[test]
fn nodes_beyond_the_limit_are_left_out() {
    let options = SelectorOptions { nodes: 3, ..SelectorOptions::default() };
    let nodes = ServiceNodes::new("greeter", options, Instant::now());
    publish(&nodes, vec![service("1", &["a", "b"]), service("2", &["c", "d"])]);
    assert_eq!(nodes.load().len(), 3);
}

#[test]
fn a_ring_that_is_in_use_follows_every_change() {
    let nodes = nodes(vec![service("1", &["a", "b", "c", "d"])]);
    let request = Pick { strategy: &Strategy::ConsistentHash, key: Some("k"), ..Pick::default() };
    nodes.load().pick(&request, &mut rand::rng(), Instant::now()).unwrap();
    let views: [&[&str]; 4] = [&["a", "c", "d"], &["a", "c", "d", "e"], &["0", "c"], &[]];
    for ids in views {
        publish(&nodes, vec![service("1", ids)]);
        let snapshot = nodes.load();
        let prepared = snapshot.ring.get().expect("it was prepared");
        let anew = ring_of(&snapshot.seats);
        for key in 0..1000 {
            let key = hash(&format!("{key}"));
            assert_eq!(prepared.owners(key).next(), anew.owners(key).next(), "{ids:?}");
        }
    }
}

#[test]
fn a_ring_of_a_snapshot_that_is_replaced_while_it_is_made_is_not_lost() {
    let nodes = nodes(vec![service("1", &["a", "b", "c"])]);
    // The call has this snapshot in its hands when the next one is published.
    let (before, mut rng) = (nodes.load(), rand::rng());
    publish(&nodes, vec![service("1", &["a", "b", "c", "d"])]);
    before.pick(&by_key("k"), &mut rng, Instant::now()).unwrap();
    assert!(before.ring.get().is_some() && nodes.load().ring.get().is_none());
    for ids in [&["a", "b"][..], &["a", "b", "c"], &["x", "y"]] {
        publish(&nodes, vec![service("1", ids)]);
        let snapshot = nodes.load();
        let prepared = snapshot.ring.get().expect("the snapshot came with it");
        let anew = ring_of(&snapshot.seats);
        assert!(prepared.owners(7).eq(anew.owners(7)), "{ids:?}");
    }
}

#[test]
fn picks_by_key_do_not_wait_for_a_ring_and_agree_meanwhile() {
    let nodes = nodes(vec![service("1", &["a", "b", "c", "d", "e"])]);
    let owner = |key: &str| {
        let (snapshot, mut rng) = (nodes.load(), rand::rng());
        let picked = snapshot.pick(&by_key(key), &mut rng, Instant::now()).unwrap();
        picked.node().id.clone()
    };
    nodes.load().demand.while_making(|| {
        let owners: std::collections::BTreeSet<_> = (0..50)
            .map(|key| {
                let key = key.to_string();
                assert_eq!(owner(&key), owner(&key));
                owner(&key)
            })
            .collect();
        assert_eq!(owners.len(), 5);
        assert!(nodes.load().ring.get().is_none());
    });
    owner("k");
    assert!(nodes.load().ring.get().is_some());
}

#[test]
fn a_service_without_calls_by_key_has_no_ring() {
    let nodes = nodes(vec![service("1", &["a", "b"])]);
    nodes.load().pick(&Pick::default(), &mut rand::rng(), Instant::now()).unwrap();
    publish(&nodes, vec![service("1", &["a", "b", "c"])]);
    assert!(nodes.load().ring.get().is_none());
}

#[test]
fn a_view_that_is_not_ordered_changes_nothing_for_nodes_that_stay() {
    let nodes = nodes(vec![service("1", &["a", "b", "c"]), service("2", &["b", "d"])]);
    let before = nodes.load_all();
    publish(&nodes, vec![service("2", &["d", "b", "d"]), service("1", &["c", "a", "b"])]);
    let after = nodes.load_all();
    assert_eq!(after.len(), before.len());
    assert!(before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after)));
}

/// As somebody's own watcher may make it.
#[test]
fn a_view_in_any_order_is_put_in_order() {
    let nodes = nodes(vec![]);
    let versions = [service("2", &["a"]), service("1", &["b"]), service("2", &["c"])];
    let view = ServiceView {
        versions: versions.map(VersionView::from).into(),
        revision: 2,
        ..ServiceView::new("greeter", [])
    };
    for _ in 0..2 {
        nodes.publish(&view, Instant::now());
        let order = nodes.load_all();
        let order: Vec<_> = order.iter().map(|it| (it.version(), &*it.node().id)).collect();
        assert_eq!(order, [("1", "b"), ("2", "a"), ("2", "c")]);
        assert_eq!(nodes.load().len(), 3);
    }
}

/// The ring tells callers the same, and so must the search where it has no answer.
#[test]
fn a_key_of_a_node_in_two_versions_means_the_same_one_to_all_callers() {
    let mut first = service("1", &["x"]);
    first.nodes[0].metadata.insert("marked".into(), "1".into());
    let mut second = Service { version: "2".into(), ..first.clone() };
    let others = (0..3_000).map(|number| NodeInfo::new(format!("{number}"), "there"));
    second.nodes.extend(others);
    let at_once = nodes(vec![first.clone(), second.clone()]);
    let one_by_one = nodes(vec![second.clone()]);
    publish(&one_by_one, vec![first, second]);
    let filters = [Filter::label("marked", "1")];
    let pick = |nodes: &ServiceNodes, key: &str| {
        let strategy = Strategy::ConsistentHash;
        let pick =
            Pick { strategy: &strategy, key: Some(key), filters: &filters, ..Pick::default() };
        let snapshot = nodes.load();
        let picked = snapshot.pick(&pick, &mut rand::rng(), Instant::now());
        picked.unwrap().version().to_owned()
    };
    for key in 0..300 {
        let key = format!("key {key}");
        assert_eq!(pick(&at_once, &key), pick(&one_by_one, &key), "{key}");
    }
}

#[test]
fn whatever_is_published_all_lists_agree() {
    let nodes = nodes(vec![]);
    let (mut known, mut number) = (Catalogue::default(), 7_u64);
    let mut chance = |below: u64| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (number >> 33) % below
    };
    for step in 0..400 {
        // It fills, empties and fills again; a version's labels change now and then.
        let (is_growing, label) = ((step / 100) % 2 == 0, step / 40);
        for _ in 0..=chance(4) {
            let (version, id) = (chance(3).to_string(), format!("{:03}", chance(300)));
            let mut one = service(&version, &[&id]);
            one.nodes[0].incarnation = chance(2);
            one.nodes[0].metadata.insert("zone".into(), chance(2).to_string());
            one.metadata.insert("label".into(), label.to_string());
            let comes = chance(10) < if is_growing { 9 } else { 2 };
            known.apply(if comes { Change::Created(one) } else { Change::Deleted(one) });
        }
        if step % 150 == 149 {
            known.apply(Change::Resync(vec![service("1", &["x", "y"])]));
        }
        let versions = known.clone().into_versions();
        nodes.publish(&ServiceView { versions, ..ServiceView::new("greeter", []) }, Instant::now());
        let _any = nodes.load().pick(&by_key("k"), &mut rand::rng(), Instant::now());
        nodes.must_agree_with(&known);
    }
}

#[test]
fn of_many_nodes_a_change_copies_few() {
    let ids: Vec<_> = (0..10_000).map(|number| format!("{number:05}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut known = Catalogue::new([service("1", &ids)]);
    let nodes = nodes(vec![]);
    let publish = |known: &Catalogue| {
        let versions = known.clone().into_versions();
        nodes.publish(&ServiceView { versions, ..ServiceView::new("greeter", []) }, Instant::now());
        nodes.snapshot.load_full()
    };
    let mut before = publish(&known);
    let mut moved = service("1", &["05000"]);
    moved.nodes[0].address = "elsewhere".into();
    let changes = [
        Change::Updated(moved),
        Change::Created(service("1", &["05000a"])),
        Change::Deleted(service("1", &["00000"])),
    ];
    for change in changes {
        known.apply(change.clone());
        let after = publish(&known);
        let copied = after.sections[0].candidates.copied_since(&before.sections[0].candidates);
        assert!(copied <= 64, "{copied} in order: {change:?}");
        let copied = after.seats.copied_since(&before.seats);
        assert!(copied <= 128, "{copied} of seats: {change:?}");
        before = after;
    }
}

/// With few nodes a ring is made anew instead.
#[test]
fn of_many_nodes_a_ring_that_follows_tells_what_one_made_anew_does() {
    let ids: Vec<_> = (0..1_002).map(|number| format!("{number:04}")).collect();
    let of = |range: std::ops::Range<usize>| {
        let ids: Vec<&str> = ids[range].iter().map(String::as_str).collect();
        vec![service("1", &ids)]
    };
    let keys: Vec<_> = (0..500).map(|number| format!("key {number}")).collect();
    let owner = |nodes: &ServiceNodes, key: &str| {
        let snapshot = nodes.load();
        let picked = snapshot.pick(&by_key(key), &mut rand::rng(), Instant::now());
        picked.map(|candidate| candidate.node().id.clone())
    };
    let following = nodes(of(0..1_000));
    let _made = owner(&following, &keys[0]);
    // One goes, one comes, one goes as another comes.
    for range in [1..1_000, 1..1_001, 2..1_002] {
        let before = following.load();
        publish(&following, of(range.clone()));
        // Before the first pick, and not made anew.
        let (before, after) = (before.ring(), following.load());
        let arcs = after.ring.get().map_or(0, |ring| ring.arcs_of(before));
        assert!(arcs > 0, "{range:?}: it follows from the one before");
        let anew = nodes(of(range.clone()));
        for key in &keys {
            assert_eq!(owner(&following, key), owner(&anew, key), "{range:?}: {key}");
        }
    }
}

fn by_key(key: &str) -> Pick<'_> {
    Pick { strategy: &Strategy::ConsistentHash, key: Some(key), ..Pick::default() }
}

impl ServiceNodes {
    /// Every list of the snapshot has the nodes that are known, and no others.
    fn must_agree_with(&self, known: &Catalogue) {
        let snapshot = self.load();
        let mut found = snapshot.candidates();
        for version in known.versions() {
            for node in version.nodes() {
                let candidate = found.next().expect("as many as are known");
                assert_eq!(
                    (candidate.node(), candidate.version()),
                    (&**node, &*version.service().version)
                );
                assert_eq!(candidate.service_metadata(), &version.service().metadata);
                assert!(snapshot.node(&node.id).any(|same| Arc::ptr_eq(same, candidate)));
            }
        }
        assert!(found.next().is_none());
        assert_eq!(snapshot.len(), snapshot.candidates().count());
        for (index, candidate) in snapshot.candidates().enumerate() {
            let seat = snapshot.seats.get(candidate.seat() as usize);
            assert!(seat.is_some_and(|seated| Arc::ptr_eq(seated, candidate)));
            let same = snapshot.candidate(index);
            assert!(same.is_some_and(|same| Arc::ptr_eq(same, candidate)));
        }
        if let Some(ring) = snapshot.ring.get() {
            assert!(ring.owners(0).eq(ring_of(&snapshot.seats).owners(0)));
        }
    }

    fn load_all(&self) -> Vec<Arc<Candidate>> {
        self.load().candidates().cloned().collect()
    }
}

fn nodes(versions: Vec<Service>) -> ServiceNodes {
    ServiceNodes::fixed("greeter", versions)
}

fn publish(nodes: &ServiceNodes, versions: Vec<Service>) {
    let view = ServiceView { revision: 2, ..ServiceView::new("greeter", versions) };
    nodes.publish(&view, Instant::now());
}

fn service(version: &str, ids: &[&str]) -> Service {
    let mut service = Service::new("greeter", version);
    service.nodes = ids.iter().map(|id| NodeInfo::new(*id, "there")).collect();
    service
}
