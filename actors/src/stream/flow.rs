//! The counts of a stream: items that wait, credit given and credit had.
//!
//! Items that have just arrived share the memory of what the connection received. Those that are
//! still here when the next ones come are moved to memory of their own, all at once, so that a slow
//! reader holds hardly more than its items.
//!
//! Pure.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::transport::TransportError;

/// How much one side of a stream may send ahead of the other's taking it.
///
/// An item may be sent while both limits have something left, so that what waits is at most
/// `items` items, and less than `bytes` bytes and one item.
///
/// ```
/// use callboard_actors::stream::StreamWindow;
///
/// let window = StreamWindow::default();
/// assert_eq!((window.items, window.bytes), (512, 1024 * 1024));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamWindow {
    /// Items; default 512, so that a system call carries many small ones. Zero is taken for one.
    pub items: u32,
    /// Bytes of encoded items; default 1 MiB. Zero is taken for one.
    pub bytes: u32,
}

impl Default for StreamWindow {
    fn default() -> Self {
        Self { items: 512, bytes: 1024 * 1024 }
    }
}

impl StreamWindow {
    /// The same without a zero, which would let nothing through for ever.
    pub(super) fn at_least_one(self) -> Self {
        Self { items: self.items.max(1), bytes: self.bytes.max(1) }
    }
}

/// What a peer says about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamFrame {
    End,
    Credit { items: u32, bytes: u32 },
}

/// The counts of one side.
#[derive(Debug, Default)]
pub(super) struct Flow {
    waiting: VecDeque<Bytes>,
    /// Items at the end of what waits that share the memory of what the connection received.
    shared: usize,
    /// Bytes of what waits.
    queued: usize,
    window: StreamWindow,
    /// What the peer may still send; bytes may go below zero by one item.
    given: Credit,
    /// What was taken and has not been given back.
    taken: Credit,
    /// What this side may still send.
    had: Credit,
    is_accepted: bool,
    has_closed: bool,
    has_peer_ended: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Credit {
    items: i64,
    bytes: i64,
}

impl Flow {
    /// Begins to take items; the credit to be given first.
    pub(super) fn open(&mut self, window: StreamWindow) -> (u32, u32) {
        self.window = window.at_least_one();
        self.given =
            Credit { items: i64::from(self.window.items), bytes: i64::from(self.window.bytes) };
        (self.window.items, self.window.bytes)
    }

    /// Takes the first item; with it the credit that is to be given, if it is worth a frame.
    pub(super) fn take(&mut self) -> Option<(Bytes, Option<(u32, u32)>)> {
        let item = self.waiting.pop_front()?;
        self.shared = self.shared.min(self.waiting.len());
        self.queued -= item.len();
        self.taken.items += 1;
        self.taken.bytes += signed(item.len());
        // Half a window at a time: few frames, and the peer seldom has to wait for one.
        let is_due = self.taken.items * 2 >= i64::from(self.window.items)
            || self.taken.bytes * 2 >= i64::from(self.window.bytes);
        let grant = (is_due && !self.has_peer_ended).then(|| {
            let Credit { items, bytes } = std::mem::take(&mut self.taken);
            self.given.items += items;
            self.given.bytes += bytes;
            (u32::try_from(items).unwrap_or(u32::MAX), u32::try_from(bytes).unwrap_or(u32::MAX))
        });
        Some((item, grant))
    }

    /// Takes in what has arrived together.
    pub(super) fn push(&mut self, items: impl Iterator<Item = Bytes>) -> Result<(), TransportError> {
        self.keep();
        for item in items {
            if self.has_peer_ended {
                return Err(TransportError::Protocol("stream data after the end".into()));
            }
            if self.given.items <= 0 || self.given.bytes <= 0 {
                return Err(TransportError::Protocol("stream data without credit".into()));
            }
            self.given.items -= 1;
            self.given.bytes -= signed(item.len());
            self.queued += item.len();
            self.shared += 1;
            self.waiting.push_back(item);
        }
        Ok(())
    }

    /// Moves small items that share memory to memory of their own.
    fn keep(&mut self) {
        let first = self.waiting.len() - std::mem::take(&mut self.shared);
        let is_small = |item: &Bytes| item.len() < LARGE_ITEM;
        let small = self.waiting.range(first..).filter(|item| is_small(item));
        let size = small.map(Bytes::len).sum();
        let mut memory = BytesMut::with_capacity(size);
        for item in self.waiting.range_mut(first..).filter(|item| is_small(item)) {
            memory.extend_from_slice(item);
            *item = memory.split().freeze();
        }
    }

    pub(super) fn note(&mut self, frame: StreamFrame) -> Result<(), TransportError> {
        match frame {
            StreamFrame::End => self.has_peer_ended = true,
            StreamFrame::Credit { items, bytes } => {
                self.is_accepted = true;
                self.had.items = self.had.items.saturating_add(i64::from(items));
                self.had.bytes = self.had.bytes.saturating_add(i64::from(bytes));
            }
        }
        Ok(())
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.had.items -= 1;
        self.had.bytes -= signed(bytes);
    }

    /// Closes this side; whether it was closed before.
    pub(super) fn close(&mut self) -> bool {
        std::mem::replace(&mut self.has_closed, true)
    }

    pub(super) fn may_send(&self) -> bool {
        self.had.items > 0 && self.had.bytes > 0
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    pub(super) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }
}

/// Bytes from which on an item stays where it arrived: the memory it shares, a receive buffer, is
/// at most four times as large, or that of a single frame.
const LARGE_ITEM: usize = 64 * 1024;

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(items: u32, bytes: u32) -> (Flow, Flow) {
        let (mut sender, mut receiver) = (Flow::default(), Flow::default());
        let (items, bytes) = receiver.open(StreamWindow { items, bytes });
        sender.note(StreamFrame::Credit { items, bytes }).unwrap();
        (sender, receiver)
    }

    /// Sends items of this size until the credit is used up; how many.
    fn fill(sender: &mut Flow, receiver: &mut Flow, size: usize) -> usize {
        let mut count = 0;
        while sender.may_send() {
            sender.sent(size);
            receiver.push([vec![0; size].into()].into_iter()).unwrap();
            count += 1;
        }
        count
    }

    #[test]
    fn either_limit_stops_the_sender_and_taking_lets_it_go_on() {
        for (size, first) in [(0, 8), (30, 4), (1000, 1)] {
            let (mut sender, mut receiver) = pair(8, 100);
            assert_eq!(fill(&mut sender, &mut receiver, size), first);
            assert_eq!(receiver.queued(), size * first);
            while let Some((_, grant)) = receiver.take() {
                if let Some((items, bytes)) = grant {
                    sender.note(StreamFrame::Credit { items, bytes }).unwrap();
                }
            }
            assert!(fill(&mut sender, &mut receiver, size) > 0, "{size}");
        }
    }

    #[test]
    fn a_peer_that_sends_without_credit_is_found_out() {
        let (mut sender, mut receiver) = pair(2, 100);
        fill(&mut sender, &mut receiver, 1);
        let error = receiver.push([Bytes::new()].into_iter()).unwrap_err();
        assert!(matches!(error, TransportError::Protocol(_)), "{error}");
    }

    #[test]
    fn a_peer_that_sends_after_its_end_is_found_out() {
        let (_, mut receiver) = pair(2, 100);
        receiver.note(StreamFrame::End).unwrap();
        assert!(receiver.push([Bytes::new()].into_iter()).is_err());
    }

    #[test]
    fn items_that_wait_do_not_hold_what_they_arrived_with() {
        let (_, mut receiver) = pair(8, 1024 * 1024);
        let mut buffer = Bytes::from(vec![7; 256 * 1024]);
        let sizes = [10, 0, LARGE_ITEM, 20];
        let items: Vec<Bytes> = sizes.iter().map(|size| buffer.split_to(*size)).collect();
        let is_shared = |item: &Bytes| !item.is_empty() && items.iter().any(|it| it.as_ptr() == item.as_ptr());
        receiver.push(items.iter().cloned()).unwrap();
        let (taken, _) = receiver.take().unwrap();
        assert!(is_shared(&taken), "what is taken at once is not copied");
        receiver.push([Bytes::from_static(b"next")].into_iter()).unwrap();
        let kept: Vec<Bytes> = std::iter::from_fn(|| receiver.take().map(|(item, _)| item)).collect();
        assert_eq!(kept[..3], items[1..], "the same items in the same order");
        assert!(is_shared(&kept[1]), "a large item stays where it is");
        assert!(!is_shared(&kept[2]), "a small one does not");
        assert_eq!(kept[3], "next");
        assert_eq!(receiver.queued(), 0);
    }
}
