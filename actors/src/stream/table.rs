//! The streams of one connection, by their numbers.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::StreamSide;
use super::flow::StreamFrame;
use crate::message::{Items, RequestId};
use crate::transport::TransportError;

/// Finds the stream that a frame is of.
///
/// A stream belongs to who uses it; here it is remembered only. So a frame for one that is over
/// finds nobody, and is dropped.
#[derive(Debug, Default)]
pub(crate) struct StreamTable {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    by_id: HashMap<RequestId, Weak<StreamSide>>,
    /// Entries at which those that are over are removed; twice of what was left the last time.
    sweep_at: usize,
}

impl StreamTable {
    pub(crate) fn insert(&self, side: &Arc<StreamSide>) {
        let mut streams = self.streams.lock();
        if streams.by_id.len() >= streams.sweep_at {
            streams.by_id.retain(|_, side| side.strong_count() > 0);
            streams.sweep_at = (streams.by_id.len() * 2).max(SWEEP_LEAST);
        }
        streams.by_id.insert(side.id, Arc::downgrade(side));
    }

    /// Hands a frame to its stream.
    pub(crate) fn note(&self, id: RequestId, frame: StreamFrame) {
        if let Some(side) = self.find(id) {
            side.note(frame);
        }
    }

    /// Hands items that have arrived together to their stream.
    ///
    /// # Errors
    /// The peer does not keep to the protocol.
    pub(crate) fn push(
        &self,
        id: RequestId,
        items: impl Iterator<Item = Items>,
    ) -> Result<(), TransportError> {
        if let Some(side) = self.find(id) {
            return side.push(items);
        }
        items.for_each(drop);
        Ok(())
    }

    /// One that is not over.
    fn find(&self, id: RequestId) -> Option<Arc<StreamSide>> {
        let side = self.streams.lock().by_id.get(&id).and_then(Weak::upgrade);
        side.filter(|side| !side.is_over())
    }

    /// Ends all streams: the connection is over.
    pub(crate) fn finish_all(&self) {
        let streams = std::mem::take(&mut *self.streams.lock());
        streams
            .by_id
            .into_values()
            .filter_map(|side| side.upgrade())
            .for_each(|side| side.finish());
    }
}

/// Fewer entries are not worth a sweep.
const SWEEP_LEAST: usize = 16;
