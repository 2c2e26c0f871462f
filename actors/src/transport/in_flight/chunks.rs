//! The memory that replies arrived in, until their callers have taken them.
//!
//! Pure.

use std::ops::Range;

use bytes::Bytes;

/// Pieces of what has been received, each kept as long as there is a reply in it that has not been
/// taken.
///
/// A reference for each reply would cost two atomic changes more; here they are counted, under the
/// lock that their table needs anyway.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    all: Vec<Chunk>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Chunk {
    memory: Bytes,
    /// Replies in it that have not been taken, and one while they are noted.
    open: u32,
}

/// Where the body of a reply is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) chunk: u32,
    pub(super) range: Range<u32>,
}

impl Chunks {
    /// Adds one, which is kept until it has been [closed](Self::close) once more than
    /// [opened](Self::open).
    pub(super) fn add(&mut self, memory: Bytes) -> u32 {
        let chunk = Chunk { memory, open: 1 };
        if let Some(index) = self.free.pop() {
            self.all[index as usize] = chunk;
            return index;
        }
        self.all.push(chunk);
        // There are no more of them than slots, and one.
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }

    /// A reply in it is kept.
    #[inline]
    pub(super) fn open(&mut self, index: u32) {
        if let Some(chunk) = self.all.get_mut(index as usize) {
            chunk.open += 1;
        }
    }

    /// The body at a place.
    #[inline]
    pub(super) fn body(&self, Place { chunk, range }: &Place) -> &[u8] {
        let memory = self.all.get(*chunk as usize).map_or(&[][..], |chunk| &chunk.memory);
        memory.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// A reply has been taken, or all have been noted.
    #[inline]
    pub(super) fn close(&mut self, index: u32) {
        let Some(chunk) = self.all.get_mut(index as usize) else { return };
        chunk.open -= 1;
        if chunk.open == 0 {
            self.give_back(index);
        }
    }

    #[inline(never)]
    fn give_back(&mut self, index: u32) {
        if let Some(chunk) = self.all.get_mut(index as usize) {
            chunk.memory = Bytes::new();
            self.free.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn memory_is_kept_until_the_last_reply_in_it_has_been_taken() {
        let mut chunks = Chunks::default();
        for turn in 0..100 {
            let received = BytesMut::from(&b"onetwo"[..]).freeze();
            let chunk = chunks.add(received.clone());
            let place = |range| Place { chunk, range };
            chunks.open(chunk);
            chunks.open(chunk);
            chunks.close(chunk);
            assert_eq!(chunks.body(&place(0..3)), b"one");
            assert_eq!(chunks.body(&place(3..6)), b"two");
            assert_eq!(chunks.body(&place(3..7)), b"", "outside of it");
            chunks.close(chunk);
            assert!(!received.is_unique());
            chunks.close(chunk);
            assert!(received.is_unique() && chunks.all.len() == 1, "turn {turn}");
        }
    }

    #[test]
    fn memory_in_which_nobody_has_a_reply_is_given_back_at_once() {
        let mut chunks = Chunks::default();
        let received = BytesMut::from(&b"late"[..]).freeze();
        let chunk = chunks.add(received.clone());
        chunks.close(chunk);
        assert!(received.is_unique());
        assert_eq!(chunks.add(Bytes::new()), chunk);
    }
}
