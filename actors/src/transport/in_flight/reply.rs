//! Where a caller reads a reply.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;

use crate::message::Replies;
use crate::metadata::Metadata;

/// A reply that is read at once.
///
/// A small one is copied here: that costs less than a reference on the memory it arrived in, and is
/// done while the table of its connection is locked, where what reads it, which is the user's, must
/// not run. Each thread has memory for it, which stays in the processor's cache.
///
/// ```
/// use callboard_actors::client::ReplyBuffer;
///
/// assert!(ReplyBuffer::new().body().is_empty());
/// ```
pub struct ReplyBuffer {
    metadata: Metadata,
    /// A body that was not copied.
    whole: Option<Bytes>,
    copy: Vec<u8>,
}

impl ReplyBuffer {
    /// Creates an empty one.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        // A thread that ends may have none any more.
        let copy = COPY.try_with(Cell::take).unwrap_or_default();
        Self { metadata: Metadata::new(), whole: None, copy }
    }

    /// The encoded value.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.whole.as_deref().unwrap_or(&self.copy)
    }

    /// Takes the pairs beside it.
    #[inline]
    #[must_use]
    pub fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    /// The same in memory of its own, or that which it arrived in.
    pub(crate) fn take_body(&mut self) -> Bytes {
        self.whole.take().unwrap_or_else(|| Bytes::copy_from_slice(&self.copy))
    }

    /// Replaces what there was by a body with nothing beside it.
    #[inline]
    pub(super) fn copy(&mut self, body: &[u8]) {
        if self.whole.take().is_some() {
            self.metadata = Metadata::new();
        }
        self.copy.clear();
        self.copy.extend_from_slice(body);
    }

    /// Replaces what there was.
    pub(super) fn put(&mut self, metadata: Metadata, body: Bytes) {
        (self.metadata, self.whole) = (metadata, Some(body));
    }
}

impl Drop for ReplyBuffer {
    #[inline]
    fn drop(&mut self) {
        if self.copy.capacity() <= KEPT {
            self.copy.clear();
            // On a thread that ends it is dropped.
            let _ = COPY.try_with(|copy| copy.set(std::mem::take(&mut self.copy)));
        }
    }
}

impl Default for ReplyBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReplyBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBuffer").field("bytes", &self.body().len()).finish_non_exhaustive()
    }
}

/// Bytes that a thread keeps; small replies need no more, however its memory has grown.
const KEPT: usize = 2 * Replies::LONGEST;

thread_local! {
    /// What the last one on this thread had: room for a small reply or two.
    static COPY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
