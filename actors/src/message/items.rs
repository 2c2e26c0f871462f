//! Items of one stream that arrived one after the other.
//!
//! Pure.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Items of a stream in one piece of memory, at least one.
///
/// They are handed on together: each by itself would cost two atomic changes, for a reference on
/// the memory it arrived in.
///
/// ```
/// use bytes::Bytes;
/// use callboard_actors::message::Items;
///
/// let items = Items::new(Bytes::from_static(b"-one-two"), vec![1..4, 5..8]);
/// let texts: Vec<&[u8]> = items.iter().collect();
/// assert_eq!(texts, [b"one", b"two"]);
/// ```
#[derive(Clone)]
pub struct Items {
    memory: Bytes,
    /// Where they are; nowhere: all of the memory is one item.
    places: Vec<Range<usize>>,
}

impl Items {
    /// Items at these places of some memory; without any, all of it is one item.
    ///
    /// At a place outside of the memory there is an empty item.
    #[must_use]
    pub fn new(memory: Bytes, places: Vec<Range<usize>>) -> Self {
        Self { memory, places }
    }

    /// How many there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.places.len().max(1)
    }

    /// Bytes of all items together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The items one by one, each with a reference of its own on the memory.
    pub fn separate(&self) -> impl Iterator<Item = Bytes> {
        // An empty item keeps no memory alive.
        self.iter().map(|item| match item {
            [] => Bytes::new(),
            item => self.memory.slice_ref(item),
        })
    }

    /// The item at this place in the order.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        match self.places.get(index) {
            Some(place) => Some(self.memory.get(place.clone()).unwrap_or_default()),
            None if self.places.is_empty() && index == 0 => Some(&self.memory),
            None => None,
        }
    }

    /// The same in memory that has nothing else in it.
    pub(crate) fn moved(&self) -> Self {
        let mut memory = BytesMut::with_capacity(self.bytes());
        let place = |item: &[u8]| {
            let start = memory.len();
            memory.extend_from_slice(item);
            start..memory.len()
        };
        let places = self.iter().map(place).collect();
        Self { memory: memory.freeze(), places }
    }
}

impl From<Bytes> for Items {
    fn from(item: Bytes) -> Self {
        Self { memory: item, places: Vec::new() }
    }
}

/// Equal items in the same order; where they are does not matter.
impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Items {}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.separate()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_the_same_wherever_they_are() {
        let memory = Bytes::from_static(b"..one....two.");
        let items = Items::new(memory.clone(), vec![2..5, 7..7, 9..12]);
        assert_eq!((items.len(), items.bytes()), (3, 6));
        let moved = items.moved();
        assert_eq!(moved, items);
        assert_eq!(moved.separate().collect::<Vec<_>>(), ["one", "", "two"]);
        assert!(moved.iter().all(|item| !memory.as_ptr_range().contains(&item.as_ptr())));
    }

    #[test]
    fn memory_without_places_is_one_item() {
        for memory in [Bytes::from_static(b"item"), Bytes::new()] {
            let items = Items::from(memory.clone());
            assert_eq!((items.len(), items.bytes()), (1, memory.len()));
            assert_eq!((items.get(0), items.get(1)), (Some(&memory[..]), None));
            assert_eq!(items.moved(), items);
        }
    }
}
