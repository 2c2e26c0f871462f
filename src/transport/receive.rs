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
/// [`LARGEST_READ`] only for the frame at its front, and then grows with what has arrived.
///
/// After a large frame there is room for another one at once or, where [`FEWEST`] or more are no
/// more than [`BULK`], for several, but for no more bytes than large frames in a row have brought. A
/// peer so has to send, once, what it makes this node allocate for a buffer. A read takes what is
/// there of them. That spares copying what has arrived of a frame, and the system what each read
/// costs it while the peer sends: its packets wait for the socket's lock, and each piece that is read
/// makes room of which the peer is told. The frames are decoded 64 KiB at a time, in
/// turns. Memory of that size is given back after some twenty turns without a large frame.
///
/// Where a turn ends because it has a portion, the next one needs no more bytes than that: reads take
/// what two turns do, to the front of the buffer again, so that all of it stays in the processor's
/// cache from the read on. What is left of them is moved there, and goes with what has come since.
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
    /// Bytes of large frames in a row, at most [`BULK`]; halved with `proven`.
    row: usize,
    /// The most that either buffer has been given.
    memory: usize,
    /// Messages to append at a time.
    portion: usize,
    /// Bytes of the latest turn that had a whole portion, unless one has had more without.
    enough: Option<usize>,
    /// The memory that the buffer began with.
    size: usize,
    /// What a read has failed with; told after what had arrived before.
    failed: Option<TransportError>,
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
            row: 0,
            memory: 0,
            portion: PORTION,
            enough: None,
            size: 0,
            failed: None,
            over: None,
        }
    }

    pub(super) fn poll<S: Stream>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        messages: &mut Vec<Message>,
    ) -> Poll<Result<(), TransportError>> {
        let (mut arrived, mut taken, mut read) = (0, 0, 0);
        if self.is_remnant() {
            match self.poll_fill(stream, cx) {
                Poll::Ready(Ok(count)) => read += count,
                Poll::Ready(Err(error)) => self.failed = Some(broken(&error)),
                Poll::Pending => {}
            }
        }
        loop {
            let (count, bytes) = self.decode(messages, self.portion - arrived);
            arrived += count;
            taken += bytes;
            // Bodies share the buffer's memory: only once they are taken it can be used again.
            let is_spent =
                arrived >= self.portion || read.max(taken) >= BYTE_BUDGET || !self.has_room();
            if arrived > 0 && (self.over.is_some() || is_spent) {
                self.note_turn(arrived, taken);
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = &self.over {
                return Poll::Ready(Err(error.clone()));
            }
            if self.failed.is_some() {
                self.over = self.failed.take();
                continue;
            }
            match self.poll_fill(stream, cx) {
                Poll::Pending if arrived > 0 => {
                    self.note_turn(arrived, taken);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.over = Some(self.end_of_stream()),
                Poll::Ready(Ok(count)) => read += count,
                Poll::Ready(Err(error)) => self.over = Some(broken(&error)),
            }
            if arrived == 0 && read > BYTE_BUDGET {
                // Nothing whole in so much: a large frame arrives faster than others
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

    /// Gives the buffers back, but for memory of which a part of a frame needs half or more.
    pub(super) fn rest(&mut self) {
        self.spare = BytesMut::new();
        self.enough = None;
        self.expect_no_large_frame();
        if self.memory > 2 * self.buffer.len() {
            self.give_back();
        }
        if self.buffer.is_empty() {
            self.room = SMALLEST_READ;
        }
    }

    /// Reads and forgets until the stream ends.
    pub(super) fn poll_discard<S: Stream>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.enough = None;
        self.expect_no_large_frame();
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

    /// Decodes what is whole, at most so many, and no more once it is [`BYTE_BUDGET`]; how many, and
    /// their bytes.
    ///
    /// With 0 nothing whole is left: frames that are skipped are no reason to stop.
    fn decode(&mut self, messages: &mut Vec<Message>, most: usize) -> (usize, usize) {
        let (mut count, mut bytes, first) = (0, 0, messages.len());
        while self.over.is_none() && count < most && (count == 0 || bytes < BYTE_BUDGET) {
            let before = messages.len();
            let enough = BYTE_BUDGET.saturating_sub(bytes);
            match self.decoder.decode_until(&mut self.buffer, messages, most - count, enough) {
                Ok(0) => break,
                Ok(taken) => bytes += taken,
                Err(error) => self.over = Some(error.into()),
            }
            count += messages[before..].iter().map(Message::count).sum::<usize>();
        }
        if bytes > 0 {
            self.note_sizes(bytes, &messages[first..]);
        }
        (count, bytes)
    }

    /// Takes note of how large frames are.
    fn note_sizes(&mut self, taken: usize, messages: &[Message]) {
        let sizes = messages.iter().map(size_of_one);
        let largest = if taken < LARGEST_READ { None } else { sizes.max() };
        (self.proven, self.row) = match largest {
            Some(largest @ LARGEST_READ..) => (largest + HEAD_ROOM, (self.row + taken).min(BULK)),
            _ => (self.proven / 2, self.row / 2),
        };
    }

    fn expect_no_large_frame(&mut self) {
        (self.proven, self.row) = (0, 0);
    }

    /// Bytes to make room for at once: after a large frame for it, or for several like it.
    fn bulk(&self) -> usize {
        if self.proven < LARGEST_READ {
            return self.proven;
        }
        match self.row / self.proven {
            ..FEWEST => self.proven,
            several => self.proven * several,
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
        let bulk = self.bulk();
        let most = match self.enough {
            _ if bulk > self.proven => bulk,
            Some(_) => self.room.max(self.decoder.missing(&self.buffer)),
            None => LARGEST_READ,
        };
        let space = (self.buffer.capacity() - self.buffer.len()).min(most);
        let mut limited = (&mut self.buffer).limit(space);
        let count = ready!(pin!(stream.read_buf(&mut limited)).poll(cx))?;
        self.adapt(count, space);
        Poll::Ready(Ok(count))
    }

    /// Makes room for what the first frame lacks, but for no more than has arrived of it; after a
    /// large frame, for several like it.
    fn make_room(&mut self) {
        let is_small = self.proven == 0 && self.buffer.len() <= LARGEST_READ;
        if is_small && self.memory > KEPT {
            self.give_back();
        }
        let bulk = self.bulk();
        let is_empty = self.buffer.is_empty();
        // From the front again, where what has just been received is likeliest to be in the cache.
        if is_empty && bulk > 0 && self.buffer.try_reclaim(bulk.max(self.room)) {
            return;
        }
        if is_empty && self.proven == 0 || self.is_remnant() {
            // In vain where bodies are still in use.
            let _ = self.buffer.try_reclaim(self.size.saturating_sub(self.buffer.len()));
        }
        let is_short = is_empty && self.buffer.capacity() < self.proven;
        if self.has_room() && !is_short {
            return;
        }
        let arrived = self.buffer.len();
        let missing = self.decoder.missing(&self.buffer).min(arrived.max(self.proven));
        let wanted = missing.max(bulk.saturating_sub(arrived)).max(self.room);
        if !self.buffer.try_reclaim(wanted) {
            self.change_buffers(arrived + wanted);
        }
    }

    /// Goes on in the spare buffer, or in a new one where its memory is still in use.
    fn change_buffers(&mut self, size: usize) {
        let mut next = std::mem::take(&mut self.spare);
        if !next.try_reclaim(size) {
            // Not `reserve`, which doubles.
            next = BytesMut::with_capacity(size);
            self.memory = self.memory.max(size);
        }
        next.put_slice(&self.buffer);
        self.size = next.capacity();
        self.spare = std::mem::replace(&mut self.buffer, next);
        self.spare.clear();
    }

    /// Gives the buffers back, but for what has arrived.
    fn give_back(&mut self) {
        self.spare = BytesMut::new();
        self.buffer = BytesMut::from(&*self.buffer);
        self.memory = self.buffer.len();
        self.size = self.buffer.capacity();
    }

    /// Takes note of what a turn took.
    fn note_turn(&mut self, arrived: usize, taken: usize) {
        if arrived >= self.portion {
            self.enough = Some(taken);
        } else if self.enough.is_some_and(|enough| enough < taken) {
            self.enough = None;
        }
    }

    /// Whether what is left is too little for a turn; what has come since goes with it.
    fn is_remnant(&self) -> bool {
        let is_little = self.enough.is_some_and(|enough| self.buffer.len() < enough);
        let is_open = self.failed.is_none() && self.over.is_none();
        is_little && is_open && !self.buffer.is_empty()
    }

    fn has_room(&self) -> bool {
        self.buffer.capacity() - self.buffer.len() >= self.room / 2
    }

    fn adapt(&mut self, count: usize, space: usize) {
        let most = self.enough.map_or(LARGEST_READ, |enough| 2 * enough + SMALLEST_READ);
        let most = most.min(LARGEST_READ);
        if count == space || self.room > most {
            self.room = (self.room * 2).min(most);
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

/// The size of a body; of items or replies that were put together, their mean.
fn size_of_one(message: &Message) -> usize {
    message.body_len() / message.count().max(1)
}

const SMALLEST_READ: usize = 4 * 1024;

/// Bytes of one read, unless several large frames are received at once.
const LARGEST_READ: usize = 256 * 1024;

/// Bytes received at once of large frames. Four of 1 MiB fit, with their heads.
const BULK: usize = 4 * 1024 * 1024 + 4 * 1024;

/// Large frames that are worth to be received at once. With two of 2 MiB the client was slower than
/// by the quarter megabyte, as nothing it looked at was in the cache any more.
const FEWEST: usize = 3;

/// The most memory of a buffer that is kept while there are no large frames: for a frame that is
/// just none, and a read.
const KEPT: usize = 2 * LARGEST_READ;

/// Bytes before a large body, unless it comes with metadata.
const HEAD_ROOM: usize = 64;

/// Messages appended at a time, unless told otherwise.
const PORTION: usize = 1024;

/// Bytes decoded at a time, but for the rest of the last frame; then other connections have their
/// turn, and so has what they lead to.
///
/// With four times as much both sides used to wait for each other, and what they worked on was not in
/// the processor's cache any more: with 64 KiB bodies they were slower by more than a quarter.
const BYTE_BUDGET: usize = 64 * 1024;

#[cfg(test)]
#[cfg(unix)]
mod tests;
