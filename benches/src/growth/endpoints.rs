//! Endpoints per node: starting it, finding a route, and a call.
//!
//! Ten thousand types would take the compiler longer than the measurement takes, so that the node
//! is put together from the engine's parts, with a handler that echoes bodies whatever its endpoint
//! is called. Server and client talk in memory.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callboard::registry::StaticRegistry;
use callboard_actors::Metadata;
use callboard_actors::broker::MemoryBroker;
use callboard_actors::inbox::InboxStatus;
use callboard_actors::message::{RequestId, Route, RouteSlot};
use callboard_actors::node::{self, HandlerParts, Hooks, NodeOptions, NodeParts, NodeRef};
use callboard_actors::registry::{EndpointInfo, NodeInfo, Service};
use callboard_actors::server::{Arrival, HandlerPort, Lane, RouteTable};
use callboard_actors::supervisor::Supervisor;
use callboard_actors::transport::MemoryTransport;

use super::Subject;
use super::peer::Peer;
use crate::figure::Figure;
use crate::micro::looping::repeat;

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "endpoints", sizes: &[1, 10, 100, 1_000, 10_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    let names: Vec<String> = (0..count).map(|index| format!("Growth.Endpoint{index:05}")).collect();
    let routes = RouteTable::new(vec![Arc::new(Port::new(&names))]).expect("no name occurs twice");
    let mut all = names.iter().cycle();
    let find = repeat(FINDS, |_| {
        let name = all.next().expect("there is one at least");
        std::hint::black_box(routes.find(name).expect("it has been added"));
    });
    let mut figures = vec![figure("find a route", count).value(find, "ns")];
    figures.extend(actix_rt::System::new().block_on(call(&names)));
    figures
}

async fn call(names: &[String]) -> Vec<Figure> {
    let (count, network) = (names.len() as u64, MemoryTransport::new());
    let begun = Instant::now();
    let server = start(&network, names).await;
    let started = begun.elapsed();
    let mut peer = Peer::connect(&network, &server.node().address).await;
    let body = Bytes::from_static(b"a body");
    // One connection explains so many routes at most.
    let routes = names.len().min(ROUTES_MOST);
    let begun = Instant::now();
    for name in &names[..routes] {
        let (endpoint, content_type) = (name.clone(), TYPE.to_owned());
        peer.explain(&Route { endpoint, content_type }, &body).await;
    }
    let first = begun.elapsed().as_nanos() as f64 / routes as f64;
    let begun = Instant::now();
    for slot in (0..u32::try_from(routes).expect("they are few")).cycle().take(CALLS) {
        peer.call(RouteSlot(slot), &body).await;
    }
    let further = begun.elapsed().as_nanos() as f64 / CALLS as f64;
    server.stop().await;
    vec![
        figure("start the node", count).value(started.as_secs_f64() * 1e6, "µs for all"),
        figure("the first call of an endpoint", count).value(first, "ns"),
        figure("a further call", count).value(further, "ns"),
    ]
}

async fn start(network: &MemoryTransport, names: &[String]) -> NodeRef {
    let id = "growth-1";
    // It is not asked: the peer knows the address. Others refuse a record of so many endpoints.
    let registry = StaticRegistry::parse("growth=127.0.0.1:9000").expect("it is well-formed");
    let parts = NodeParts {
        service: Service::new("growth", "1"),
        node: NodeInfo::new(id, ""),
        registry: Arc::new(registry),
        transport: Arc::new(network.endpoint(id)),
        broker: Arc::new(MemoryBroker::new()),
        listen: vec![format!("memory:{id}")],
        advertise: Box::new(|listen| Ok(listen.to_owned())),
        handler_supervisor: Supervisor::builder("handlers"),
        handlers: vec![handler(names)],
        arbiters: vec![actix_rt::Arbiter::current()],
        hooks: Hooks::default(),
        options: NodeOptions { settle_time: Duration::ZERO, ..NodeOptions::default() },
    };
    node::start(parts).await.expect("the node starts")
}

fn handler(names: &[String]) -> HandlerParts {
    let start = Box::new(|_| {
        Box::pin(async { Ok(()) }) as callboard_actors::registry::BoxFuture<'static, _>
    });
    HandlerParts { name: "Port".to_owned(), port: Arc::new(Port::new(names)), start }
}

/// Answers every endpoint with the body that came.
struct Port(Vec<EndpointInfo>);

impl Port {
    fn new(names: &[String]) -> Self {
        let info = |name: &String| EndpointInfo { name: name.clone(), ..EndpointInfo::default() };
        Self(names.iter().map(info).collect())
    }
}

impl HandlerPort for Port {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.0
    }

    fn codec(&self, content_type: &str) -> Option<u16> {
        (content_type == TYPE).then_some(0)
    }

    fn lane(&self) -> Box<dyn Lane> {
        Box::new(Echoing)
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        Vec::new()
    }

    fn local(&self, _: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

struct Echoing;

impl Lane for Echoing {
    fn push(&mut self, _: usize, _: u16, mut arrival: Arrival) {
        arrival.reply.reply(&Metadata::new(), &arrival.body);
    }

    fn flush(&mut self, _: tokio::time::Instant) {}

    fn cancel(&self, _: u64, _: Option<RequestId>) {}
}

fn figure(name: &str, count: u64) -> Figure {
    Figure::new("endpoints per node", name, ("endpoints", count))
}

const TYPE: &str = "application/octet-stream";
const ROUTES_MOST: usize = 4_000;
const CALLS: usize = 20_000;
const FINDS: u64 = 1_000_000;
