//! Nodes per service: what a pick costs, and what it costs when one node changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_actors::registry::{
    MemoryRegistry, Registry, Subscribe, Watcher, WatcherOptions, WatcherState,
};
use callboard_actors::selector::{NodesOf, Selector, SelectorOptions, SelectorState, ServiceNodes};
use callboard_actors::supervisor::{Child, Supervisor};

use super::Subject;
use crate::alone::Alone;
use crate::figure::Figure;
use crate::micro::looping::repeat;
use crate::micro::picks::{Field, NAME, STEP, picks, record};

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "nodes", sizes: &[1, 10, 100, 1_000, 10_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    let mut figures = picks(GROUP, ROUNDS, count);
    let varied = ("nodes", count);
    let field = Field::new(count);
    let figure = |name: &str, nanos: f64| Figure::new(GROUP, name, varied).value(nanos / 1e3, "µs");
    let whole = repeat(WHOLES, |_| field.publish_all()) / 1e3;
    let of_all = Figure::new(GROUP, "a whole list is told again", varied);
    figures.push(of_all.value(whole, "µs for all"));
    figures.push(figure("one node changes", repeat(UPDATES, |_| field.publish_one())));
    let another = repeat(UPDATES, |_| field.publish_another());
    figures.push(figure("one node comes or goes", another));
    // The ring is made by the first call that needs it, and from then on it follows.
    figures.push(figure_of_ring(&field, varied));
    let one = repeat(UPDATES, |_| field.publish_one());
    figures.push(figure("one node changes, with a hash ring", one));
    let another = repeat(UPDATES, |_| field.publish_another());
    figures.push(figure("one node comes or goes, with a hash ring", another));
    let way = actix_rt::System::new().block_on(registering(count));
    figures.push(figure("one node registers anew, until callers see it", way));
    figures
}

/// One of the nodes changes, alone.
pub(super) fn alone(alone: &Alone) -> Figure {
    let field = Field::new(alone.size);
    alone.repeat(|| repeat(UPDATES, |_| field.publish_one()))
}

/// Nanoseconds from the registry in memory through the watcher to the snapshot of the selector.
async fn registering(count: u64) -> f64 {
    let registry = MemoryRegistry::new();
    for index in 0..count {
        registry.register(record(index, 0), TTL).await.expect(THERE);
    }
    let (own, views, known) = (registry.clone(), WatcherState::default(), SelectorState::default());
    let mut builder = Supervisor::builder("growth");
    let watcher = builder.child(Child::new("watcher", move || {
        Watcher::new(Arc::new(own.clone()), WatcherOptions::default(), views.clone())
    }));
    let selector = builder.child(Child::new("selector", move || {
        Selector::new(SelectorOptions::default(), known.clone())
    }));
    let supervisor = builder.start();
    let service = NAME.to_owned();
    let nodes = selector.send(NodesOf { service: service.clone() }).await.expect(LIVES);
    let subscribe = Subscribe { service, recipient: selector.recipient() };
    watcher.send(subscribe).await.expect(LIVES).expect(THERE);
    seen_after(&nodes, 0).await;
    assert_eq!(nodes.load().len() as u64, count, "all are seen");
    let begun = Instant::now();
    for turn in 0..UPDATES {
        let revision = nodes.load().revision();
        registry.register(record(turn * STEP % count, turn + 1), TTL).await.expect(THERE);
        seen_after(&nodes, revision).await;
    }
    let nanos = begun.elapsed().as_secs_f64() * 1e9 / UPDATES as f64;
    supervisor.stop().await;
    nanos
}

/// Waits for a snapshot that is newer.
async fn seen_after(nodes: &ServiceNodes, revision: u64) {
    while nodes.load().revision() == revision {
        tokio::task::yield_now().await;
    }
}

fn figure_of_ring(field: &Field, varied: (&str, u64)) -> Figure {
    let begun = Instant::now();
    field.make_ring();
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    Figure::new(GROUP, "the first pick by hash makes the ring", varied).value(micros, "µs for all")
}

const GROUP: &str = "nodes per service";
const ROUNDS: usize = 5;
const UPDATES: u64 = 200;
const WHOLES: u64 = 10;
const TTL: Duration = Duration::from_secs(3_600);
const THERE: &str = "the registry has room";
const LIVES: &str = "the actor lives";
