//! Nanoseconds per pick, for each strategy and for 10, 1,000 and 10,000 nodes, while another
//! thread publishes new snapshots.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use callboard_actors::registry::{EndpointInfo, Freshness, NodeInfo, Service, ServiceView};
use callboard_actors::selector::{
    Filter, Locality, Outcome, Pick, SelectorOptions, ServiceNodes, Strategy,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

fn main() {
    println!("{:<34}{:>9}{:>9}{:>9}", "ns per pick, by number of nodes", 10, 1_000, 10_000);
    let strategies = ["random", "round-robin", "least-in-flight", "p2c", "hash"];
    for name in strategies {
        let strategy: Strategy = name.parse().expect("the name is one of those listed");
        let request = Pick { strategy: &strategy, ..Pick::default() };
        row(name, &request, Duration::from_millis(20));
        row(&format!("{name}, idle registry"), &request, Duration::MAX);
    }
    let filters = [Filter::zone("zone-1", Locality::Prefer)];
    let request = Pick { filters: &filters, ..Pick::default() };
    row("p2c, a third in the zone", &request, Duration::from_millis(20));
    let filters = [Filter::version("canary")];
    let request = Pick { filters: &filters, endpoint: Some("Greeter.Hello"), ..Pick::default() };
    row("p2c, a canary version, endpoint", &request, Duration::from_millis(20));
    for count in [1_000, 10_000] {
        let (nodes, views) = (service(), [view(count, 0), view(count, 1)]);
        println!("publishing one change to {count} nodes: {:?}", publishing(&nodes, &views));
        let hash = Pick { strategy: &Strategy::ConsistentHash, key: Some("k"), ..Pick::default() };
        let begin = Instant::now();
        let picked = nodes.load().pick(&hash, &mut SmallRng::seed_from_u64(1), begin).is_ok();
        println!("  the first pick by hash ({picked}): {:?}", begin.elapsed());
        println!("  publishing with a ring: {:?}", publishing(&nodes, &views));
    }
}

/// Measures one request at all sizes.
fn row(name: &str, request: &Pick<'_>, pause: Duration) {
    print!("{name:<34}");
    for count in [10, 1_000, 10_000] {
        let (nodes, views) = (service(), [view(count, 0), view(count, 1)]);
        nodes.publish(&views[0], Instant::now());
        let stop = AtomicBool::new(false);
        let published = AtomicU64::new(0);
        let nanos = std::thread::scope(|scope| {
            scope.spawn(|| {
                while pause != Duration::MAX && !stop.load(Ordering::Relaxed) {
                    let turn = published.fetch_add(1, Ordering::Relaxed);
                    nodes.publish(&views[usize::from(turn.is_multiple_of(2))], Instant::now());
                    std::thread::sleep(pause);
                }
            });
            let nanos = measure(&nodes, request);
            stop.store(true, Ordering::Relaxed);
            nanos
        });
        print!("{nanos:>9.1}");
    }
    println!();
}

/// The median of several rounds.
fn measure(nodes: &ServiceNodes, request: &Pick<'_>) -> f64 {
    let mut rng = SmallRng::seed_from_u64(7);
    let now = Instant::now() + Duration::from_secs(60);
    for candidate in nodes.load().candidates() {
        candidate.mark(Outcome::Success { latency: Duration::from_millis(1) }, now);
    }
    let keys: Vec<_> = (0..4096).map(|user| format!("user-{user}")).collect();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            for key in keys.iter().cycle().take(PICKS) {
                let request = Pick { key: Some(key), ..*request };
                let snapshot = nodes.load();
                black_box(snapshot.pick(&request, &mut rng, now).is_ok());
            }
            begin.elapsed().as_nanos() as f64 / PICKS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn publishing(nodes: &ServiceNodes, views: &[ServiceView; 2]) -> Duration {
    nodes.publish(&views[0], Instant::now());
    let begin = Instant::now();
    for turn in 0..20_u32 {
        nodes.publish(&views[usize::from(turn.is_multiple_of(2))], Instant::now());
    }
    begin.elapsed() / 20
}

fn service() -> Arc<ServiceNodes> {
    Arc::new(ServiceNodes::new("bench", SelectorOptions::default(), Instant::now()))
}

/// `count` nodes, a tenth of them of another version, one of them a new incarnation each time.
fn view(count: usize, change: u64) -> ServiceView {
    let mut versions = [Service::new("bench", "stable"), Service::new("bench", "canary")];
    for version in &mut versions {
        let name = "Greeter.Hello".to_owned();
        version.endpoints.push(EndpointInfo { name, ..EndpointInfo::default() });
    }
    for index in 0..count {
        let (id, zone) = (format!("bench-{index:05}"), format!("zone-{}", index % 3));
        let mut node = NodeInfo::new(id, "127.0.0.1:9000").label("zone", zone);
        node.incarnation = if index == 5 { change } else { 0 };
        versions[usize::from(index.is_multiple_of(10))].nodes.push(node);
    }
    let (name, versions) = ("bench".to_owned(), versions.to_vec());
    ServiceView { name, versions, freshness: Freshness::Live, revision: change + 1 }
}

const PICKS: usize = 100_000;
const ROUNDS: usize = 11;
