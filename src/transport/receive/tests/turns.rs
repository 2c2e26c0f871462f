//! What it does in one turn, polled as a runtime does: again only when it was ready, or is woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

#[test]
fn after_large_frames_one_read_takes_several_that_are_handed_on_in_turns() {
    // What is there at once: all, or three and a bit.
    for at_once in [usize::MAX, 1_000_000] {
        let mut stream = Ready { at_once, ..Ready::new(reply(300_000).repeat(40)) };
        let mut receiver = Receiver::new(1024 * 1024);
        let mut held = Vec::new();
        let end = take_turns(&mut receiver, &mut stream, |receiver, mut messages| {
            assert!(messages.len() <= 1);
            assert!(receiver.buffer.capacity() <= BULK, "{} bytes", receiver.buffer.capacity());
            held.append(&mut messages);
        });
        assert_eq!((held.len(), end.is_none()), (40, true));
        let largest = stream.reads.into_iter().max().unwrap();
        let expected = at_once.min(3_000_000)..=at_once.min(BULK);
        assert!(expected.contains(&largest), "{largest} bytes in one read");
    }
}

#[test]
fn frames_of_which_few_fit_are_not_read_several_at_a_time() {
    let mut stream = Ready::new(reply(2_000_000).repeat(5));
    let mut receiver = Receiver::new(4 * 1024 * 1024);
    let mut counted = 0;
    take_turns(&mut receiver, &mut stream, |_, messages| counted += count(&messages));
    assert_eq!(counted, 5);
    assert!(stream.reads.iter().all(|read| *read <= LARGEST_READ), "{:?}", stream.reads);
}

#[test]
fn small_frames_are_not_read_by_the_megabyte() {
    // Nor are they long after large ones.
    for (before, but_for) in [(0, 0), (16, 4)] {
        for small in [reply(10_000), item(4096)] {
            let large = reply(300_000).repeat(before);
            let mut receiver = Receiver::new(1024 * 1024);
            let mut stream = Ready::new([large, small.repeat(2000)].concat());
            let mut counted = 0;
            take_turns(&mut receiver, &mut stream, |_, messages| {
                counted += count(&messages);
            });
            assert_eq!(counted, before + 2000);
            let large = stream.reads.iter().filter(|read| **read > LARGEST_READ).count();
            assert!(large <= but_for, "{:?}", stream.reads);
        }
    }
}

#[test]
fn small_frames_stay_in_memory_that_two_portions_need() {
    let (frame, portion) = (reply(100), 128);
    let enough = portion * frame.len();
    let mut stream = Ready::new(frame.repeat(100 * portion));
    let mut receiver = Receiver::new(1024 * 1024);
    receiver.portion(portion);
    let (mut counts, mut places) = (Vec::new(), Vec::new());
    take_turns(&mut receiver, &mut stream, |receiver, messages| {
        counts.push(count(&messages));
        places.push(receiver.buffer.as_ptr() as usize);
    });
    assert_eq!(counts.iter().sum::<usize>(), 100 * portion);
    let steady = &counts[20..counts.len() - 1];
    assert!(steady.iter().all(|count| *count == portion), "what is left goes along: {steady:?}");
    let largest = stream.reads[10..].iter().max().unwrap();
    assert!(*largest <= 2 * enough + SMALLEST_READ, "{largest} bytes in one read");
    let span = places[20..].iter().max().unwrap() - places[20..].iter().min().unwrap();
    assert!(span <= 4 * enough, "{span} bytes are gone through");
}

#[test]
fn after_a_burst_of_small_frames_a_larger_one_is_read_at_once() {
    let mut receiver = Receiver::new(1024 * 1024);
    receiver.portion(32);
    take_turns(&mut receiver, &mut Ready::new(reply(20).repeat(32 * 40)), |_, _| ());
    let mut stream = Ready::new(Vec::new());
    for _ in 0..100 {
        stream.bytes = reply(10_000).into();
        take_turns(&mut receiver, &mut stream, |_, _| ());
    }
    assert!(stream.reads.len() < 110, "{} reads of 100 frames", stream.reads.len());
}

#[test]
fn what_has_arrived_before_a_failure_is_handed_on_first() {
    let portion = 128;
    let mut stream = Ready::new(reply(100).repeat(20 * portion + 10));
    stream.failure = Some(io::ErrorKind::ConnectionReset);
    let mut receiver = Receiver::new(1024 * 1024);
    receiver.portion(portion);
    let mut counted = 0;
    let end = take_turns(&mut receiver, &mut stream, |_, messages| counted += count(&messages));
    assert_eq!(counted, 20 * portion + 10);
    let Some(TransportError::Broken(reason)) = end else { panic!("{end:?}") };
    assert!(reason.contains("reset"), "{reason}");
}

#[test]
fn a_turn_takes_64_kibibytes_and_the_rest_of_a_frame() {
    for (size, count) in [(200_000, 30), (10_000, 1000), (100, 30_000)] {
        let large = reply(300_000).repeat(16);
        let mut stream = Ready::new([large, reply(size).repeat(count)].concat());
        let mut receiver = Receiver::new(1024 * 1024);
        let mut taken = Vec::new();
        take_turns(&mut receiver, &mut stream, |_, messages| {
            taken.push(messages.iter().map(Message::body_len).sum::<usize>());
        });
        assert_eq!(taken.iter().sum::<usize>(), 16 * 300_000 + count * size);
        let most = taken[16..].iter().max().unwrap();
        assert!(*most < 64 * 1024 + size, "{most} bytes of {size} each");
    }
}

#[test]
fn what_lies_behind_much_that_is_skipped_arrives() {
    for skipped in [unknown(300_000), unknown(8192).repeat(32)] {
        for has_end in [false, true] {
            let bytes = [reply(300_000).repeat(8), skipped.clone(), reply(10)].concat();
            let mut stream = Ready { has_end, ..Ready::new(bytes) };
            let mut receiver = Receiver::new(1024 * 1024);
            receiver.portion(32);
            let mut sizes = Vec::new();
            let end = take_turns(&mut receiver, &mut stream, |_, messages| {
                sizes.extend(messages.iter().map(Message::body_len));
            });
            assert_eq!((sizes.len(), sizes.last()), (9, Some(&10)));
            assert!(
                matches!((has_end, &end), (false, None) | (true, Some(TransportError::Closed))),
                "{end:?}"
            );
            let last = stream.reads.last().unwrap();
            assert!(*last > skipped.len(), "it lay there all at once: {last} bytes");
        }
    }
}

#[test]
fn the_first_byte_of_a_frame_makes_room_only_for_what_has_come_before() {
    let mut stream = Ready::new(Vec::new());
    let mut receiver = Receiver::new(1024 * 1024);
    let (large, mut sent) = (reply(300_000), 0);
    for _ in 0..20 {
        for piece in [&large[..1], &large[1..]] {
            stream.bytes = Bytes::copy_from_slice(piece);
            take_turns(&mut receiver, &mut stream, |_, _| ());
            sent += piece.len();
            let bound = sent.max(2 * LARGEST_READ) + HEAD_ROOM;
            assert!(receiver.memory <= bound, "{} bytes after {sent}", receiver.memory);
        }
    }
    assert!(receiver.memory > 3_000_000, "{} bytes", receiver.memory);
}

#[test]
fn large_buffers_are_given_back_while_small_frames_go_on() {
    // Between frames, or always with a part of the next one.
    for ahead in [0, 50] {
        let mut stream = Ready::new(reply(300_000).repeat(40));
        let mut receiver = Receiver::new(1024 * 1024);
        let mut held = Vec::new();
        let small = reply(100).repeat(2);
        take_turns(&mut receiver, &mut stream, |_, mut messages| held.append(&mut messages));
        assert!(receiver.spare.capacity() > 0 && receiver.memory > 3_000_000);
        drop(held);
        stream.bytes = Bytes::copy_from_slice(&small[..ahead]);
        for _ in 0..40 {
            let size = small.len() / 2;
            let more = Bytes::copy_from_slice(&small[ahead..ahead + size]);
            stream.bytes = [&*stream.bytes, &more].concat().into();
            take_turns(&mut receiver, &mut stream, |_, _| ());
            assert_eq!(receiver.buffer.len(), ahead);
        }
        assert!(!receiver.spare.try_reclaim(KEPT + 1));
        assert!(!receiver.buffer.try_reclaim(KEPT + 1));
    }
}

#[test]
fn at_rest_a_part_of_a_frame_holds_no_more_than_twice_itself() {
    for ahead in [3, 100_000] {
        let mut stream = Ready::new(reply(300_000).repeat(40));
        let mut receiver = Receiver::new(1024 * 1024);
        take_turns(&mut receiver, &mut stream, |_, _| ());
        let frame = Bytes::from(reply(300_000));
        stream.bytes = frame.slice(..ahead);
        take_turns(&mut receiver, &mut stream, |_, _| ());
        receiver.rest();
        assert!(!receiver.spare.try_reclaim(1));
        assert!(!receiver.buffer.try_reclaim(ahead + 1));
        // It is whole all the same.
        stream.bytes = frame.slice(ahead..);
        let mut arrived = Vec::new();
        take_turns(&mut receiver, &mut stream, |_, mut messages| arrived.append(&mut messages));
        assert_eq!(arrived.iter().map(Message::body_len).collect::<Vec<_>>(), [300_000]);
    }
}

#[test]
fn what_is_thrown_away_is_not_read_by_the_megabyte() {
    let mut stream = Ready::new(reply(300_000).repeat(16));
    let mut receiver = Receiver::new(1024 * 1024);
    take_turns(&mut receiver, &mut stream, |_, _| ());
    assert!(stream.reads.iter().any(|read| *read > LARGEST_READ));
    let mut stream = Ready { has_end: true, ..Ready::new(vec![7; 10_000_000]) };
    let mut cx = Context::from_waker(Waker::noop());
    assert!(receiver.poll_discard(&mut stream, &mut cx).is_ready());
    assert!(stream.reads.iter().all(|read| *read <= LARGEST_READ), "{:?}", stream.reads);
}

/// Polls, and again after something was ready or when woken; the error, if it came to one.
fn take_turns(
    receiver: &mut Receiver,
    stream: &mut Ready,
    mut each: impl FnMut(&Receiver, Vec<Message>),
) -> Option<TransportError> {
    let woken = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    loop {
        let mut messages = Vec::new();
        match receiver.poll(stream, &mut cx, &mut messages) {
            Poll::Ready(Ok(())) => each(receiver, messages),
            Poll::Ready(Err(error)) => return Some(error),
            Poll::Pending if woken.0.swap(0, Ordering::Relaxed) == 0 => return None,
            Poll::Pending => assert!(messages.is_empty()),
        }
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has these bytes to be read, and then nothing, or its end; before that it may fail, once.
struct Ready {
    bytes: Bytes,
    at_once: usize,
    failure: Option<io::ErrorKind>,
    has_end: bool,
    /// The sizes of what has been read.
    reads: Vec<usize>,
}

impl Ready {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            at_once: usize::MAX,
            failure: None,
            has_end: false,
            reads: Vec::new(),
        }
    }
}

impl AsyncRead for Ready {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            if let Some(failure) = self.failure.take() {
                self.has_end = true;
                return Poll::Ready(Err(failure.into()));
            }
            return if self.has_end { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let count = self.bytes.len().min(self.at_once).min(buffer.remaining());
        buffer.put_slice(&self.bytes[..count]);
        self.bytes.advance(count);
        self.reads.push(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ready {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Ready {
    type Detached = Self;

    fn attach(detached: Self) -> io::Result<Self> {
        Ok(detached)
    }

    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = self.has_end || self.failure.is_some();
        let is_readable = is_over || !self.bytes.is_empty();
        if is_readable { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

fn item(size: usize) -> Vec<u8> {
    let body = Bytes::from(vec![1; size]);
    frame(Outgoing::StreamData { id: RequestId(1), body: &body })
}

/// A frame of so many bytes that is skipped.
fn unknown(size: usize) -> Vec<u8> {
    let mut frame = vec![0; size];
    let length = u32::try_from(size - LENGTH_BYTES).unwrap();
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    frame[LENGTH_BYTES] = 0x7F;
    frame
}
