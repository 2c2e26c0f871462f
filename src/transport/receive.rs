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
/// The buffer is kept until the connection [rests](Self::rest). Its size follows the traffic: it doubles when a
/// read fills it and halves when a read uses less than a quarter. It exceeds
/// [`LARGEST_READ`] only for the frame at its front, and then grows with what has arrived, so that
/// a peer has to send what it makes this node allocate.
pub(super) struct Receiver {
    decoder: FrameDecoder,
    buffer: BytesMut,
    /// Bytes to make room for before the next read.
    room: usize,
    /// Messages to append at a time.
    portion: usize,
    over: Option<TransportError>,
}

impl Receiver {
    pub(super) fn new(max_frame: u32) -> Self {
        Self {
            decoder: FrameDecoder::new(max_frame),
            buffer: BytesMut::new(),
            room: SMALLEST_READ,
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
        let before = messages.len();
        let mut read = 0;
        loop {
            self.decode(messages, before + self.portion);
            let arrived = messages.len() - before;
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

    /// Gives the buffer back unless something is in it.
    pub(super) fn rest(&mut self) {
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

    /// Decodes what is whole until `messages` holds `most`.
    fn decode(&mut self, messages: &mut Vec<Message>, most: usize) {
        while self.over.is_none() && messages.len() < most {
            match self.decoder.decode(&mut self.buffer, messages, most - messages.len()) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => self.over = Some(error.into()),
            }
        }
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
        let space = self.buffer.capacity() - self.buffer.len();
        let count = ready!(pin!(stream.read_buf(&mut self.buffer)).poll(cx))?;
        self.adapt(count, space);
        Poll::Ready(Ok(count))
    }

    /// Makes room for what the first frame lacks, but never for more than has arrived before.
    fn make_room(&mut self) {
        let missing = self.decoder.missing(&self.buffer);
        let wanted = missing.min(self.buffer.len()).max(self.room);
        if self.has_room() {
            return;
        }
        if !self.buffer.try_reclaim(wanted) {
            // Not `reserve`, which doubles: the limit on a buffer is the frame limit.
            let mut larger = BytesMut::with_capacity(self.buffer.len() + wanted);
            larger.put_slice(&self.buffer);
            self.buffer = larger;
        }
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

/// Messages appended at a time, unless told otherwise.
const PORTION: usize = 1024;

/// Bytes read at a time; then other connections have their turn.
const BYTE_BUDGET: usize = 256 * 1024;

#[cfg(test)]
#[cfg(unix)]
mod tests {
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
