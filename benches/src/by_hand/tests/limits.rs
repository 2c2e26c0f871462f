//! What is refused, cancelled, or ends the connection.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::super::wire::{self, CANCEL, CONTENT_TYPE, Head, REPLY, REQUEST, STATUS};
use super::super::{FRAME_LIMIT, IN_FLIGHT_LIMIT, QUEUE_LIMIT};
use super::peer::{Peer, request};
use super::{ECHO, HOLD, begin, run, served, until};
use crate::by_hand::{Error, Node, Service};
use crate::echo::{Echo, text};

/// A node, and the connection to it as the node has it.
async fn pair() -> (Arc<Node>, Peer) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let node = Node::connect(listener.local_addr().unwrap()).await.unwrap();
    (node, Peer::new(listener.accept().await.unwrap().0))
}

#[test]
fn a_call_that_is_dropped_frees_its_slot_and_is_cancelled() {
    run(async {
        let (node, mut peer) = pair().await;
        let call = begin(Service::new(vec![Arc::clone(&node)]).call(ECHO, Echo::new(0))).await;
        let (asked, _) = peer.next().await.unwrap();
        assert_eq!((asked.kind, node.in_flight()), (REQUEST, 1));
        drop(call);
        assert_eq!(node.in_flight(), 0);
        let (cancelled, _) = peer.next().await.unwrap();
        assert_eq!((cancelled.kind, cancelled.id), (CANCEL, asked.id));
        // A late answer is not the next call's, which has the same slot.
        let mut next = begin(Service::new(vec![node]).call(ECHO, Echo::new(0))).await;
        let (asked_next, _) = peer.next().await.unwrap();
        let mut out = Vec::new();
        for (id, echo) in [(asked.id, 1), (asked_next.id, 2)] {
            wire::put_reply(&mut out, id, &Echo::new(echo).into()).unwrap();
        }
        peer.send(&out).await;
        assert_eq!(next.as_mut().await, Ok(Echo::new(2).into()));
    });
}

#[test]
fn a_reply_of_another_type_fails_its_call_only() {
    run(async {
        let (node, mut peer) = pair().await;
        let service = Service::new(vec![node]);
        let mut one = begin(service.call(ECHO, Echo::new(0))).await;
        let mut other = begin(service.call(ECHO, Echo::new(1))).await;
        let mut out = Vec::new();
        let reply = |id| Head { kind: REPLY, flags: 0, number: 0, id };
        wire::put(&mut out, reply(peer.next().await.unwrap().0.id), |_| Ok(())).unwrap();
        wire::put_reply(&mut out, peer.next().await.unwrap().0.id, &Echo::new(1).into()).unwrap();
        peer.send(&out).await;
        assert_eq!(one.as_mut().await, Err(Error::Unreadable));
        assert_eq!(other.as_mut().await, Ok(Echo::new(1).into()));
    });
}

#[test]
fn a_request_that_is_cancelled_before_it_is_started_is_not_started() {
    run(async {
        let served = served().await;
        let mut peer = Peer::connect(served.address).await;
        let mut out = request(1, u32::MAX, Some((ECHO, CONTENT_TYPE)));
        let cancel = Head { kind: CANCEL, flags: 0, number: 0, id: 1 };
        wire::put(&mut out, cancel, |_| Ok(())).unwrap();
        out.extend(request(2, u32::MAX, None));
        peer.send(&out).await;
        let (head, rest) = peer.next().await.unwrap();
        let message = wire::take_message(head.flags, &rest).unwrap();
        assert_eq!(
            (head.kind, head.id, message),
            (REPLY, 2, Echo { id: 1, ..Echo::new(2) }.into())
        );
        assert_eq!((served.table.figures().ended, served.table.figures().failed), (2, 1));
    });
}

#[test]
fn a_node_refuses_what_has_no_time_left_and_what_it_cannot_read() {
    run(async {
        let served = served().await;
        for (left, content_type, code) in [(0, CONTENT_TYPE, 408), (u32::MAX, "text/plain", 415)] {
            let mut peer = Peer::connect(served.address).await;
            peer.send(&request(1, left, Some((ECHO, content_type)))).await;
            let (head, _) = peer.next().await.unwrap();
            assert_eq!((head.kind, head.number), (STATUS, code));
        }
    });
}

#[test]
fn a_node_refuses_more_requests_than_may_be_unanswered() {
    run(async {
        let served = served().await;
        let mut peer = Peer::connect(served.address).await;
        peer.send(&request(0, u32::MAX, Some((HOLD, CONTENT_TYPE)))).await;
        let limit = u64::from(IN_FLIGHT_LIMIT);
        for id in 1..limit {
            peer.send(&request(id, u32::MAX, None)).await;
        }
        until(|| served.held.lock().len() as u64 == limit).await;
        peer.send(&request(limit, u32::MAX, None)).await;
        let (head, _) = peer.next().await.unwrap();
        assert_eq!((head.kind, head.id, head.number), (STATUS, limit, 429));
    });
}

#[test]
fn a_client_makes_no_more_calls_than_may_be_in_flight() {
    run(async {
        let (node, _peer) = pair().await;
        let service = Service::new(vec![node]);
        let mut calls = Vec::new();
        for id in 0..IN_FLIGHT_LIMIT {
            calls.push(begin(service.call(ECHO, Echo::new(id.into()))).await);
        }
        assert_eq!(service.call(ECHO, Echo::new(0)).await, Err(Error::Full));
        calls.pop();
        let _next = begin(service.call(ECHO, Echo::new(0))).await;
    });
}

#[test]
fn a_client_queues_no_more_bytes_than_may_be_queued() {
    run(async {
        let (node, _peer) = pair().await;
        let service = Service::new(vec![node]);
        let large = text(1024 * 1024);
        let mut calls = Vec::new();
        for id in 0..=QUEUE_LIMIT / large.len() {
            let call = Box::pin(service.call(ECHO, Echo { id: id as u64, text: large.clone() }));
            // The connection's task does not run in between.
            calls.push(call);
        }
        let last = calls.pop().unwrap();
        let mut begun = Vec::new();
        for call in calls {
            begun.push(begin(*std::pin::Pin::into_inner(call)).await);
        }
        assert_eq!(last.await, Err(Error::Full));
    });
}

#[test]
fn a_frame_that_is_too_long_is_not_sent_and_not_read() {
    run(async {
        let (node, mut peer) = pair().await;
        let service = Service::new(vec![Arc::clone(&node)]);
        let large = Echo { id: 0, text: text(FRAME_LIMIT) };
        assert_eq!(service.call(ECHO, large).await, Err(Error::TooLong));
        assert_eq!(node.in_flight(), 0);
        let mut call = begin(service.call(ECHO, Echo::new(0))).await;
        peer.send(&[0xFF; 16]).await;
        assert_eq!(call.as_mut().await, Err(Error::Closed));
        assert_eq!(service.call(ECHO, Echo::new(0)).await, Err(Error::Closed));
    });
}
