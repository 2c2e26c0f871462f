//! Services in the registry: registering, looking up, and hearing of a change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use callboard_actors::Context;
use callboard_actors::registry::{
    Change, Lookup, MemoryRegistry, NodeInfo, Registry, Service, Subscribe, ViewChanged, Watch,
    WatchScope, Watcher, WatcherOptions, WatcherState,
};
use callboard_actors::supervisor::{Child, Supervisor};
use tokio::sync::mpsc;

use super::Subject;
use crate::figure::Figure;

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "services", sizes: &[1, 10, 100, 1_000, 10_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    actix_rt::System::new().block_on(async move {
        let registry = MemoryRegistry::new();
        let mut figures = registering(&registry, count).await;
        figures.extend(watching(&registry, count).await);
        figures.extend(following(&registry, count).await);
        figures
    })
}

async fn registering(registry: &MemoryRegistry, count: u64) -> Vec<Figure> {
    let begun = Instant::now();
    for index in 0..count {
        registry.register(service(index, 0), TTL).await.expect(THERE);
    }
    let all = micros(begun) / count as f64;
    let begun = Instant::now();
    for turn in 0..TURNS {
        let found = registry.get(name(turn % count)).await.expect(THERE);
        assert_eq!(found.len(), 1, "it has been registered");
    }
    let get = micros(begun) / TURNS as f64;
    vec![
        figure("register all, memory registry", count, all, "µs each"),
        figure("get", count, get, "µs"),
    ]
}

/// From a change of one service to the watch that follows all.
async fn watching(registry: &MemoryRegistry, count: u64) -> Vec<Figure> {
    let mut watch = registry.watch(WatchScope::All).await.expect(THERE);
    assert!(matches!(next(&mut watch).await, Change::Resync(all) if all.len() as u64 == count));
    let begun = Instant::now();
    for turn in 0..TURNS {
        registry.register(service(turn % count, turn + 1), TTL).await.expect(THERE);
        assert!(matches!(next(&mut watch).await, Change::Updated(_)));
    }
    let event = micros(begun) / TURNS as f64;
    vec![figure("one changes, until a watch of all tells", count, event, "µs")]
}

/// The same, when each service is followed by the watcher and has a subscriber.
async fn following(registry: &MemoryRegistry, count: u64) -> Vec<Figure> {
    let own: Arc<dyn Registry> = Arc::new(registry.clone());
    let options = WatcherOptions { services: 20_000, ..WatcherOptions::default() };
    let state = WatcherState::default();
    let mut builder = Supervisor::builder("growth");
    let watcher = builder.child(Child::new("watcher", move || {
        Watcher::new(Arc::clone(&own), options.clone(), state.clone())
    }));
    let (heard, mut views) = mpsc::unbounded_channel();
    let listener = builder.child(Child::new("listener", move || Listener(heard.clone())));
    let supervisor = builder.start();

    let begun = Instant::now();
    for index in 0..count {
        watcher.send(Lookup { service: name(index) }).await.expect(LIVES).expect(THERE);
    }
    let follow = micros(begun) / count as f64;
    for index in 0..count {
        let recipient = listener.clone().recipient();
        let subscribe = Subscribe { service: name(index), recipient };
        watcher.send(subscribe).await.expect(LIVES).expect("there is room");
        views.recv().await.expect(LIVES);
    }
    let begun = Instant::now();
    for turn in 0..TURNS {
        registry.register(service(turn % count, TURNS + turn + 1), TTL).await.expect(THERE);
        views.recv().await.expect(LIVES);
    }
    let told = micros(begun) / TURNS as f64;
    let begun = Instant::now();
    for turn in 0..TURNS {
        watcher.send(Lookup { service: name(turn % count) }).await.expect(LIVES).expect(THERE);
    }
    let known = micros(begun) / TURNS as f64;
    supervisor.stop().await;
    vec![
        figure("follow all, watcher", count, follow, "µs each"),
        figure("look up what is followed, watcher", count, known, "µs"),
        figure("one changes, until the watcher's subscriber is told", count, told, "µs"),
    ]
}

/// Passes on that it was told.
struct Listener(mpsc::UnboundedSender<()>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ViewChanged> for Listener {
    type Result = ();

    fn handle(&mut self, _: ViewChanged, _: &mut Self::Context) {
        // Who listens may have heard enough.
        let _ = self.0.send(());
    }
}

async fn next(watch: &mut Box<dyn Watch>) -> Change {
    watch.next().await.expect("there is no outage")
}

fn service(index: u64, incarnation: u64) -> Service {
    let mut node = NodeInfo::new(format!("node-{index:05}"), "127.0.0.1:9000");
    node.incarnation = incarnation;
    Service::new(name(index), "1").node(node)
}

fn name(index: u64) -> String {
    format!("service-{index:05}")
}

fn figure(name: &str, count: u64, value: f64, unit: &str) -> Figure {
    Figure::new("services in the registry", name, ("services", count)).value(value, unit)
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}

const TURNS: u64 = 500;
const TTL: Duration = Duration::from_secs(3_600);
const THERE: &str = "the registry has it";
const LIVES: &str = "the actor lives";
