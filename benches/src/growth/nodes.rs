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
use crate::micro::rounds::{Samples, Way, figures, interleave};

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "nodes", sizes: &[1, 10, 100, 1_000, 10_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    let mut all = picks(GROUP, ROUNDS, count);
    let varied = ("nodes", count);
    let field = Field::new(count);
    let whole = repeat(WHOLES, |_| field.publish_all()) / 1e3;
    let of_all = Figure::new(GROUP, "a whole list is told again", varied);
    all.push(of_all.value(whole, "µs for all"));
    let mut samples = changing(&field, "");
    // The ring is made by the first call that needs it, and from then on it follows.
    let of_ring = figure_of_ring(&field, varied);
    samples.extend(changing(&field, ", with a hash ring"));
    samples.push(actix_rt::System::new().block_on(registering(count)));
    all.extend(figures(GROUP, varied, &samples).into_iter().map(in_micros));
    all.push(of_ring);
    all
}

/// Nanoseconds from a change in the watcher to the snapshot of the selector.
fn changing(field: &Field, with: &str) -> Vec<Samples> {
    let ways = vec![
        Way::new(format!("one node changes{with}"), || repeat(UPDATES, |_| field.publish_one())),
        Way::new(format!("one node comes or goes{with}"), || {
            repeat(UPDATES, |_| field.publish_another())
        }),
    ];
    interleave(ROUNDS, ways)
}

fn in_micros(mut figure: Figure) -> Figure {
    let figures = [Some(&mut figure.value), figure.low.as_mut(), figure.high.as_mut()];
    figures.into_iter().flatten().for_each(|nanos| *nanos /= 1e3);
    "µs".clone_into(&mut figure.unit);
    figure
}

/// One of the nodes changes, alone.
pub(super) fn alone(alone: &Alone) -> Figure {
    let field = Field::new(alone.size);
    alone.repeat(|| repeat(UPDATES, |_| field.publish_one()))
}

/// Nanoseconds from the registry in memory through the watcher to the snapshot of the selector.
async fn registering(count: u64) -> Samples {
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
    let (mut values, mut turn) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..UPDATES {
            let revision = nodes.load().revision();
            registry.register(record(turn * STEP % count, turn + 1), TTL).await.expect(THERE);
            seen_after(&nodes, revision).await;
            turn += 1;
        }
        values.push(begun.elapsed().as_secs_f64() * 1e9 / UPDATES as f64);
    }
    supervisor.stop().await;
    Samples { name: "one node registers anew, until callers see it".into(), values }
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
