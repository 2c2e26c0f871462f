//! Picking a node, while another thread publishes new snapshots.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_rt::SystemRunner;
use callboard_actors::registry::{EndpointInfo, Freshness, NodeInfo, Service, ServiceView};
use callboard_actors::selector::{
    Filter, Locality, Outcome, Pick, SelectorOptions, ServiceNodes, Strategy,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::Plan;
use super::looping::repeat;
use super::rounds::{Way, figures, interleave};
use crate::figure::Figure;

/// Measures all strategies, and the default one with filters, at several sizes.
pub fn measure(_: &SystemRunner, plan: Plan) -> Vec<Figure> {
    [10, 1_000, 10_000].into_iter().flat_map(|count| picks("picks", plan.rounds, count)).collect()
}

/// Nanoseconds per pick among `count` nodes.
pub fn picks(group: &str, rounds: usize, count: u64) -> Vec<Figure> {
    let field = Field::new(count);
    // A ring in use follows each change. One that takes longer to make than snapshots last is
    // out of date when it is made, for as long as they come that fast.
    field.make_ring();
    let is_over = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                field.publish();
                std::thread::sleep(PAUSE);
            }
        });
        let all = interleave(rounds, ways(&field));
        is_over.store(true, Ordering::Relaxed);
        all
    });
    let mut figures = figures(group, ("nodes", count), &all);
    for figure in &mut figures {
        figure.bar = match figure.name.as_str() {
            HASH => Some(400.0),
            name if STRATEGIES.contains(&name) => Some(200.0),
            // What a filter costs is not the strategy's.
            _ => None,
        };
    }
    figures
}

fn ways(field: &Field) -> Vec<Way<'_>> {
    let mut ways: Vec<_> = STRATEGIES
        .into_iter()
        .map(|name| {
            let strategy: Strategy = name.parse().expect("the name is one of those listed");
            Way::new(name, move || {
                field.pick(&Pick { strategy: &strategy, ..Pick::default() }, PICKS)
            })
        })
        .collect();
    let zone = [Filter::zone("zone-1", Locality::Prefer)];
    ways.push(Way::new("p2c, a third in the zone", move || {
        field.pick(&Pick { filters: &zone, ..Pick::default() }, PICKS)
    }));
    let canary = [Filter::version("canary")];
    ways.push(Way::new("p2c, one of two versions, by endpoint", move || {
        let endpoint = Some("Greeter.Hello");
        field.pick(&Pick { filters: &canary, endpoint, ..Pick::default() }, PICKS)
    }));
    ways
}

/// The nodes of a service, with two views of them that differ in one node.
#[derive(Debug)]
pub struct Field {
    nodes: Arc<ServiceNodes>,
    views: [ServiceView; 2],
    turn: AtomicBool,
    keys: Vec<String>,
    /// When the slow start of all nodes is over.
    now: Instant,
}

impl Field {
    /// Creates a service of `count` nodes, all of which have answered.
    pub fn new(count: u64) -> Self {
        let views = [view(count, 0), view(count, 1)];
        let nodes = ServiceNodes::new("bench", SelectorOptions::default(), Instant::now());
        nodes.publish(&views[0], Instant::now());
        let now = Instant::now() + Duration::from_secs(60);
        for candidate in nodes.load().candidates() {
            candidate.mark(Outcome::Success { latency: Duration::from_millis(1) }, now);
        }
        let keys = (0..4096).map(|user| format!("user-{user}")).collect();
        Self { nodes: Arc::new(nodes), views, turn: AtomicBool::default(), keys, now }
    }

    /// Publishes a view in which one node has changed.
    pub fn publish(&self) {
        let turn = self.turn.fetch_not(Ordering::Relaxed);
        self.nodes.publish(&self.views[usize::from(turn)], Instant::now());
    }

    /// Has the ring made that picks by key need.
    pub fn make_ring(&self) {
        let request =
            Pick { strategy: &Strategy::ConsistentHash, key: Some("k"), ..Pick::default() };
        let mut rng = SmallRng::seed_from_u64(7);
        black_box(self.nodes.load().pick(&request, &mut rng, self.now).is_ok());
    }

    /// Nanoseconds per pick, of so many.
    pub fn pick(&self, request: &Pick<'_>, picks: u64) -> f64 {
        let (mut rng, mut keys) = (SmallRng::seed_from_u64(7), self.keys.iter().cycle());
        repeat(picks, |_| {
            let request = Pick { key: keys.next().map(String::as_str), ..*request };
            let snapshot = self.nodes.load();
            black_box(snapshot.pick(&request, &mut rng, self.now).is_ok());
        })
    }
}

/// `count` nodes, a tenth of them of another version, one of them a new incarnation each time.
fn view(count: u64, change: u64) -> ServiceView {
    let mut versions = [Service::new("bench", "stable"), Service::new("bench", "canary")];
    for version in &mut versions {
        let name = "Greeter.Hello".to_owned();
        version.endpoints.push(EndpointInfo { name, ..EndpointInfo::default() });
    }
    for index in 0..count {
        let (id, zone) = (format!("bench-{index:05}"), format!("zone-{}", index % 3));
        let mut node = NodeInfo::new(id, "127.0.0.1:9000").label("zone", zone);
        node.incarnation = if index == count / 2 { change } else { 0 };
        versions[usize::from(index.is_multiple_of(10))].nodes.push(node);
    }
    let (name, versions) = ("bench".to_owned(), versions.to_vec());
    ServiceView { name, versions, freshness: Freshness::Live, revision: 1 }
}

const HASH: &str = "hash";
const STRATEGIES: [&str; 5] = ["random", "round-robin", "least-in-flight", "p2c", HASH];
const PICKS: u64 = 100_000;

/// Between two snapshots: fifty a second.
const PAUSE: Duration = Duration::from_millis(20);
