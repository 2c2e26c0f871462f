//! What it reads at a time, and what memory it takes for that.

mod turns;

use std::collections::BTreeSet;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Outgoing, RequestId};
use callboard_actors::transport::{Batch, Encoder};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::*;
use crate::wire::FrameEncoder;

#[tokio::test]
async fn a_large_frame_is_given_memory_only_as_it_arrives() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let limit = 1024 * 1024;
    let mut receiver = Receiver::new(limit);
    let frame = reply(limit as usize - 100);
    let mut sent = 0;
    for piece in frame.chunks(10_000) {
        near.write_all(piece).await.unwrap();
        sent += piece.len();
        let arrived = until(&mut receiver, &mut far, |r| r.buffer.len() >= sent).await;
        let bound = (2 * sent).min(limit as usize + LENGTH_BYTES) + LARGEST_READ;
        assert!(receiver.buffer.capacity() <= bound, "{} bytes", receiver.buffer.capacity());
        assert_eq!(arrived, usize::from(sent == frame.len()));
    }
}

#[tokio::test]
async fn after_a_large_frame_the_next_one_stays_where_it_began() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut receiver = Receiver::new(1024 * 1024);
    let frame = reply(700_000);
    let mut places = Vec::new();
    for _ in 0..3 {
        let (mut sent, mut seen) = (0, BTreeSet::new());
        for piece in frame.chunks(50_000) {
            near.write_all(piece).await.unwrap();
            sent += piece.len();
            until(&mut receiver, &mut far, |r| r.buffer.len() >= sent).await;
            if sent < frame.len() {
                seen.insert(receiver.buffer.as_ptr());
            }
        }
        places.push(seen);
    }
    assert!(places[0].len() > 1, "the first one moves as it grows");
    assert_eq!(places[1].len(), 1);
    assert_eq!(places[1], places[2], "each begins at the front, as nothing is in use");
}

#[tokio::test]
async fn memory_that_bodies_held_is_used_again() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut receiver = Receiver::new(1024 * 1024);
    let mut held = Vec::new();
    for _ in 0..4 {
        near.write_all(&reply(100_000)).await.unwrap();
        let mut messages = Vec::new();
        while messages.is_empty() {
            std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut messages)).await.unwrap();
        }
        held = messages;
    }
    drop(held);
    assert!(receiver.spare.try_reclaim(100_000));
}

#[tokio::test]
async fn an_announced_length_allocates_nothing() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut receiver = Receiver::new(u32::MAX);
    near.write_all(&[0xFF, 0xFF, 0xFF, 0x7F, 2, 0]).await.unwrap();
    until(&mut receiver, &mut far, |r| r.buffer.len() == 6).await;
    assert!(receiver.buffer.capacity() <= SMALLEST_READ);
}

#[tokio::test]
async fn a_connection_at_rest_holds_no_buffer() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut receiver = Receiver::new(1024 * 1024);
    near.write_all(&reply(100_000)).await.unwrap();
    assert_eq!(until(&mut receiver, &mut far, |_| false).await, 1);
    let mut messages = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(receiver.poll(&mut far, &mut cx, &mut messages).is_pending());
    receiver.rest();
    assert_eq!(receiver.buffer.capacity(), 0);
}

#[tokio::test]
async fn an_end_inside_a_frame_is_a_broken_connection() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    near.write_all(&reply(10)[..7]).await.unwrap();
    drop(near);
    let mut receiver = Receiver::new(1024);
    let end = std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut Vec::new())).await;
    assert!(matches!(end, Err(TransportError::Broken(_))), "{end:?}");
}

#[tokio::test]
async fn messages_before_a_bad_frame_arrive() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut bytes = reply(10);
    bytes.extend_from_slice(&[2, 0, 0, 0, 0, 0]);
    near.write_all(&bytes).await.unwrap();
    let mut receiver = Receiver::new(1024);
    let mut messages = Vec::new();
    let mut next =
        async || std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut messages)).await;
    next().await.unwrap();
    for _ in 0..2 {
        let end = next().await;
        assert!(matches!(end, Err(TransportError::Protocol(_))), "{end:?}");
    }
    assert_eq!(messages.len(), 1);
}

#[tokio::test]
async fn one_poll_takes_no_more_than_its_budget() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let frames: Vec<u8> = std::iter::repeat_with(|| reply(0)).take(3000).flatten().collect();
    near.write_all(&frames).await.unwrap();
    let mut receiver = Receiver::new(1024);
    let mut counts = Vec::new();
    while counts.iter().sum::<usize>() < 3000 {
        let mut messages = Vec::new();
        let polling = std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut messages));
        timeout(Duration::from_secs(10), polling).await.unwrap().unwrap();
        counts.push(count(&messages));
    }
    assert!(counts.iter().all(|count| *count <= PORTION), "{counts:?}");
}

/// Polls until a message has arrived or `done`; returns how many have.
async fn until(
    receiver: &mut Receiver,
    stream: &mut UnixStream,
    done: impl Fn(&Receiver) -> bool,
) -> usize {
    let mut messages = Vec::new();
    let polling = std::future::poll_fn(|cx| {
        let polled = receiver.poll(stream, cx, &mut messages);
        if polled.is_ready() || done(receiver) { Poll::Ready(()) } else { Poll::Pending }
    });
    timeout(Duration::from_secs(10), polling).await.unwrap();
    count(&messages)
}

/// As how many they came.
fn count(messages: &[Message]) -> usize {
    messages.iter().map(Message::count).sum()
}

fn reply(size: usize) -> Vec<u8> {
    let body = Bytes::from(vec![1; size]);
    frame(Outgoing::Reply { id: RequestId(1), metadata: &Metadata::new(), body: &body })
}

fn frame(outgoing: Outgoing<'_>) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(u32::MAX);
    encoder.encode(outgoing).unwrap();
    let mut batch = Batch::default();
    encoder.take(&mut batch);
    batch.bytes.to_vec()
}

const LENGTH_BYTES: usize = crate::wire::LENGTH_BYTES;
