//! The counts of a stream: items that wait, credit given and credit had.
//!
//! Pure.

use std::collections::VecDeque;

use bytes::Bytes;

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
/// assert_eq!((window.items, window.bytes), (32, 1024 * 1024));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamWindow {
    /// Items; default 32. Zero is taken for one.
    pub items: u32,
    /// Bytes of encoded items; default 1 MiB. Zero is taken for one.
    pub bytes: u32,
}

impl Default for StreamWindow {
    fn default() -> Self {
        Self { items: 32, bytes: 1024 * 1024 }
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
    Data(Bytes),
    End,
    Credit { items: u32, bytes: u32 },
}

/// The counts of one side.
#[derive(Debug, Default)]
pub(super) struct Flow {
    waiting: VecDeque<Bytes>,
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

    pub(super) fn note(&mut self, frame: StreamFrame) -> Result<(), TransportError> {
        match frame {
            StreamFrame::Data(item) => {
                if self.has_peer_ended {
                    return Err(TransportError::Protocol("stream data after the end".into()));
                }
                if self.given.items <= 0 || self.given.bytes <= 0 {
                    return Err(TransportError::Protocol("stream data without credit".into()));
                }
                self.given.items -= 1;
                self.given.bytes -= signed(item.len());
                self.queued += item.len();
                self.waiting.push_back(item);
            }
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
            receiver.note(StreamFrame::Data(vec![0; size].into())).unwrap();
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
        let error = receiver.note(StreamFrame::Data(Bytes::new())).unwrap_err();
        assert!(matches!(error, TransportError::Protocol(_)), "{error}");
    }

    #[test]
    fn a_peer_that_sends_after_its_end_is_found_out() {
        let (_, mut receiver) = pair(2, 100);
        receiver.note(StreamFrame::End).unwrap();
        assert!(receiver.note(StreamFrame::Data(Bytes::new())).is_err());
    }
}
