//! Streams that go over a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::calls::Kind;
use super::{NotSent, Outbox, OutgoingCall, Ticket};
use crate::message::RequestId;
use crate::stream::{ClientStream, StreamFrame, StreamSide, StreamWindow};
use crate::transport::TransportError;

impl Outbox {
    /// Asks the peer for a stream; it does not count for any node.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        call: &OutgoingCall<'_>,
        window: StreamWindow,
    ) -> Result<ClientStream, NotSent> {
        let (id, side) = {
            let mut state = self.state.lock();
            state.check_room()?;
            let id = state.calls.reserve();
            let end = state.encode_call(id, Kind::Stream, call)?.end;
            state.calls.insert(call.patience, end, None, None);
            self.figures.in_flight.store(state.calls.len(), Ordering::Release);
            self.encoded(&state);
            // Known before the connection can read what the peer says to it.
            let side = StreamSide::new(Arc::clone(self), id);
            self.streams.insert(&side);
            (id, side)
        };
        // Also wakes the task.
        side.accept(window);
        self.schedule();
        Ok(ClientStream::new(side, Ticket::new(self, id), call.endpoint))
    }

    /// Gets ready for the items of a stream that the peer opens.
    pub(crate) fn take_stream(self: &Arc<Self>, id: RequestId) -> Arc<StreamSide> {
        let side = StreamSide::new(Arc::clone(self), id);
        self.streams.insert(&side);
        side
    }

    /// Hands what the peer says about a stream to it.
    pub(crate) fn note_stream(
        &self,
        id: RequestId,
        frame: StreamFrame,
    ) -> Result<(), TransportError> {
        self.streams.note(id, frame)
    }
}
