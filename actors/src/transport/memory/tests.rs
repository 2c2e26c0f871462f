//! The contract, and what faults do.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join;
use tokio::time::{Instant, timeout};

use super::{Faults, MemoryTransport};
use crate::message::{Message, RequestId, Route, RouteSlot};
use crate::metadata::Metadata;
use crate::testing::transport::{Harness, Peer};
use crate::transport::{Hello, Listener, Transport, TransportError};

crate::transport_conformance! {
    #[tokio::test(start_paused = true)]
    Harness::new(MemoryTransport::new(), "memory:0", "memory:nobody")
}

#[tokio::test(start_paused = true)]
async fn dropped_messages_vanish_and_the_rest_arrives_in_order() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    world.network.inject("a", "b", Faults::default().drop(0.5));
    for nonce in 0..200 {
        near.send(&Message::Ping { nonce }).await;
    }
    near.close().await;
    let (messages, end) = far.receive_all().await;
    assert!((60..140).contains(&messages.len()), "{} of 200, seed {SEED}", messages.len());
    assert!(nonces(&messages).is_sorted());
    assert!(matches!(end, TransportError::Closed), "{end:?}");
    far.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_definition_of_a_dropped_request_comes_with_the_next_one() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    world.network.inject("a", "b", Faults::default().drop(1.0));
    near.send(&request(1, true)).await;
    world.network.inject("a", "b", Faults::default());
    near.send(&request(2, false)).await;
    near.send(&request(3, false)).await;
    assert_eq!(far.receive(2).await, [request(2, true), request(3, false)]);
}

#[tokio::test(start_paused = true)]
async fn delays_pass_on_tokio_time_and_keep_the_order() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    let delay = Duration::from_millis(100);
    world.network.inject("a", "b", Faults::default().delay(delay).jitter(delay));
    let start = Instant::now();
    for nonce in 0..20 {
        near.send(&Message::Ping { nonce }).await;
    }
    near.close().await;
    let (received, _) = far.receive_all().await;
    assert!(start.elapsed() >= delay);
    assert!(start.elapsed() <= delay * 2 + Duration::from_millis(1));
    assert_eq!(nonces(&received), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn reordered_messages_all_arrive() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    world.network.inject("a", "b", Faults::default().reorder(0.5));
    for nonce in 0..100 {
        near.send(&Message::Ping { nonce }).await;
    }
    let mut received = nonces(&far.receive(100).await);
    assert!(!received.is_sorted(), "seed {SEED}");
    received.sort_unstable();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_message_ends_the_connection() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    near.send(&Message::Ping { nonce: 1 }).await;
    world.network.inject("a", "b", Faults::default().corrupt(1.0));
    near.send(&Message::Ping { nonce: 2 }).await;
    let (messages, end) = far.receive_all().await;
    assert_eq!(nonces(&messages), [1]);
    assert!(matches!(end, TransportError::Protocol(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_silent_until_it_heals() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    world.network.partition("a", "b");
    near.send(&Message::Ping { nonce: 1 }).await;
    far.send(&Message::Ping { nonce: 2 }).await;
    let silence = Duration::from_secs(5);
    assert!(timeout(silence, far.receive_all()).await.is_err());
    assert!(timeout(silence, near.receive_all()).await.is_err());
    let hello = Arc::new(Hello::new("", "a", 1));
    let mut connecting = world.a.connect("memory:b", hello);
    assert!(timeout(silence, &mut connecting).await.is_err());
    assert!(world.accept().now_or_never().is_none());
    drop(near);
    assert!(timeout(silence, far.receive_all()).await.is_err());
    world.network.heal("a", "b");
    let (messages, end) = far.receive_all().await;
    assert_eq!(nonces(&messages), [1]);
    assert!(matches!(end, TransportError::Broken(_)), "{end:?}");
    let (connected, accepted) = join(connecting, world.accept()).await;
    assert_eq!(connected.unwrap().peer().node, "b");
    assert_eq!(accepted.hello().node, "a");
}

#[tokio::test(start_paused = true)]
async fn a_severed_connection_breaks_on_both_sides_at_once() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    near.send(&Message::Ping { nonce: 1 }).await;
    world.network.sever("a", "b");
    for peer in [&mut near, &mut far] {
        let (messages, end) = peer.receive_all().await;
        assert!(messages.is_empty(), "what was under way is lost");
        assert!(matches!(end, TransportError::Broken(_)), "{end:?}");
    }
    near.encode(crate::message::Outgoing::Ping { nonce: 3 }).unwrap();
    assert!(matches!(near.flush().await, Err(TransportError::Broken(_))));
    let _connects_again = world.connect().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_says_so() {
    let world = World::new().await;
    world.network.inject("a", "b", Faults::default().refuse(true));
    let refused = world.a.connect("memory:b", Arc::new(Hello::new("", "a", 1))).await;
    assert!(matches!(refused, Err(TransportError::Connect { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_the_writer_back() {
    let world = World::new().await;
    let (mut near, mut far) = world.connect().await;
    for nonce in 0..3000 {
        near.encode(crate::message::Outgoing::Ping { nonce }).unwrap();
    }
    assert!(near.flush().now_or_never().is_none());
    assert_eq!(near.written(), 1024);
    let (flushed, received) = join(near.flush(), far.receive(3000)).await;
    flushed.unwrap();
    assert_eq!(nonces(&received), (0..3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_two_ends_may_live_on_different_threads() {
    let world = World::new().await;
    let (mut near, far) = world.connect().await;
    let echo = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut far = far;
            for _ in 0..500 {
                let ping = far.receive(1).await;
                far.send(&ping[0]).await;
            }
        });
    });
    for nonce in 0..500 {
        near.send(&Message::Ping { nonce }).await;
        assert_eq!(near.receive(1).await, [Message::Ping { nonce }]);
    }
    echo.join().unwrap();
}

/// A network with a listener `b` and a client `a`.
struct World {
    network: MemoryTransport,
    a: MemoryTransport,
    listener: RefCell<Box<dyn Listener>>,
}

impl World {
    async fn new() -> Self {
        let network = MemoryTransport::seeded(SEED);
        let listener = network.endpoint("b").listen("memory:b").await.unwrap();
        Self { a: network.endpoint("a"), network, listener: RefCell::new(listener) }
    }

    async fn connect(&self) -> (Peer, Peer) {
        let hello = Arc::new(Hello::new("", "a", 1));
        let (near, far) = join(self.a.connect("memory:b", hello), self.accept()).await;
        (Peer::new(near.unwrap()), far)
    }

    async fn accept(&self) -> Peer {
        let accepted = poll_fn(|cx| self.listener.borrow_mut().poll_accept(cx)).await;
        Peer::new(accepted.unwrap().greet(Arc::new(Hello::new("b", "b", 1))).await.unwrap())
    }
}

fn nonces(messages: &[Message]) -> Vec<u64> {
    let nonce = |message: &Message| match message {
        Message::Ping { nonce } => *nonce,
        other => panic!("{other:?}"),
    };
    messages.iter().map(nonce).collect()
}

fn request(id: u64, define: bool) -> Message {
    let route = Route { endpoint: "A.B".into(), content_type: "c".into() };
    Message::Request {
        id: RequestId(id),
        one_way: false,
        stream: false,
        route: RouteSlot(0),
        define: define.then(|| Box::new(route)),
        time_left: None,
        metadata: Metadata::new(),
        body: Bytes::new(),
    }
}

/// In the name of every probability above.
const SEED: u64 = 42;
