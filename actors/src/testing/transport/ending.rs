//! How connections end.

use futures_util::future::join;

use super::Harness;
use super::peer::{connect, hello, listen, outgoing, pair, reply, within};
use super::talking::request;
use crate::transport::TransportError;

/// What was written before a goodbye arrives, then the connection is closed, in order.
pub async fn a_goodbye_comes_after_all_messages(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    for id in 0..500 {
        near.encode(outgoing(&reply(id, 2_000))).expect("small");
    }
    let leaving = async {
        near.flush().await.expect("open");
        near.close().await;
    };
    let receiving = async {
        let ended = far.receive_all().await;
        drop(far);
        ended
    };
    let ((), (messages, end)) = within(join(leaving, receiving)).await;
    assert_eq!(messages.len(), 500);
    assert!(matches!(end, TransportError::Closed), "{end:?}");
}

/// Who says goodbye while the peer writes does not break the connection for it.
pub async fn a_goodbye_crosses_messages_of_the_peer(harness: Harness) {
    let (mut near, mut far) = pair(&harness).await;
    near.send(&reply(1, 10)).await;
    for id in 0..20 {
        far.send(&reply(id, 100)).await;
    }
    let receiving = async {
        let ended = far.receive_all().await;
        far.close().await;
        ended
    };
    // Dropped with messages of the peer unread: over TCP a careless close would reset here.
    let leaving = async {
        near.close().await;
        drop(near);
    };
    let ((), (messages, end)) = within(join(leaving, receiving)).await;
    assert_eq!(messages, [reply(1, 10)]);
    assert!(matches!(end, TransportError::Closed), "{end:?}");
}

/// A peer that vanishes is noticed, and noticed again when asked again.
pub async fn a_dropped_connection_ends(harness: Harness) {
    let (near, mut far) = pair(&harness).await;
    drop(near);
    for _ in 0..2 {
        let (messages, end) = far.receive_all().await;
        assert!(messages.is_empty());
        assert!(matches!(end, TransportError::Closed | TransportError::Broken(_)), "{end:?}");
    }
}

/// Writing to a peer that vanished fails soon.
pub async fn writing_to_a_dropped_peer_fails(harness: Harness) {
    let (near, mut far) = pair(&harness).await;
    drop(near);
    let writing = async {
        loop {
            far.encode(outgoing(&reply(1, 10_000))).expect("small");
            if let Err(error) = far.flush().await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = within(writing).await;
    assert!(matches!(error, TransportError::Broken(_)), "{error:?}");
}

/// A listener may be dropped without harm to what it has accepted.
pub async fn a_dropped_listener_leaves_connections_open(harness: Harness) {
    let mut listener = listen(&harness).await;
    let (mut near, mut far) =
        connect(&harness, &mut listener, hello("client"), hello("server")).await;
    drop(listener);
    near.send(&reply(1, 10)).await;
    assert_eq!(far.receive(1).await, [reply(1, 10)]);
}

/// Routes must be defined with their first use, and only then.
pub async fn an_undefined_route_breaks_the_protocol(harness: Harness) {
    let mut listener = listen(&harness).await;
    for (good, bad) in
        [(Vec::new(), request(1, false, 10)), (vec![request(1, true, 10)], request(2, true, 10))]
    {
        let (mut near, mut far) =
            connect(&harness, &mut listener, hello("client"), hello("server")).await;
        for message in good.iter().chain([&bad]) {
            near.send(message).await;
        }
        let (messages, end) = far.receive_all().await;
        assert_eq!(messages, good);
        assert!(matches!(end, TransportError::Protocol(_)), "{end:?}");
    }
}
