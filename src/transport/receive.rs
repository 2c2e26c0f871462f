//! The receiving half of a connection: buffer, budget and end.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use callboard_actors::message::Message;
use callboard_actors::transport::TransportError;
use tokio::io::AsyncReadExt;

use super::socket::{Stream, broken};
use crate::wire::FrameDecoder;

/// Turns what a stream receives into messages.
///
/// The buffer is kept until the connection [rests](Self::rest). Its size follows the traffic: it
/// doubles when a read fills it and halves when a read uses less than a quarter. It exceeds
/// [`LARGEST_READ`] only for the frame at its front, and then grows with what has arrived, so that
/// a peer has to send what it makes this node allocate. After a large frame the next one is given
/// as much at once, which spares copying what has arrived of it.
///
/// Bodies share the buffer's memory. Where they are still in use when the next bytes come, these go
/// to a second buffer, and both are used in turn: allocating anew would cost more than receiving.
pub(super) struct Receiver {
    decoder: FrameDecoder,
    buffer: BytesMut,
    /// The buffer before, empty; bodies may still be in its memory.
    spare: BytesMut,
    /// Bytes to make room for before the next read.
    room: usize,
    /// The size of a large frame that was sent, halved with each portion that has none.
    proven: usize,
    /// Messages to append at a time.
    portion: usize,
    over: Option<TransportError>,
}

impl Receiver {
    pub(super) fn new(max_frame: u32) -> Self {
        Self {
            decoder: FrameDecoder::new(max_frame),
            buffer: BytesMut::new(),
            spare: BytesMut::new(),
            room: SMALLEST_READ,
            proven: 0,
            portion: PORTION,
            over: None,
        }
    }

    pub(super) fn poll<S: Stream>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        let (mut arrived, mut read) = (0, 0);
        loop {
            arrived += self.decode(messages, self.portion - arrived);
            // Bodies share the buffer's memory: only once they are taken it can be used again.
            let is_spent = arrived >= self.portion || read >= BYTE_BUDGET || !self.has_room();
            if arrived > 0 && (self.over.is_some() || is_spent) {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = &self.over {
                return Poll::Ready(Err(error.clone()));
            }
            match self.poll_fill(stream, cx) {
                Poll::Pending if arrived > 0 => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.over = Some(self.end_of_stream()),
                Poll::Ready(Ok(count)) => read += count,
                Poll::Ready(Err(error)) => self.over = Some(broken(&error)),
            }
            if arrived == 0 && read > BYTE_BUDGET {
                // Nothing whole in a quarter megabyte: a large frame arrives faster than others
                // get their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Appends about this many messages at a time from now on.
    pub(super) fn portion(&mut self, messages: usize) {
        self.portion = messages.max(1);
    }

    /// Gives the buffers back, but for one with something in it.
    pub(super) fn rest(&mut self) {
        self.spare = BytesMut::new();
        self.proven = 0;
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.room = SMALLEST_READ;
        }
    }

    /// Reads and forgets until the stream ends.
    pub(super) fn poll_discard<S: Stream>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while self.over.is_none() {
            self.buffer.clear();
            match ready!(self.poll_fill(stream, cx)) {
                Ok(0) => self.over = Some(TransportError::Closed),
                Ok(_) => {}
                Err(error) => self.over = Some(broken(&error)),
            }
        }
        Poll::Ready(())
    }

    /// Decodes what is whole, at most so many; how many.
    fn decode(&mut self, messages: &mut Vec<Message>, most: usize) -> usize {
        let mut count = 0;
        while self.over.is_none() && count < most {
            let before = messages.len();
            match self.decoder.decode(&mut self.buffer, messages, most - count) {
                Ok(0) => break,
                Ok(taken) => self.note_sizes(taken, &messages[before..]),
                Err(error) => self.over = Some(error.into()),
            }
            count += messages[before..].iter().map(Message::count).sum::<usize>();
        }
        count
    }

    /// Takes note of how large frames are.
    fn note_sizes(&mut self, taken: usize, messages: &[Message]) {
        let sizes = messages.iter().map(Message::body_len);
        let largest = if taken < LARGEST_READ { None } else { sizes.max() };
        self.proven = match largest {
            Some(largest @ LARGEST_READ..) => largest + HEAD_ROOM,
            _ => self.proven / 2,
        };
    }

    /// Reads once; 0 is the end of the stream.
    fn poll_fill<S: Stream>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            match stream.poll_readable(cx) {
                Poll::Ready(readable) => readable?,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.make_room();
        let space = (self.buffer.capacity() - self.buffer.len()).min(LARGEST_READ);
        let mut limited = (&mut self.buffer).limit(space);
        let count = ready!(pin!(stream.read_buf(&mut limited)).poll(cx))?;
        self.adapt(count, space);
        Poll::Ready(Ok(count))
    }

    /// Makes room for what the first frame lacks, but never for more than has arrived before.
    fn make_room(&mut self) {
        let is_short = self.buffer.is_empty() && self.buffer.capacity() < self.proven;
        if self.has_room() && !is_short {
            return;
        }
        let earned = self.buffer.len().max(self.proven);
        // Of a frame whose length has not come, as much as the one before is expected.
        let missing =
            if self.buffer.is_empty() { self.proven } else { self.decoder.missing(&self.buffer) };
        let wanted = missing.min(earned).max(self.room);
        if !self.buffer.try_reclaim(wanted) {
            self.change_buffers(self.buffer.len() + wanted);
        }
    }

    /// Goes on in the spare buffer, or in a new one where its memory is still in use.
    fn change_buffers(&mut self, size: usize) {
        let mut next = std::mem::take(&mut self.spare);
        if !next.try_reclaim(size) {
            // Not `reserve`, which doubles: the limit on a buffer is the frame limit.
            next = BytesMut::with_capacity(size);
        }
        next.put_slice(&self.buffer);
        self.spare = std::mem::replace(&mut self.buffer, next);
        self.spare.clear();
    }

    fn has_room(&self) -> bool {
        self.buffer.capacity() - self.buffer.len() >= self.room / 2
    }

    fn adapt(&mut self, count: usize, space: usize) {
        if count == space {
            self.room = (self.room * 2).min(LARGEST_READ);
        } else if count < self.room / 4 {
            self.room = (self.room / 2).max(SMALLEST_READ);
        }
    }

    fn end_of_stream(&self) -> TransportError {
        if self.buffer.is_empty() {
            TransportError::Closed
        } else {
            TransportError::Broken("the stream ended inside a frame".into())
        }
    }
}

const SMALLEST_READ: usize = 4 * 1024;
const LARGEST_READ: usize = 256 * 1024;

/// Bytes before a large body, unless it comes with metadata.
const HEAD_ROOM: usize = 64;

/// Messages appended at a time, unless told otherwise.
const PORTION: usize = 1024;

/// Bytes read at a time; then other connections have their turn.
const BYTE_BUDGET: usize = 256 * 1024;

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

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
            places.push(seen.len());
        }
        assert!(places[0] > 1, "the first one moves as it grows");
        assert_eq!(places[1..], [1, 1]);
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
                std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut messages))
                    .await
                    .unwrap();
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
        let mut cx = Context::from_waker(std::task::Waker::noop());
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
            std::future::poll_fn(|cx| receiver.poll(&mut far, cx, &mut messages)).await.unwrap();
            counts.push(messages.len());
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
        messages.len()
    }

    fn reply(size: usize) -> Vec<u8> {
        let body = bytes::Bytes::from(vec![1; size]);
        let metadata = Metadata::new();
        let mut encoder = FrameEncoder::new(u32::MAX);
        let reply = Outgoing::Reply { id: RequestId(1), metadata: &metadata, body: &body };
        encoder.encode(reply).unwrap();
        let mut batch = Batch::default();
        encoder.take(&mut batch);
        batch.bytes.to_vec()
    }

    const LENGTH_BYTES: usize = crate::wire::LENGTH_BYTES;
}
