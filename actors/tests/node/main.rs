//! A node of the engine alone, in memory and on paused time: what its peers see of its life.

#![expect(clippy::unwrap_used, reason = "an error fails the test")]

mod events;
mod fan_out;
mod peer;
mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Deadline;
use callboard_actors::client::{CallError, CallTarget, Choice, Executed};
use callboard_actors::message::{GoAway, Message, Refusal, RequestId, RouteSlot};
use callboard_actors::node::start;
use callboard_actors::registry::{MemoryRegistry, NodeInfo, Registry, Service};
use callboard_actors::supervisor::Exit;
use callboard_actors::transport::{
    Hello, Listener, MemoryTransport, Socket, Transport, TransportError,
};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, advance, pause, sleep, timeout};

use self::peer::Peer;
use self::rig::{client, server};

const ECHO: CallTarget =
    CallTarget { endpoint: "Echo.Say", content_type: "text/plain", is_idempotent: false };

#[actix::test]
async fn children_start_in_the_order_of_the_drawing() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let children = node.root().children().await;
    let names: Vec<_> = children.iter().map(|child| child.name.as_str()).collect();
    let serving = ["sessions", "acceptor", "subscriptions", "heartbeat"];
    assert_eq!(names, [&["watcher", "selector", "pool", "handlers"], &serving[..]].concat());
}

#[actix::test]
async fn a_stopping_node_is_deregistered_then_says_goodbye_then_refuses() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let mut peer = Peer::connect(&network, "memory:a").await;
    peer.ask(1, "Echo.Say", "before").await;
    assert_eq!(peer.reply().await, (1, "before".into()));

    let stopping = Instant::now();
    let stop = actix_rt::spawn({
        let node = node.clone();
        async move { node.stop().await }
    });
    assert_eq!(peer.next().await, Ok(Message::GoAway { reason: GoAway::Draining }));
    assert_eq!(registry.list().await.unwrap(), []);
    peer.ask(2, "Echo.Say", "meanwhile").await;
    assert_eq!(peer.reply().await, (2, "meanwhile".into()), "it serves until all have heard");
    assert_eq!(stopping.elapsed(), Duration::ZERO);

    sleep(Duration::from_millis(501)).await;
    peer.ask(3, "Echo.Say", "too late").await;
    let Ok(Message::Status { id, refusal, .. }) = peer.next().await else { panic!("no status") };
    assert_eq!((id, refusal), (RequestId(3), Some(Refusal::Draining)));
    // It waits a second for its clients to leave, and no longer.
    assert_eq!(stop.await.unwrap(), Exit::Shutdown);
    assert!(stopping.elapsed() < Duration::from_millis(1510));
    assert_eq!(peer.next().await, Err("the peer closed the connection".into()));
}

#[actix::test]
async fn who_connects_to_a_draining_node_is_told_at_once() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    node.server().drain();
    let mut peer = Peer::connect(&network, "memory:a").await;
    assert_eq!(peer.next().await, Ok(Message::GoAway { reason: GoAway::Draining }));
}

#[actix::test]
async fn a_peer_that_breaks_the_protocol_is_told_why_and_others_notice_nothing() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let _node = start(server(&registry, &network, "a")).await.unwrap();
    let mut good = Peer::connect(&network, "memory:a").await;
    let mut bad = Peer::connect(&network, "memory:a").await;
    bad.ask(1, "Echo.Say", "hello").await;
    assert_eq!(bad.reply().await, (1, "hello".into()));
    bad.ask_slot(2, RouteSlot(7), "who?").await;
    let Ok(Message::GoAway { reason: GoAway::Error(reason) }) = bad.next().await else {
        panic!("nothing was said")
    };
    assert!(reason.contains("route slot 7"), "{reason}");
    bad.next().await.unwrap_err();
    good.ask(1, "Echo.Say", "still here").await;
    assert_eq!(good.reply().await, (1, "still here".into()));
}

#[actix::test]
async fn an_unknown_endpoint_is_refused_and_the_connection_lives_on() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let _node = start(server(&registry, &network, "a")).await.unwrap();
    let mut peer = Peer::connect(&network, "memory:a").await;
    peer.ask(1, "Echo.Sing", "la").await;
    let Ok(Message::Status { refusal, status, .. }) = peer.next().await else {
        panic!("no status")
    };
    assert_eq!((refusal, status.code), (Some(Refusal::UnknownEndpoint), 404));
    peer.ask(2, "Echo.Say", "la").await;
    assert_eq!(peer.reply().await, (2, "la".into()));
}

#[actix::test]
async fn a_silent_peer_is_left_and_one_that_answers_pings_is_not() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let node = start(server(&registry, &network, "a")).await.unwrap();
    let silent = Peer::connect(&network, "memory:a").await;
    let mut polite = Peer::connect(&network, "memory:a").await;
    for _ in 0..3 {
        let Ok(Message::Ping { nonce }) = polite.next().await else { panic!("no ping") };
        polite.pong(nonce).await;
    }
    assert_eq!(node.server().connections(), 1);
    drop(silent);
}

#[actix::test]
async fn more_requests_than_were_agreed_are_refused() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let mut parts = server(&registry, &network, "a");
    parts.options.acceptor.max_in_flight = 2;
    let _node = start(parts).await.unwrap();
    let mut peer = Peer::connect(&network, "memory:a").await;
    for id in 1..=3 {
        peer.ask(id, "Echo.Never", "").await;
    }
    let Ok(Message::Status { id, refusal, .. }) = peer.next().await else { panic!("no status") };
    assert_eq!(id, RequestId(3));
    assert!(matches!(refusal, Some(Refusal::Overloaded { .. })));
}

#[actix::test]
async fn calls_of_a_stopped_node_fail_soon() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let _server = start(server(&registry, &network, "a")).await.unwrap();
    let node = start(client(&registry, &network, "client")).await.unwrap();
    let caller = node.caller().clone();
    let echo = caller.service("echo");
    let options = caller.call_options(Duration::from_secs(5));
    let options = (&options, options.deadline_at(Instant::now()));
    let answer = caller.call(&echo, ECHO, Bytes::from_static(b"hi"), options).await.unwrap();
    assert_eq!((&*answer.reply.body, &*answer.node), (&b"hi"[..], "memory:a"));
    node.stop().await;
    let stopped = Instant::now();
    for name in ["echo", "stranger"] {
        let options = caller.call_options(Duration::from_secs(5));
        let service = caller.service(name);
        let options = (&options, options.deadline_at(Instant::now()));
        let error = caller.call(&service, ECHO, Bytes::new(), options).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No, "{error}");
    }
    assert!(stopped.elapsed() < Duration::from_secs(1), "nobody waits for what has stopped");
}

#[actix::test]
async fn a_call_whose_time_is_up_is_not_sent() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let server = start(server(&registry, &network, "a")).await.unwrap();
    let node = start(client(&registry, &network, "client")).await.unwrap();
    let caller = node.caller();
    let options = caller.call_options(Duration::from_secs(1));
    let options = (&options, Deadline::at(Instant::now()));
    let error = caller.call(&caller.service("echo"), ECHO, Bytes::new(), options).await;
    assert!(matches!(error, Err(CallError::Timeout { executed: Executed::No, .. })));
    advance(Duration::from_secs(1)).await;
    assert_eq!(server.server().connections(), 0);
}

#[actix::test]
async fn a_node_that_drained_for_long_is_found_soon_after_it_is_back() {
    pause();
    // As in a written list, its entry stays whatever becomes of it.
    let (registry, other, network) =
        (MemoryRegistry::new(), MemoryRegistry::new(), MemoryTransport::new());
    let entry = Service::new("echo", "1").node(NodeInfo::new("a", "memory:a"));
    registry.register(entry, Duration::from_secs(3600)).await.unwrap();
    let old = start(server(&other, &network, "a")).await.unwrap();
    let node = start(client(&registry, &network, "client")).await.unwrap();
    let caller = node.caller();
    let echo = caller.service("echo");
    let options = caller.call_options(Duration::from_secs(1));
    let ask = async || {
        let options = (&options, options.deadline_at(Instant::now()));
        caller.call(&echo, ECHO, Bytes::from_static(b"hi"), options).await
    };
    ask().await.unwrap();
    old.server().drain();
    sleep(Duration::from_secs(60)).await;
    old.stop().await;
    let mut successor = server(&other, &network, "a");
    successor.node.incarnation = 2;
    let _new = start(successor).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let found = Instant::now();
    ask().await.unwrap();
    assert_eq!(found.elapsed(), Duration::ZERO, "its connection is there");
}

#[actix::test]
async fn an_address_that_cannot_be_reached_is_not_dialled_for_ever() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let dials = Arc::new(AtomicUsize::new(0));
    let mut parts = client(&registry, &network, "client");
    parts.transport = Arc::new(Counting(network.endpoint("client"), Arc::clone(&dials)));
    let node = start(parts).await.unwrap();
    let caller = node.caller();
    let ask = async || {
        let mut options = caller.call_options(Duration::from_secs(5));
        let node = Some("memory:nowhere".to_owned());
        options.choice = Some(Box::new(Choice { node, ..caller.choice() }));
        let options = (&options, options.deadline_at(Instant::now()));
        caller.call(&caller.service("echo"), ECHO, Bytes::new(), options).await.unwrap_err()
    };
    let dials = || dials.load(Ordering::Relaxed);
    assert!(matches!(ask().await, CallError::Connection { executed: Executed::No, .. }));
    sleep(Duration::from_secs(50)).await;
    assert!(dials() > 5, "whoever calls again soon has a connection sooner");
    sleep(Duration::from_secs(20)).await;
    let given_up = dials();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(dials(), given_up);
    ask().await;
    assert!(dials() > given_up, "it is dialled again for the next call");
}

/// Counts how often it is asked to connect.
struct Counting(MemoryTransport, Arc<AtomicUsize>);

impl Transport for Counting {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn connect(
        &self,
        address: &str,
        hello: Arc<Hello>,
    ) -> BoxFuture<'static, Result<Box<dyn Socket>, TransportError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.connect(address, hello)
    }

    fn listen(
        &self,
        address: &str,
    ) -> BoxFuture<'static, Result<Box<dyn Listener>, TransportError>> {
        self.0.listen(address)
    }
}

#[actix::test]
async fn nothing_is_kept_of_a_node_that_was_called_and_left() {
    pause();
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let left = start(server(&registry, &network, "a")).await.unwrap();
    let node = start(client(&registry, &network, "client")).await.unwrap();
    let caller = node.caller();
    let echo = caller.service("echo");
    let options = caller.call_options(Duration::from_secs(5));
    let options = (&options, options.deadline_at(Instant::now()));
    caller.call(&echo, ECHO, Bytes::from_static(b"hi"), options).await.unwrap();
    let nodes = echo.nodes().unwrap();
    let known = Arc::downgrade(nodes.load().candidate(0).unwrap());
    left.stop().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while known.strong_count() > 0 {
        assert!(Instant::now() < deadline, "its candidate is kept {} times", known.strong_count());
        sleep(Duration::from_millis(100)).await;
        // This thread lets go of what it looked at last.
        nodes.look(|snapshot| assert!(snapshot.is_empty()));
    }
}

#[actix::test]
async fn a_node_whose_arbiter_is_gone_has_ended() {
    let (registry, network) = (MemoryRegistry::new(), MemoryTransport::new());
    let arbiter = actix_rt::Arbiter::new();
    let (started, node) = tokio::sync::oneshot::channel();
    arbiter.spawn(async move {
        let parts = server(&registry, &network, "a");
        started.send(start(parts).await.unwrap()).unwrap();
    });
    let node = node.await.unwrap();
    assert!(arbiter.stop());
    let limit = Duration::from_secs(10);
    assert_eq!(timeout(limit, node.ended()).await, Ok(Exit::ArbiterGone));
    assert_eq!(timeout(limit, node.stop()).await, Ok(Exit::ArbiterGone));
}

/// What a peer sees at the end of a connection.
fn text(error: &TransportError) -> String {
    error.to_string()
}
