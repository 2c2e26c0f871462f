//! Picking a node, while another thread publishes new snapshots.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_rt::SystemRunner;
use callboard_actors::registry::{Catalogue, Change, EndpointInfo, NodeInfo, Service, ServiceView};
use callboard_actors::selector::{
    Filter, Locality, Outcome, Pick, SelectorOptions, ServiceNodes, Strategy,
};
use parking_lot::Mutex;
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
                field.publish_one();
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

/// The nodes of a service, and what a watcher would know of them.
#[derive(Debug)]
pub struct Field {
    nodes: Arc<ServiceNodes>,
    known: Mutex<Catalogue>,
    count: u64,
    turn: AtomicU64,
    keys: Vec<String>,
    /// When the slow start of all nodes is over.
    now: Instant,
}

impl Field {
    /// Creates a service of `count` nodes, all of which have answered.
    pub fn new(count: u64) -> Self {
        let nodes = ServiceNodes::new(NAME, SelectorOptions::default(), Instant::now());
        let now = Instant::now() + Duration::from_secs(60);
        let keys = (0..4096).map(|user| format!("user-{user}")).collect();
        let (nodes, known, turn) = (Arc::new(nodes), Mutex::default(), AtomicU64::default());
        let field = Self { nodes, known, count, turn, keys, now };
        field.publish_all();
        for candidate in field.nodes.load().candidates() {
            candidate.mark(Outcome::Success { latency: Duration::from_millis(1) }, now);
        }
        field
    }

    /// Publishes a whole list of all nodes.
    pub fn publish_all(&self) {
        let mut versions: Vec<Service> = Vec::new();
        for mut record in (0..self.count).map(|index| record(index, 0)) {
            match versions.iter_mut().find(|known| known.is_same_version(&record)) {
                Some(known) => known.nodes.append(&mut record.nodes),
                None => versions.push(record),
            }
        }
        self.publish(Change::Resync(versions));
    }

    /// Publishes that one node has changed: it is another process.
    pub fn publish_one(&self) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.publish(Change::Updated(record(turn * STEP % self.count, turn + 1)));
    }

    /// Publishes that one node came, or that it went.
    pub fn publish_another(&self) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let record = record(self.count + turn / 2, 0);
        let came = turn.is_multiple_of(2);
        self.publish(if came { Change::Created(record) } else { Change::Deleted(record) });
    }

    /// Does what the watcher does with a change, and what the selector does with its view.
    fn publish(&self, change: Change) {
        let mut known = self.known.lock();
        known.apply(change);
        let versions = known.clone().into_versions();
        let view = ServiceView { versions, ..ServiceView::new(NAME, []) };
        self.nodes.publish(&view, Instant::now());
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

/// One of many nodes, a tenth of which are of another version.
pub fn record(index: u64, incarnation: u64) -> Service {
    let version = if index.is_multiple_of(10) { "canary" } else { "stable" };
    let (id, zone) = (format!("bench-{index:05}"), format!("zone-{}", index % 3));
    let mut node = NodeInfo::new(id, "127.0.0.1:9000").label("zone", zone);
    node.incarnation = incarnation;
    let mut service = Service::new(NAME, version).node(node);
    let name = "Greeter.Hello".to_owned();
    service.endpoints.push(EndpointInfo { name, ..EndpointInfo::default() });
    service
}

/// The service that all of them run.
pub const NAME: &str = "bench";

/// From one node that changes to the next: somewhere else among all.
pub const STEP: u64 = 7_919;
const HASH: &str = "hash";
const STRATEGIES: [&str; 5] = ["random", "round-robin", "least-in-flight", "p2c", HASH];
const PICKS: u64 = 100_000;

/// Between two snapshots: fifty a second.
const PAUSE: Duration = Duration::from_millis(20);
