//! The counts of a stream: items that wait, credit given and credit had.
//!
//! Items that have just arrived share the memory of what the connection received. Those that are
//! still here when the next ones come are moved to memory of their own, all at once, so that a slow
//! reader holds hardly more than its items.
//!
//! Pure.

use std::collections::VecDeque;

use crate::message::Items;
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
/// assert_eq!((window.items, window.bytes), (1024, 1024 * 1024));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamWindow {
    /// Items; default 1,024, so that a system call carries many small ones. Zero is taken for one.
    pub items: u32,
    /// Bytes of encoded items; default 1 MiB. Zero is taken for one.
    pub bytes: u32,
}

impl Default for StreamWindow {
    fn default() -> Self {
        Self { items: 1024, bytes: 1024 * 1024 }
    }
}

impl StreamWindow {
    /// The same without a zero, which would let nothing through for ever.
    pub(super) fn at_least_one(self) -> Self {
        Self { items: self.items.max(1), bytes: self.bytes.max(1) }
    }
}

/// What a peer says about a stream, besides items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamFrame {
    End,
    Credit { items: u32, bytes: u32 },
}

/// The counts of one side.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Each of these is what came together.
    waiting: VecDeque<Items>,
    /// How many at the end of what waits share the memory of what the connection received.
    shared: usize,
    /// Bytes of what waits.
    queued: usize,
    window: StreamWindow,
    /// What the peer may still send; bytes may go below zero by one item.
    given: Credit,
    /// What this side may send and has not fetched.
    had: Credit,
    is_accepted: bool,
    has_peer_ended: bool,
}

/// Items that the task which receives has fetched together.
///
/// It belongs to that task, which so needs no lock for each item. What was fetched counts as waiting
/// until it is taken: the peer has no credit for it.
///
/// ```
/// use callboard_actors::stream::{Fetched, StreamSide};
///
/// async fn count(side: &StreamSide) -> usize {
///     let (mut fetched, mut count) = (Fetched::default(), 0);
///     while std::future::poll_fn(|cx| side.poll_receive(&mut fetched, cx, |_| ())).await.is_some() {
///         count += 1;
///     }
///     count
/// }
/// ```
#[derive(Debug, Default)]
pub struct Fetched {
    items: VecDeque<Items>,
    /// How many of the first ones have been taken.
    index: usize,
    /// What was taken and has not been given back.
    taken: Credit,
    window: StreamWindow,
}

/// What the task which sends may send without asking; it belongs to that task, as [`Fetched`] does.
///
/// ```
/// use bytes::Bytes;
/// use callboard_actors::stream::{Allowance, StreamSide};
/// use callboard_actors::transport::TransportError;
///
/// async fn send(side: &StreamSide, items: Vec<Bytes>) -> Result<(), TransportError> {
///     let mut allowance = Allowance::default();
///     for item in &items {
///         if !std::future::poll_fn(|cx| side.poll_ready(&mut allowance, cx)).await {
///             break;
///         }
///         side.send(&mut allowance, item)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Default)]
pub struct Allowance(Credit);

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

    /// Moves all that waits to one who has nothing left.
    pub(super) fn fetch(&mut self, fetched: &mut Fetched) {
        debug_assert!(fetched.items.is_empty(), "what was fetched before comes first");
        std::mem::swap(&mut self.waiting, &mut fetched.items);
        fetched.window = self.window;
        (self.shared, self.queued) = (0, 0);
    }

    /// The credit for what was taken; none when the peer has no use for it.
    pub(super) fn grant(&mut self, fetched: &mut Fetched) -> Option<(u32, u32)> {
        if self.has_peer_ended {
            return None;
        }
        let Credit { items, bytes } = std::mem::take(&mut fetched.taken);
        self.given.items += items;
        self.given.bytes += bytes;
        Some((u32::try_from(items).unwrap_or(u32::MAX), u32::try_from(bytes).unwrap_or(u32::MAX)))
    }

    /// Takes in what has arrived together.
    pub(super) fn push(
        &mut self,
        arrived: impl Iterator<Item = Items>,
    ) -> Result<(), TransportError> {
        self.keep();
        for items in arrived {
            if self.has_peer_ended {
                return Err(TransportError::Protocol("stream data after the end".into()));
            }
            for item in items.iter() {
                if self.given.items <= 0 || self.given.bytes <= 0 {
                    return Err(TransportError::Protocol("stream data without credit".into()));
                }
                self.given.items -= 1;
                self.given.bytes -= signed(item.len());
                self.queued += item.len();
            }
            self.shared += 1;
            self.waiting.push_back(items);
        }
        Ok(())
    }

    /// Moves what shares memory, and is small, to memory of its own.
    fn keep(&mut self) {
        let first = self.waiting.len() - std::mem::take(&mut self.shared);
        for items in self.waiting.range_mut(first..).filter(|items| !is_large(items)) {
            *items = items.moved();
        }
    }

    pub(super) fn note(&mut self, frame: StreamFrame) {
        match frame {
            StreamFrame::End => self.has_peer_ended = true,
            StreamFrame::Credit { items, bytes } => {
                self.is_accepted = true;
                self.had.items = self.had.items.saturating_add(i64::from(items));
                self.had.bytes = self.had.bytes.saturating_add(i64::from(bytes));
            }
        }
    }

    /// Moves all credit to who sends; whether an item may be sent.
    pub(super) fn allow(&mut self, allowance: &mut Allowance) -> bool {
        let Credit { items, bytes } = std::mem::take(&mut self.had);
        allowance.0.items = allowance.0.items.saturating_add(items);
        allowance.0.bytes = allowance.0.bytes.saturating_add(bytes);
        allowance.may_send()
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    pub(super) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }
}

impl Fetched {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Has the first item read, and takes it.
    #[inline]
    pub(super) fn take<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let (first, index) = (self.items.front()?, self.index);
        self.taken.items += 1;
        self.taken.bytes += signed(first.get(index)?.len());
        if index + 1 < first.len() {
            self.index += 1;
            return first.get(index).map(read);
        }
        // Gone with its last item, whatever reading does: a stream that rests holds no memory.
        self.index = 0;
        let last = self.items.pop_front()?;
        last.get(index).map(read)
    }

    /// Whether the credit for what was taken is worth a frame.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        // Half a window at a time: few frames, and the peer seldom has to wait for one.
        self.taken.items * 2 >= i64::from(self.window.items)
            || self.taken.bytes * 2 >= i64::from(self.window.bytes)
    }
}

impl Allowance {
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.0.items > 0 && self.0.bytes > 0
    }

    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.0.items -= 1;
        self.0.bytes -= signed(bytes);
    }
}

/// Whether it may stay where it arrived while it waits: a single large item. Its memory is a
/// receive buffer of about 4 MiB, or the size of the largest frame before it: with the default
/// limit on frames about four times as much at most.
fn is_large(items: &Items) -> bool {
    items.len() == 1 && items.bytes() >= LARGE
}

/// Bytes of a large item.
const LARGE: usize = 1024 * 1024;

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn pair(items: u32, bytes: u32) -> (Flow, Flow) {
        let (mut sender, mut receiver) = (Flow::default(), Flow::default());
        let (items, bytes) = receiver.open(StreamWindow { items, bytes });
        sender.note(StreamFrame::Credit { items, bytes });
        (sender, receiver)
    }

    /// Sends items of this size until the credit is used up; how many.
    fn fill(sender: &mut Flow, receiver: &mut Flow, size: usize) -> usize {
        let (mut count, mut allowance) = (0, Allowance::default());
        sender.allow(&mut allowance);
        while allowance.may_send() {
            allowance.sent(size);
            receiver.push([Bytes::from(vec![0; size]).into()].into_iter()).unwrap();
            count += 1;
        }
        sender.had = allowance.0;
        count
    }

    #[test]
    fn either_limit_stops_the_sender_and_taking_lets_it_go_on() {
        for (size, first) in [(0, 8), (30, 4), (1000, 1)] {
            let (mut sender, mut receiver) = pair(8, 100);
            assert_eq!(fill(&mut sender, &mut receiver, size), first);
            assert_eq!(receiver.queued(), size * first);
            let mut fetched = Fetched::default();
            receiver.fetch(&mut fetched);
            while fetched.take(|_| ()).is_some() {
                if fetched.is_due()
                    && let Some((items, bytes)) = receiver.grant(&mut fetched)
                {
                    sender.note(StreamFrame::Credit { items, bytes });
                }
            }
            assert!(fill(&mut sender, &mut receiver, size) > 0, "{size}");
        }
    }

    #[test]
    fn a_peer_that_sends_without_credit_is_found_out() {
        let (mut sender, mut receiver) = pair(2, 100);
        fill(&mut sender, &mut receiver, 1);
        let error = receiver.push([Bytes::new().into()].into_iter()).unwrap_err();
        assert!(matches!(error, TransportError::Protocol(_)), "{error}");
    }

    #[test]
    fn a_peer_that_sends_after_its_end_is_found_out() {
        let (_, mut receiver) = pair(2, 100);
        receiver.note(StreamFrame::End);
        assert!(receiver.push([Bytes::new().into()].into_iter()).is_err());
    }

    #[test]
    fn items_that_wait_do_not_hold_what_they_arrived_with() {
        let (_, mut receiver) = pair(8, 4 * 1024 * 1024);
        let buffer = Bytes::from(vec![7; 4 * 1024 * 1024]);
        let (small, many) = (vec![0..10, 10..10, 10..30], vec![0..LARGE, LARGE..LARGE + 10]);
        let [small, many] = [small, many].map(|places| Items::new(buffer.clone(), places));
        let [large, less] = [LARGE, LARGE - 1].map(|size| buffer.slice(40..40 + size).into());
        let arrived = [small, large, less, many];
        receiver.push(arrived.iter().cloned()).unwrap();
        receiver.push([Bytes::from_static(b"next").into()].into_iter()).unwrap();
        let mut fetched = Fetched::default();
        receiver.fetch(&mut fetched);
        let is_shared = |item: &[u8]| buffer.as_ptr_range().contains(&item.as_ptr());
        let mut take = || fetched.take(|item| (item.len(), is_shared(item)));
        let kept: Vec<_> = std::iter::from_fn(&mut take).collect();
        let sizes: Vec<usize> = kept.iter().map(|(size, _)| *size).collect();
        assert_eq!(
            sizes,
            [10, 0, 20, LARGE, LARGE - 1, LARGE, 10, 4],
            "the same items in the same order"
        );
        let shared: Vec<bool> = kept.iter().map(|(_, is_shared)| *is_shared).collect();
        let expected = [false, false, false, true, false, false, false, false];
        assert_eq!(shared, expected, "a large one stays");
        assert!(buffer.len() <= 4 * LARGE, "and holds at most four times as much");
        assert_eq!(receiver.queued(), 0);
    }

    #[test]
    fn what_has_been_taken_holds_no_memory() {
        let (_, mut receiver) = pair(8, 100);
        let memory = Bytes::from(vec![7; 100]);
        let items = Items::new(memory.clone(), vec![0..10, 10..20]);
        receiver.push([items].into_iter()).unwrap();
        let mut fetched = Fetched::default();
        receiver.fetch(&mut fetched);
        fetched.take(|_| ()).unwrap();
        assert!(!memory.is_unique());
        fetched.take(|_| ()).unwrap();
        assert!(memory.is_unique() && fetched.is_empty());
    }
}
