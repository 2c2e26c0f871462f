//! Streams that go over a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::vec::Drain;

use super::calls::{Kind, Written};
use super::{ITEMS_LIMIT, NotSent, Outbox, OutgoingCall, Ticket};
use crate::message::{Items, Message, RequestId};
use crate::selector::Candidate;
use crate::stream::{ClientStream, StreamFrame, StreamSide, StreamWindow};
use crate::transport::TransportError;

impl Outbox {
    /// Asks the peer for a stream that counts for `candidate` as long as it is open.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        call: &OutgoingCall<'_>,
        candidate: Option<&Arc<Candidate>>,
        window: StreamWindow,
    ) -> Result<ClientStream, NotSent> {
        let (id, side, form) = {
            let mut state = self.state.lock();
            state.check_room()?;
            let id = state.calls.reserve();
            let Written { end, form } = state.encode_call(id, Kind::Stream, call)?;
            state.calls.insert_stream(&call.patience, end, candidate);
            self.figures.in_flight.store(state.calls.len(), Ordering::Release);
            self.encoded(&state);
            // Known before the connection can read what the peer says to it.
            let side = StreamSide::new(Arc::clone(self), id);
            self.streams.insert(&side);
            (id, side, form)
        };
        // Also wakes the task.
        side.accept(window);
        self.schedule();
        Ok(ClientStream::new(side, Ticket::new(self, (id, form)), call.target.endpoint, form))
    }

    /// Notes whether the peer of the connection that is about to open knows streams.
    pub(crate) fn note_capability(&self, takes_streams: bool) {
        self.takes_streams.store(takes_streams, Ordering::Release);
    }

    /// Whether the peer of the present connection, or of the last one, knows streams.
    pub(crate) fn takes_streams(&self) -> bool {
        self.takes_streams.load(Ordering::Acquire)
    }

    /// Resolves when an item may be queued, or the connection is over; `place` is the stream's own,
    /// and 0 at first.
    ///
    /// Who has waited longest goes first: a stream keeps its place until it has been let through.
    pub(crate) fn poll_item_room(&self, place: &AtomicU64, cx: &Context<'_>) -> Poll<()> {
        if self.queued() < ITEMS_LIMIT {
            place.store(0, Ordering::Relaxed);
            return Poll::Ready(());
        }
        let mut state = self.state.lock();
        if state.is_over || state.queued() < ITEMS_LIMIT {
            place.store(0, Ordering::Relaxed);
            return Poll::Ready(());
        }
        if place.load(Ordering::Relaxed) == 0 {
            state.last_waiter += 1;
            place.store(state.last_waiter, Ordering::Relaxed);
        }
        state.item_waiters.insert(place.load(Ordering::Relaxed), cx.waker().clone());
        Poll::Pending
    }

    /// Gets ready for the items of a stream that the peer opens.
    pub(crate) fn take_stream(self: &Arc<Self>, id: RequestId) -> Arc<StreamSide> {
        let side = StreamSide::new(Arc::clone(self), id);
        self.streams.insert(&side);
        side
    }

    /// Hands what the peer says about a stream to it.
    pub(crate) fn note_stream(&self, id: RequestId, frame: StreamFrame) {
        self.streams.note(id, frame);
    }

    /// Hands items to their stream, together with those of the same stream that follow at once.
    ///
    /// So a stream is looked for, locked and woken once for all of them.
    ///
    /// # Errors
    /// The peer does not keep to the protocol.
    pub(crate) fn note_items(
        &self,
        id: RequestId,
        first: Items,
        rest: &mut Drain<'_, Message>,
    ) -> Result<(), TransportError> {
        let following = std::iter::from_fn(|| {
            let [Message::StreamData { id: next, .. } | Message::StreamItems { id: next, .. }, ..] =
                rest.as_slice()
            else {
                return None;
            };
            if *next != id {
                return None;
            }
            match rest.next() {
                Some(Message::StreamData { body, .. }) => Some(body.into()),
                Some(Message::StreamItems { items, .. }) => Some(items),
                _ => None,
            }
        });
        self.streams.push(id, std::iter::once(first).chain(following))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;
    use crate::stream::Fetched;

    #[test]
    fn items_of_one_stream_in_a_row_are_handed_over_together() {
        let outbox = Arc::new(Outbox::new(""));
        let (one, two, unknown) = (RequestId(1), RequestId(2), RequestId(3));
        let sides = [one, two].map(|id| outbox.take_stream(id));
        for side in &sides {
            side.accept(StreamWindow::default());
        }
        let mut messages: Vec<Message> = [one, one, two, one, unknown, unknown]
            .into_iter()
            .zip(0_u8..)
            .map(|(id, number)| Message::StreamData { id, body: vec![number].into() })
            .collect();
        let mut left = Vec::new();
        let mut drain = messages.drain(..);
        while let Some(message) = drain.next() {
            let Message::StreamData { id, body } = message else { unreachable!() };
            outbox.note_items(id, body.into(), &mut drain).unwrap();
            left.push(drain.len());
        }
        assert_eq!(left, [4, 3, 2, 0], "what follows another stream's comes by itself");
        for (side, expected) in sides.iter().zip([&[0, 1, 3][..], &[2]]) {
            let (mut fetched, cx) = (Fetched::default(), Context::from_waker(Waker::noop()));
            for number in expected {
                let item = side.poll_receive(&mut fetched, &cx, Bytes::copy_from_slice);
                assert_eq!(item, Poll::Ready(Some(Bytes::from(vec![*number]))));
            }
            assert!(side.poll_receive(&mut fetched, &cx, |_| ()).is_pending());
        }
    }
}
