//! What the runtime promises, proven through its public API on paused time.

mod calling;
mod discovery;
mod draining;
mod faults;
mod limits;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, Handler, ResponseFuture};
use callboard_actors::Context;
use callboard_actors::client::CallError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::World;
use crate::client::CallFuture;
use crate::request::{Reply, Request};
use crate::system::{ServiceSystem, SystemBuilder};

/// Takes some time; must not be repeated.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(name = "Worker.Work", reply = Done, crate = crate)]
struct Work {
    id: u32,
    takes: Duration,
    load: Vec<u8>,
}

/// Takes some time; may be repeated.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(name = "Worker.Ask", reply = Done, idempotent, crate = crate)]
struct Ask(Work);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    id: u32,
    node: String,
    /// Time that the request had left when it was started.
    time_left: Duration,
}

impl Work {
    fn new(id: u32, takes: u64) -> Self {
        Self { id, takes: Duration::from_millis(takes), load: Vec::new() }
    }
}

/// What happened to requests: `started 1`, `done 1` or `dropped 1`, each with its moment.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<(Duration, String)>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    fn at(&self, line: &str) -> Option<Duration> {
        self.0.lock().iter().find(|(_, known)| known == line).map(|(at, _)| *at)
    }

    fn count(&self, prefix: &str) -> usize {
        self.0.lock().iter().filter(|(_, line)| line.starts_with(prefix)).count()
    }
}

struct Worker {
    world: World,
    node: String,
    log: Log,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Worker {
    fn work<T: crate::Endpoint<Reply = Done>>(
        &self,
        work: &Work,
        time_left: Duration,
    ) -> ResponseFuture<Reply<T>> {
        let mut entry = Entry { world: self.world.clone(), log: self.log.clone(), end: None };
        entry.note(format!("started {}", work.id));
        entry.end = Some(format!("dropped {}", work.id));
        let (node, id, takes) = (self.node.clone(), work.id, work.takes);
        Box::pin(async move {
            sleep(takes).await;
            entry.end.replace(format!("done {id}"));
            Ok(Done { id, node, time_left })
        })
    }
}

impl Handler<Request<Work>> for Worker {
    type Result = ResponseFuture<Reply<Work>>;

    fn handle(&mut self, request: Request<Work>, _: &mut Context<Self>) -> Self::Result {
        let time_left = request.deadline().expect("every call has a deadline").time_left();
        self.work::<Work>(&request, time_left)
    }
}

impl Handler<Request<Ask>> for Worker {
    type Result = ResponseFuture<Reply<Ask>>;

    fn handle(&mut self, request: Request<Ask>, _: &mut Context<Self>) -> Self::Result {
        let time_left = request.deadline().expect("every call has a deadline").time_left();
        self.work::<Ask>(&request.0, time_left)
    }
}

/// Writes down how a request ended when it is dropped.
struct Entry {
    world: World,
    log: Log,
    end: Option<String>,
}

impl Entry {
    fn note(&self, line: String) {
        self.log.0.lock().push((self.world.elapsed(), line));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            self.note(end);
        }
    }
}

/// A node that works.
fn worker(world: &World, id: &str, log: &Log) -> SystemBuilder {
    let (node, its, log) = (id.to_owned(), world.clone(), log.clone());
    let make = move || Worker { world: its.clone(), node: node.clone(), log: log.clone() };
    world.node("worker", id).handler(make, |h| h.request::<Work>().request::<Ask>())
}

/// A node that works, a client that has called it before, and the node's log.
async fn pair(world: &World) -> (ServiceSystem, ServiceSystem, Log) {
    let log = Log::default();
    let node = worker(world, "a", &log).start().await.unwrap();
    let client = world.system("client").start().await.unwrap();
    work(&client, 0, 0).await.unwrap();
    log.0.lock().clear();
    (node, client, log)
}

fn work(client: &ServiceSystem, id: u32, takes: u64) -> CallFuture<Work> {
    client.service("worker").send(Work::new(id, takes)).into_future()
}

/// Makes a call in the background.
fn spawn_work(
    client: &ServiceSystem,
    id: u32,
    takes: u64,
) -> tokio::task::JoinHandle<Result<Done, CallError>> {
    actix_rt::spawn(work(client, id, takes))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn every_node_has_a_name_of_its_own() {
    World::run(|world| async move {
        let first = worker(&world, "a", &Log::default()).start().await.unwrap();
        let second = worker(&world, "b", &Log::default()).start().await.unwrap();
        assert_eq!((&*first.node().address, &*second.node().address), ("memory:a", "memory:b"));
        let clients = [world.system("client"), world.system("client")];
        let mut ids = Vec::new();
        for client in clients {
            ids.push(client.start().await.unwrap().node().id.clone());
        }
        assert_eq!(ids, ["client-1", "client-2"]);
    });
}

#[actix::test]
async fn a_world_lives_in_an_actix_test_too() {
    let world = World::new();
    let (_, client, _) = pair(&world).await;
    let start = std::time::Instant::now();
    let done = work(&client, 7, 4000).await.unwrap();
    assert_eq!(done.id, 7);
    // This clock did not start on a whole millisecond, and timers round up.
    assert!((millis(4000)..millis(4010)).contains(&world.elapsed()), "{:?}", world.elapsed());
    assert!(start.elapsed() < millis(2000), "four seconds of the world are nothing");
}

#[test]
#[should_panic(expected = "more than 86400s of the world's time")]
fn a_test_that_waits_for_ever_fails() {
    World::run(|_| std::future::pending::<()>());
}
