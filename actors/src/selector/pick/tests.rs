use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::*;
use crate::registry::{EndpointInfo, NodeInfo, Service, ServiceView};
use crate::selector::{CustomStrategy, Eligible, Locality, Outcome, SelectorOptions, ServiceNodes};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

#[test]
fn random_gives_each_node_its_share() {
    let world = World::with_nodes(4);
    let counts = world.counts(&pick(&Strategy::Random), 8000);
    assert!(counts.iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
}

#[test]
fn round_robin_takes_each_node_in_turn() {
    let world = World::with_nodes(5);
    let request = pick(&Strategy::RoundRobin);
    let first = world.picks(&request, 5);
    assert_eq!(world.picks(&request, 5), first);
    assert_eq!(world.counts(&request, 500), [100; 5]);
}

#[test]
fn round_robin_is_even_around_an_ejected_node() {
    let world = World::with_nodes(4);
    world.mark(1, Outcome::Unreachable);
    assert_eq!(world.counts(&pick(&Strategy::RoundRobin), 300), [100, 0, 100, 100]);
}

#[test]
fn round_robin_serves_two_versions_evenly_when_their_calls_alternate() {
    let world = World::of(&[("1", 2), ("2", 2)], SelectorOptions::default());
    let filters = ["1", "2"].map(|version| [Filter::version(version)]);
    let mut counts = [0; 4];
    for _ in 0..100 {
        for filters in &filters {
            counts[world.pick(&Pick { filters, ..pick(&Strategy::RoundRobin) }).unwrap()] += 1;
        }
    }
    assert_eq!(counts, [50; 4]);
}

#[test]
fn least_in_flight_takes_the_least_busy_of_few() {
    let world = World::with_nodes(8);
    for (node, calls) in [3, 1, 4, 1, 5, 0, 2, 6].into_iter().enumerate() {
        world.begin(node, calls);
    }
    assert_eq!(world.picks(&pick(&Strategy::LeastInFlight), 20), [5; 20]);
}

#[test]
fn least_in_flight_avoids_the_busy_ones_of_many() {
    let world = World::with_nodes(100);
    (0..50).for_each(|node| world.begin(node, 10));
    let counts = world.counts(&pick(&Strategy::LeastInFlight), 1000);
    // All five of a sample are busy once in 32.
    let busy: u32 = counts[..50].iter().sum();
    assert!((10..80).contains(&busy), "{busy}");
}

#[test]
fn p2c_prefers_the_fast_node_and_tries_the_slow_one_again_when_it_is_forgotten() {
    let mut world = World::with_nodes(2);
    world.mark(0, Outcome::Success { latency: MILLI * 100 });
    world.mark(1, Outcome::Success { latency: MILLI });
    let request = Pick::default();
    assert_eq!(world.counts(&request, 100), [0, 100]);
    world.now += SECOND * 30;
    world.mark(1, Outcome::Success { latency: MILLI });
    assert_eq!(world.counts(&request, 100), [0, 100]);
    world.now += SECOND * 30;
    world.mark(1, Outcome::Success { latency: MILLI });
    assert_eq!(world.counts(&request, 100), [100, 0]);
}

#[test]
fn p2c_sends_no_more_to_a_node_than_its_speed_deserves() {
    let world = World::with_nodes(2);
    world.mark(0, Outcome::Success { latency: MILLI * 3 });
    world.mark(1, Outcome::Success { latency: MILLI });
    // Calls that stay in flight: the costs even out where 3 x slow = 1 x fast.
    let mut counts = [0_u32; 2];
    for _ in 0..400 {
        let node = world.pick(&Pick::default()).unwrap();
        world.begin(node, 1);
        counts[node] += 1;
    }
    assert!((98..=102).contains(&counts[0]), "{counts:?}");
}

#[test]
fn p2c_spreads_over_nodes_of_which_nothing_is_known() {
    let world = World::with_nodes(4);
    let mut counts = [0_u32; 4];
    for _ in 0..400 {
        let node = world.pick(&Pick::default()).unwrap();
        world.begin(node, 1);
        counts[node] += 1;
    }
    assert!(counts.iter().all(|count| (95..=105).contains(count)), "{counts:?}");
}

#[test]
fn a_node_that_fails_fast_attracts_nobody() {
    let world = World::with_nodes(2);
    for node in 0..2 {
        world.mark(node, Outcome::Success { latency: MILLI });
    }
    world.mark(0, Outcome::Failure);
    assert_eq!(world.counts(&Pick::default(), 100), [0, 100]);
    world.mark(0, Outcome::Success { latency: MILLI });
    world.mark(1, Outcome::Overloaded);
    world.mark(1, Outcome::Overloaded);
    assert_eq!(world.counts(&Pick::default(), 100), [100, 0]);
}

#[test]
fn hash_keeps_keys_and_moves_only_those_of_a_node_that_leaves() {
    let world = World::with_nodes(10);
    let before: Vec<_> = world.owners(1000);
    assert_eq!(world.owners(1000), before);
    let gone = before[0].clone();
    world.publish(&[("1", 10)], |node| node.id != gone);
    let after = world.owners(1000);
    let moved = before.iter().zip(&after).filter(|(old, new)| old != new).count();
    assert_eq!(moved, before.iter().filter(|owner| **owner == gone).count());
    assert!((50..200).contains(&moved), "{moved}");
}

#[test]
fn hash_gives_no_node_more_than_a_quarter_above_the_mean() {
    let world = World::with_nodes(10);
    let request = Pick { key: Some("everybody's darling"), ..pick(&Strategy::ConsistentHash) };
    for calls in 1..=1000_u32 {
        let node = world.pick(&request).unwrap();
        world.begin(node, 1);
        let bound = (calls * 5).div_ceil(40);
        let most = (0..10).map(|node| world.candidate(node).in_flight()).max().unwrap();
        assert!(most <= bound, "{most} of {calls} calls on one node");
    }
}

#[test]
fn hash_leaves_an_ejected_node_and_comes_back() {
    let mut world = World::with_nodes(10);
    let request = Pick { key: Some("user-42"), ..pick(&Strategy::ConsistentHash) };
    let owner = world.pick(&request).unwrap();
    world.mark(owner, Outcome::Unreachable);
    let next = world.pick(&request).unwrap();
    assert_ne!(next, owner);
    assert_eq!(world.pick(&request), Ok(next));
    world.now += SECOND;
    assert_eq!(world.picks(&request, 3), [owner, next, next]);
    world.mark(owner, Outcome::Success { latency: Duration::ZERO });
    assert_eq!(world.pick(&request), Ok(owner));
}

#[test]
fn hash_agrees_on_one_of_few_matching_nodes_among_many() {
    let world = World::with_nodes(3000);
    let filters =
        [Filter::custom(|candidate| ["n1-0007", "n1-2999"].contains(&&*candidate.node().id))];
    // The walk along the ring misses both for one key in fifteen.
    for key in 0..100 {
        let key = format!("key-{key}");
        let request =
            Pick { key: Some(&key), filters: &filters, ..pick(&Strategy::ConsistentHash) };
        let picks = world.picks(&request, 8);
        assert!(picks.iter().all(|node| *node == picks[0]), "{key}: {picks:?}");
    }
}

#[test]
fn a_call_without_key_goes_by_p2c() {
    let world = World::with_nodes(2);
    world.mark(0, Outcome::Success { latency: MILLI * 100 });
    world.mark(1, Outcome::Success { latency: MILLI });
    assert_eq!(world.counts(&pick(&Strategy::ConsistentHash), 50), [0, 50]);
}

#[test]
fn every_strategy_obeys_filters_even_when_few_nodes_match() {
    let world = World::of(&[("1", 500), ("2", 500)], SelectorOptions::default());
    let filters =
        [Filter::custom(|candidate| ["n2-0250", "n2-0251"].contains(&&*candidate.node().id))];
    for strategy in strategies() {
        let request = Pick { filters: &filters, key: Some("k"), ..pick(&strategy) };
        let counts = world.counts(&request, 200);
        assert_eq!(counts[750] + counts[751], 200, "{strategy}");
        let even = !matches!(strategy, Strategy::ConsistentHash);
        assert!(!even || counts[750] > 60 && counts[751] > 60, "{strategy}");
    }
}

#[test]
fn what_no_node_matches_is_named() {
    let world = World::of(&[("1", 2), ("2", 1)], SelectorOptions::default());
    let filters = [
        Filter::version("2"),
        Filter::zone("x", Locality::Require),
        Filter::zone("y", Locality::Prefer),
    ];
    for strategy in strategies() {
        let request = Pick { endpoint: Some("A.B"), filters: &filters, ..pick(&strategy) };
        assert_eq!(
            world.pick(&request).unwrap_err().to_string(),
            "none of the 3 nodes of service greeter matches version=2, zone=x, endpoint=A.B"
        );
    }
    let filters = [Filter::version("3")];
    let error = world.pick(&Pick { filters: &filters, ..Pick::default() }).unwrap_err();
    assert!(matches!(error, PickError::NoneMatches { nodes: 3, .. }) && !error.is_retryable());
}

#[test]
fn a_service_without_nodes_is_named() {
    let error = World::with_nodes(0).pick(&Pick::default()).unwrap_err();
    assert_eq!(error.to_string(), "service greeter has no nodes");
}

#[test]
fn only_nodes_that_answer_the_endpoint_are_picked() {
    let world = World::of(&[("1", 3), ("2", 3)], SelectorOptions::default());
    let service = |(version, endpoint): (&str, &str)| {
        let ids = (0..3).map(|index| format!("n{version}-{index}"));
        let mut service = Service::new("greeter", version);
        service.nodes = ids.map(|id| NodeInfo::new(id, "there")).collect();
        service.endpoints = vec![EndpointInfo { name: endpoint.into(), ..EndpointInfo::default() }];
        service
    };
    world.publish_services([("1", "Greeter.Hello"), ("2", "Greeter.Bye")].map(service).into());
    for strategy in strategies() {
        let request = Pick { endpoint: Some("Greeter.Bye"), key: Some("k"), ..pick(&strategy) };
        let counts = world.counts(&request, 60);
        assert_eq!(counts[3..].iter().sum::<u32>(), 60, "{strategy}");
    }
}

#[test]
fn the_own_zone_is_preferred_until_nobody_there_is_ready() {
    let world = World::with_nodes(6);
    for (locality, elsewhere) in [(Locality::Prefer, true), (Locality::Require, false)] {
        let world = &world;
        let filters = [Filter::zone("zone-1", locality)];
        for strategy in strategies() {
            let request = Pick { filters: &filters, key: Some("k"), ..pick(&strategy) };
            let counts = world.counts(&request, 30);
            assert_eq!(counts[1] + counts[4], 30, "{strategy}");
        }
        let fresh = World::with_nodes(6);
        for node in [1, 4] {
            fresh.mark(node, Outcome::Draining);
        }
        let picked = fresh.pick(&Pick { filters: &filters, ..Pick::default() });
        assert_eq!(picked.is_ok(), elsewhere);
    }
}

#[test]
fn of_preferences_in_order_the_first_that_a_ready_node_meets_counts() {
    let zones = |names: [&str; 2]| names.map(|name| Filter::label("zone", name));
    let filters = [Filter::prefer(zones(["zone-1", "zone-2"]))];
    for strategy in strategies() {
        let world = World::with_nodes(6);
        let request = Pick { filters: &filters, key: Some("k"), ..pick(&strategy) };
        for chosen in [[1, 4], [2, 5], [0, 3]] {
            let counts = world.counts(&request, 30);
            assert_eq!(counts[chosen[0]] + counts[chosen[1]], 30, "{strategy}: {counts:?}");
            for node in chosen {
                world.mark(node, Outcome::Draining);
            }
        }
        assert!(matches!(world.pick(&request), Err(PickError::AllDraining { .. })));
    }
}

#[test]
fn a_turn_that_was_taken_back_comes_again() {
    let world = World::of(&[("1", 3), ("2", 3)], SelectorOptions::default());
    for filters in [vec![], vec![Filter::version("2")]] {
        let request = Pick { filters: &filters, ..pick(&Strategy::RoundRobin) };
        for _ in 0..10 {
            let first = world.picks(&request, 1);
            world.nodes.load().unpick(&request);
            assert_eq!(world.picks(&request, 1), first);
        }
    }
}

#[test]
fn nodes_tried_before_are_used_again_only_when_no_other_is_ready() {
    let world = World::with_nodes(3);
    for strategy in strategies() {
        let mut exclude = vec![world.candidate(0), world.candidate(2)];
        let request = Pick { exclude: &exclude, key: Some("k"), ..pick(&strategy) };
        assert_eq!(world.picks(&request, 20), [1; 20], "{strategy}");
        exclude.push(world.candidate(1));
        let request = Pick { exclude: &exclude, key: Some("k"), ..pick(&strategy) };
        assert!(world.pick(&request).is_ok(), "{strategy}");
    }
}

#[test]
fn a_node_elsewhere_is_better_than_one_of_the_own_zone_that_was_tried() {
    let world = World::with_nodes(2);
    let (filters, exclude) = ([Filter::zone("zone-0", Locality::Prefer)], [world.candidate(0)]);
    let request = Pick { filters: &filters, exclude: &exclude, ..Pick::default() };
    assert_eq!(world.picks(&request, 5), [1; 5]);
}

#[test]
fn a_ready_node_that_was_tried_is_better_than_an_ejected_one() {
    let world = World::with_nodes(2);
    world.mark(1, Outcome::Unreachable);
    let exclude = [world.candidate(0)];
    let request = Pick { exclude: &exclude, ..Pick::default() };
    assert_eq!(world.picks(&request, 5), [0; 5]);
}

#[test]
fn an_ejected_node_gets_one_probe_when_its_time_has_passed() {
    for strategy in strategies().into_iter().filter(|one| !one.to_string().contains("hash")) {
        let mut world = World::with_nodes(3);
        world.mark(1, Outcome::Unreachable);
        assert_eq!(world.counts(&pick(&strategy), 100)[1], 0, "{strategy}");
        world.now += SECOND;
        assert_eq!(world.counts(&pick(&strategy), 100)[1], 1, "{strategy}");
        world.mark(1, Outcome::Success { latency: Duration::ZERO });
        (0..3).for_each(|node| world.mark(node, Outcome::Success { latency: MILLI }));
        assert!(world.counts(&pick(&strategy), 100)[1] > 10, "{strategy}");
    }
}

#[test]
fn the_last_node_is_never_ejected_and_the_longest_ejected_one_is_used() {
    for strategy in strategies() {
        let mut world = World::with_nodes(3);
        for node in [2, 0, 1] {
            world.now += MILLI;
            world.mark(node, Outcome::Unreachable);
        }
        let request = Pick { key: Some("k"), ..pick(&strategy) };
        assert_eq!(world.picks(&request, 5), [2; 5], "{strategy}");
        world.now += MILLI;
        world.mark(2, Outcome::Unreachable);
        assert_eq!(world.picks(&request, 5), [0; 5], "{strategy}");
        world.now += MILLI;
        world.mark(0, Outcome::Success { latency: Duration::ZERO });
        assert_eq!(world.picks(&request, 5), [0; 5], "{strategy}");
    }
}

#[test]
fn draining_nodes_are_skipped_at_once_even_when_all_others_are_ejected() {
    for strategy in strategies() {
        let world = World::with_nodes(3);
        world.candidate(0).mark_draining(world.now);
        let request = Pick { key: Some("k"), ..pick(&strategy) };
        assert_eq!(world.counts(&request, 100)[0], 0, "{strategy}");
        world.mark(1, Outcome::Unreachable);
        world.mark(2, Outcome::Unreachable);
        assert_eq!(world.counts(&request, 100)[0], 0, "{strategy}");
        for node in [1, 2] {
            world.mark(node, Outcome::Draining);
        }
        let error = world.pick(&request).unwrap_err();
        assert!(matches!(error, PickError::AllDraining { nodes: 3, .. }) && error.is_retryable());
    }
}

#[test]
fn a_new_node_gets_a_share_that_grows_to_the_whole() {
    for strategy in [Strategy::Random, Strategy::RoundRobin] {
        let mut world = World::with_nodes(3);
        world.now += SECOND * 100;
        world.publish(&[("1", 4)], |_| true);
        let mut share = |seconds: u32| {
            world.now += SECOND * seconds;
            f64::from(world.counts(&pick(&strategy), 4000)[3]) / 1000.0
        };
        let shares = [share(0), share(5), share(5)];
        let expected = [(0.08, 0.18), (0.45, 0.70), (0.90, 1.10)];
        let fits = shares.iter().zip(expected).all(|(s, (low, high))| (low..high).contains(s));
        assert!(fits, "{strategy}: {shares:?}");
    }
}

#[test]
fn a_new_node_costs_more_in_the_eyes_of_p2c() {
    let mut world = World::with_nodes(1);
    world.publish(&[("1", 2)], |_| true);
    let calls = |world: &World| {
        (0..2).for_each(|node| world.mark(node, Outcome::Success { latency: MILLI }));
        let mut counts = [0_u32; 2];
        for _ in 0..110 {
            let node = world.pick(&Pick::default()).unwrap();
            world.begin(node, 1);
            counts[node] += 1;
        }
        for (node, count) in counts.into_iter().enumerate() {
            world.candidate(node).finish(count);
        }
        counts
    };
    let young = calls(&world);
    assert!((8..=12).contains(&young[1]), "{young:?}");
    world.now += SECOND * 10;
    let grown = calls(&world);
    assert!((54..=56).contains(&grown[1]), "{grown:?}");
}

#[test]
fn an_own_strategy_chooses_but_cannot_choose_an_unfit_node() {
    #[derive(Debug)]
    struct Always(usize);
    impl CustomStrategy for Always {
        fn name(&self) -> &'static str {
            "always"
        }
        fn choose(&self, nodes: &Eligible<'_>, _: Option<&str>, _: &mut dyn Rng) -> Option<usize> {
            assert_eq!((nodes.len(), nodes.is_eligible(9)), (3, false));
            Some(self.0)
        }
    }
    let world = World::with_nodes(3);
    let second = Strategy::Custom(Arc::new(Always(1)));
    assert_eq!(world.picks(&pick(&second), 10), [1; 10]);
    world.mark(1, Outcome::Draining);
    assert_eq!(world.counts(&pick(&second), 50)[1], 0);
    let nowhere = Strategy::Custom(Arc::new(Always(9)));
    assert!(world.pick(&pick(&nowhere)).is_ok());
}

#[test]
fn picks_go_on_while_nodes_come_and_go() {
    let world = World::with_nodes(20);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (world, stop) = (&world, &stop);
            scope.spawn(move || {
                let mut rng = SmallRng::seed_from_u64(seed);
                let all = strategies();
                for turn in 0.. {
                    let request = Pick { key: Some("k"), ..pick(&all[turn % all.len()]) };
                    let snapshot = world.nodes.load();
                    let candidate = snapshot.pick(&request, &mut rng, world.now).unwrap();
                    candidate.begin(1);
                    candidate.finish(1);
                    candidate.mark(Outcome::Success { latency: MILLI }, world.now);
                    if stop.load(Ordering::Relaxed) && turn > 1000 {
                        return;
                    }
                }
            });
        }
        for turn in 0..300_usize {
            world.publish(&[("1", 20 + turn % 7)], |node| !node.id.ends_with('3'));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let total: u32 =
        (0..world.nodes.load().len()).map(|node| world.candidate(node).in_flight()).sum();
    assert_eq!(total, 0);
    assert_eq!(world.nodes.load().shared.total.sum(), 0);
}

#[test]
fn a_key_has_its_node_among_those_of_the_wanted_version() {
    let world = World::of(&[("1", 5), ("2", 5)], SelectorOptions::default());
    let filters = [Filter::version("2")];
    for key in 0..100 {
        let key = format!("key-{key}");
        let request =
            Pick { key: Some(&key), filters: &filters, ..pick(&Strategy::ConsistentHash) };
        let node = world.pick(&request).unwrap();
        assert_eq!(world.candidate(node).version(), "2", "{key}");
        assert_eq!(world.pick(&request).unwrap(), node);
    }
}

#[test]
fn a_node_that_was_slow_once_is_called_again_though_nothing_was_heard_of_it() {
    let mut world = World::with_nodes(3);
    let begun = world.now;
    world.mark(0, Outcome::Success { latency: MILLI * 2 });
    (1..3).for_each(|node| world.mark(node, Outcome::Success { latency: MILLI / 2 }));
    // Little to do: no two calls at once.
    let calls = 0..10_000;
    let again = calls.into_iter().find(|_| {
        world.now += MILLI * 10;
        let node = world.pick(&Pick::default()).unwrap();
        world.mark(node, Outcome::Success { latency: MILLI / 2 });
        node == 0
    });
    assert!(again.is_some(), "it was never called again");
    let expected = SelectorOptions::default().latency_decay.mul_f32(4_f32.ln());
    let (waited, slack) = (world.now - begun, SECOND);
    assert!(waited.abs_diff(expected) < slack, "{waited:?} instead of {expected:?}");
}

/// A service, a time that stands still and a seeded source of chance.
struct World {
    nodes: ServiceNodes,
    now: Instant,
    rng: Mutex<SmallRng>,
}

impl World {
    fn with_nodes(count: usize) -> Self {
        Self::of(&[("1", count)], SelectorOptions::default())
    }

    /// Nodes `n1-0000`, `n1-0001` and so on, of each version as many as said.
    fn of(versions: &[(&str, usize)], options: SelectorOptions) -> Self {
        let now = Instant::now();
        let nodes = ServiceNodes::new("greeter", options, now);
        let world = Self { nodes, now, rng: Mutex::new(SmallRng::seed_from_u64(42)) };
        world.publish(versions, |_| true);
        world
    }

    fn publish(&self, versions: &[(&str, usize)], stays: impl Fn(&NodeInfo) -> bool) {
        let service = |(version, count): &(&str, usize)| {
            let mut service = Service::new("greeter", *version);
            let ids = (0..*count).map(|index| (index, format!("n{version}-{index:04}")));
            let zone = |index| format!("zone-{}", index % 3);
            let all = ids.map(|(index, id)| NodeInfo::new(id, "there").label("zone", zone(index)));
            service.nodes = all.filter(|node| stays(node)).collect();
            service
        };
        self.publish_services(versions.iter().map(service).collect());
    }

    fn publish_services(&self, versions: Vec<Service>) {
        self.nodes.publish(&ServiceView::new("greeter", versions), self.now);
    }

    fn pick(&self, request: &Pick<'_>) -> Result<usize, PickError> {
        let snapshot = self.nodes.load();
        let picked = snapshot.pick(request, &mut *self.rng.lock(), self.now)?;
        Ok(snapshot.candidates().position(|candidate| Arc::ptr_eq(candidate, picked)).unwrap())
    }

    fn picks(&self, request: &Pick<'_>, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.pick(request).unwrap()).collect()
    }

    fn counts(&self, request: &Pick<'_>, count: usize) -> Vec<u32> {
        let mut counts = vec![0; self.nodes.load().len()];
        self.picks(request, count).into_iter().for_each(|node| counts[node] += 1);
        counts
    }

    /// The ids of the nodes to which some keys belong.
    fn owners(&self, keys: usize) -> Vec<String> {
        let owner = |key: usize| {
            let key = format!("key-{key}");
            let request = Pick { key: Some(&key), ..pick(&Strategy::ConsistentHash) };
            self.candidate(self.pick(&request).unwrap()).node().id.clone()
        };
        (0..keys).map(owner).collect()
    }

    fn candidate(&self, node: usize) -> Arc<Candidate> {
        Arc::clone(self.nodes.load().candidate(node).unwrap())
    }

    fn begin(&self, node: usize, calls: u32) {
        self.candidate(node).begin(calls);
    }

    fn mark(&self, node: usize, outcome: Outcome) {
        self.candidate(node).mark(outcome, self.now);
    }
}

fn pick(strategy: &Strategy) -> Pick<'_> {
    Pick { strategy, ..Pick::default() }
}

fn strategies() -> [Strategy; 5] {
    ["random", "round-robin", "least-in-flight", "p2c", "hash"].map(|name| name.parse().unwrap())
}
