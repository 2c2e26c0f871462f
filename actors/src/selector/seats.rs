//! The nodes of a service without gaps, so that any of them is found by a number at once.
//!
//! Where a node sits says nothing of it: whoever comes takes the seat of who left, or else sits at
//! the end, and where seats stay empty the last nodes move there. So a change touches few seats,
//! however many there are. They are kept in rows, and these in blocks: a copy copies the list of
//! blocks, and a change the block and the row of a seat.

use std::array;
use std::sync::Arc;

use super::candidate::Candidate;

/// The nodes of a service without gaps.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats {
    /// All full but the last, which is not empty.
    blocks: Vec<Arc<Block>>,
    len: usize,
}

/// Rows; those behind the last seat mostly share one.
type Block = [Arc<Row>; ROWS];

type Row = [Option<Arc<Candidate>>; ROW];

impl Seats {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whose seat it is.
    #[inline]
    pub(super) fn get(&self, seat: usize) -> Option<&Arc<Candidate>> {
        self.blocks.get(seat / BLOCK)?[seat / ROW % ROWS][seat % ROW].as_ref()
    }

    /// The nodes from a seat on.
    pub(super) fn iter_from(&self, seat: usize) -> impl Iterator<Item = &Arc<Candidate>> {
        let blocks = self.blocks.get(seat / BLOCK..).unwrap_or_default();
        let rows = blocks.iter().flat_map(|block| block.iter()).skip(seat / ROW % ROWS);
        rows.flat_map(|row| row.iter()).skip(seat % ROW).flatten()
    }

    /// Gives a seat that somebody has, or the one behind the last, to a node.
    pub(super) fn seat(&mut self, seat: usize, candidate: Arc<Candidate>) {
        if seat / BLOCK == self.blocks.len() {
            let empty = Arc::new(array::from_fn(|_| None));
            self.blocks.push(Arc::new(array::from_fn(|_| Arc::clone(&empty))));
        }
        if let Some(block) = self.blocks.get_mut(seat / BLOCK) {
            candidate.take_seat(u32::try_from(seat).unwrap_or(u32::MAX));
            let row = &mut Arc::make_mut(block)[seat / ROW % ROWS];
            Arc::make_mut(row)[seat % ROW] = Some(candidate);
            self.len = self.len.max(seat + 1);
        }
    }

    /// Has the last node stand up.
    pub(super) fn pop(&mut self) -> Option<Arc<Candidate>> {
        let last = self.len.checked_sub(1)?;
        let row = &mut Arc::make_mut(self.blocks.last_mut()?)[last / ROW % ROWS];
        let candidate = Arc::make_mut(row)[last % ROW].take();
        if last % BLOCK == 0 {
            self.blocks.pop();
        }
        self.len = last;
        candidate
    }
}

/// Seats of a row.
const ROW: usize = 16;

/// Rows of a block. With ten thousand nodes there are twenty blocks, and with as many as a selector
/// may hold by default 128.
const ROWS: usize = 32;

/// Seats of a block.
const BLOCK: usize = ROW * ROWS;

#[cfg(test)]
impl Seats {
    /// How many seats, rows and blocks had to be copied since one before it.
    pub(super) fn copied_since(&self, before: &Self) -> usize {
        let is_known = |row: &Arc<Row>| {
            before.blocks.iter().flat_map(|block| block.iter()).any(|known| Arc::ptr_eq(row, known))
        };
        let blocks = self
            .blocks
            .iter()
            .filter(|block| !before.blocks.iter().any(|known| Arc::ptr_eq(block, known)));
        let rows = blocks.clone().flat_map(|block| block.iter()).filter(|row| !is_known(row));
        self.blocks.len() + blocks.count() * ROWS + rows.count() * ROW
    }
}
