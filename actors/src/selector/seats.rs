//! The nodes of a service without gaps, so that any of them is found by a number at once.
//!
//! Where a node sits says nothing of it: whoever comes takes the seat of who left, or else sits at
//! the end, and where seats stay empty the last nodes move there. So a change touches few seats,
//! however many there are. They are kept in chunks; a copy copies the list of chunks.

use std::array;
use std::sync::Arc;

use super::candidate::Candidate;

/// The nodes of a service without gaps.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats {
    /// All full but the last, which is not empty.
    chunks: Vec<Arc<[Option<Arc<Candidate>>; CHUNK]>>,
    len: usize,
}

impl Seats {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whose seat it is.
    #[inline]
    pub(super) fn get(&self, seat: usize) -> Option<&Arc<Candidate>> {
        self.chunks.get(seat / CHUNK)?[seat % CHUNK].as_ref()
    }

    /// The nodes from a seat on.
    pub(super) fn iter_from(&self, seat: usize) -> impl Iterator<Item = &Arc<Candidate>> {
        let chunks = self.chunks.get(seat / CHUNK..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(seat % CHUNK).flatten()
    }

    /// Gives a seat that somebody has, or the one behind the last, to a node.
    pub(super) fn seat(&mut self, seat: usize, candidate: Arc<Candidate>) {
        if seat / CHUNK == self.chunks.len() {
            self.chunks.push(Arc::new(array::from_fn(|_| None)));
        }
        if let Some(chunk) = self.chunks.get_mut(seat / CHUNK) {
            candidate.take_seat(u32::try_from(seat).unwrap_or(u32::MAX));
            Arc::make_mut(chunk)[seat % CHUNK] = Some(candidate);
            self.len = self.len.max(seat + 1);
        }
    }

    /// Has the last node stand up.
    pub(super) fn pop(&mut self) -> Option<Arc<Candidate>> {
        let last = self.len.checked_sub(1)?;
        let chunk = Arc::make_mut(self.chunks.last_mut()?);
        let candidate = chunk[last % CHUNK].take();
        if last % CHUNK == 0 {
            self.chunks.pop();
        }
        self.len = last;
        candidate
    }
}

/// A list of chunks and a chunk are about equally long with four thousand nodes.
const CHUNK: usize = 64;

#[cfg(test)]
impl Seats {
    /// How many chunks it does not share with one before it.
    pub(super) fn rewritten_since(&self, before: &Self) -> usize {
        let shared = self.chunks.iter().zip(&before.chunks);
        self.chunks.len() - shared.filter(|(one, other)| Arc::ptr_eq(one, other)).count()
    }
}
