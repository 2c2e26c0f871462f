//! How connections begin.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::Harness;
use super::peer::{accept, connect, hello, listen, reply, within};
use crate::transport::{Hello, TransportError};

/// Names, incarnations and limits cross in both directions.
pub async fn both_sides_learn_who_the_other_is(harness: Harness) {
    let mut client = Hello::new("", "kunde-ü", 1);
    (client.max_frame, client.max_in_flight) = (5_000, 3);
    let server = Hello::new("greeter", "greeter-1", u64::MAX);
    let mut listener = listen(&harness).await;
    let (near, far) = connect(&harness, &mut listener, client.clone(), server.clone()).await;
    assert_eq!(near.hello(), &server);
    assert_eq!(far.hello(), &client);
}

/// Connecting to an address without listener says where it failed.
pub async fn a_connection_to_nobody_fails(harness: Harness) {
    let hello = Arc::new(hello("client"));
    let refused = within(harness.transport.connect(&harness.nobody, hello.clone())).await;
    match refused {
        Err(TransportError::Connect { address, reason }) => {
            assert_eq!(address, harness.nobody);
            assert!(!reason.is_empty());
        }
        other => panic!("{other:?}"),
    }
    let nonsense = within(harness.transport.connect("nonsense", hello)).await;
    assert!(matches!(nonsense, Err(TransportError::Address { .. })), "{nonsense:?}");
}

/// A second listener on one address is an error that names the address.
pub async fn a_name_is_listened_on_once(harness: Harness) {
    let mut first = listen(&harness).await;
    let address = first.address();
    match within(harness.transport.listen(&address)).await.map(|_| ()) {
        Err(TransportError::Listen { address: named, .. }) => assert_eq!(named, address),
        other => panic!("{other:?}"),
    }
    // The first one is unharmed. What a probe of the second one left is greeted in vain.
    let connecting = harness.transport.connect(&address, Arc::new(hello("client")));
    let accepting = async {
        loop {
            let incoming = accept(&mut first).await;
            if let Ok(socket) = incoming.greet(Arc::new(hello("server"))).await {
                return socket;
            }
        }
    };
    let (near, far) = within(futures_util::future::join(connecting, accepting)).await;
    assert_eq!(near.expect("connected").peer().node, "server");
    assert_eq!(far.peer().node, "client");
}

/// An address is free as soon as its listener has been dropped.
pub async fn the_same_address_can_be_listened_on_again(harness: Harness) {
    let first = listen(&harness).await;
    let address = first.address();
    drop(first);
    let again = within(harness.transport.listen(&address)).await.expect("the address is free");
    assert_eq!(again.address(), address);
}

/// A greeting given up halfway, on either side, leaves the listener alive.
pub async fn half_a_greeting_harms_nobody(harness: Harness) {
    let mut listener = listen(&harness).await;
    let address = listener.address();
    // Given up by the accepting side: the connecting one is told.
    let connecting = harness.transport.connect(&address, Arc::new(hello("client")));
    let dropping = async { drop(accept(&mut listener).await) };
    let (refused, ()) = within(futures_util::future::join(connecting, dropping)).await;
    assert!(refused.is_err(), "nobody greeted");
    // Given up by the connecting side: so is the accepting one.
    let mut connecting = harness.transport.connect(&address, Arc::new(hello("client")));
    let mut accepting = Box::pin(accept(&mut listener));
    let incoming = within(std::future::poll_fn(|cx| {
        let early = connecting.as_mut().poll(cx);
        assert!(early.is_pending(), "nobody greeted yet");
        accepting.as_mut().poll(cx)
    }))
    .await;
    drop(connecting);
    drop(accepting);
    // The accepting side may have been greeted completely; then the connection ends at once.
    if let Ok(socket) = within(incoming.greet(Arc::new(hello("server")))).await {
        let (messages, _) = super::Peer::new(socket).receive_all().await;
        assert!(messages.is_empty());
    }
    let (mut near, mut far) =
        connect(&harness, &mut listener, hello("client"), hello("server")).await;
    near.send(&reply(1, 10)).await;
    assert_eq!(far.receive(1).await, [reply(1, 10)]);
    assert!(near.flush().now_or_never().is_some(), "nothing is left to send");
}

/// Connections do not mix.
pub async fn a_hundred_connections_live_side_by_side(harness: Harness) {
    let mut listener = listen(&harness).await;
    let address = listener.address();
    let connecting = join_all((0..100).map(|number| {
        let hello = Arc::new(hello(&format!("client-{number}")));
        harness.transport.connect(&address, hello)
    }));
    let accepting = async {
        let mut accepted = Vec::new();
        for _ in 0..100 {
            let incoming = accept(&mut listener).await;
            accepted.push(incoming.greet(Arc::new(hello("server"))).await.expect("accepted"));
        }
        accepted
    };
    let (near, far) = within(futures_util::future::join(connecting, accepting)).await;
    let mut near: Vec<_> =
        near.into_iter().map(|socket| super::Peer::new(socket.expect("connected"))).collect();
    for (number, peer) in (0..).zip(&mut near) {
        peer.send(&reply(number, 100)).await;
    }
    let mut seen = HashSet::new();
    for socket in far {
        let mut peer = super::Peer::new(socket);
        let number = peer.hello().node["client-".len()..].parse().expect("a number");
        assert_eq!(peer.receive(1).await, [reply(number, 100)]);
        assert!(seen.insert(number));
    }
    assert_eq!(seen.len(), 100);
}
