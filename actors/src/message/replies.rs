//! Small replies that arrived one after the other.
//!
//! Pure.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::RequestId;

/// Replies without pairs beside them, in one piece of memory.
///
/// They are handed on together: a message for each, and a reference on the memory it arrived in, would
/// cost more than copying so little.
///
/// ```
/// use bytes::Bytes;
/// use callboard_actors::message::{Replies, RequestId};
///
/// let places = vec![(RequestId(7), 1..4), (RequestId(5), 5..8)];
/// let replies = Replies::new(Bytes::from_static(b"-one-two"), places);
/// let all: Vec<(RequestId, &[u8])> = replies.iter().collect();
/// assert_eq!(all, [(RequestId(7), &b"one"[..]), (RequestId(5), b"two")]);
/// ```
#[derive(Clone)]
pub struct Replies {
    memory: Bytes,
    places: Vec<(RequestId, Range<u32>)>,
}

impl Replies {
    /// The longest body of a reply that is put together with others, in bytes.
    ///
    /// Copying such a one costs less than a reference on its memory.
    pub const LONGEST: usize = 512;

    /// Replies to these requests, whose bodies are at these places of some memory.
    ///
    /// At a place outside of the memory there is an empty body.
    #[must_use]
    pub fn new(memory: Bytes, places: Vec<(RequestId, Range<u32>)>) -> Self {
        Self { memory, places }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of all bodies together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, body)| body.len()).sum()
    }

    /// The memory, and where in it which body is.
    #[inline]
    pub(crate) fn into_parts(self) -> (Bytes, Vec<(RequestId, Range<u32>)>) {
        (self.memory, self.places)
    }

    /// All replies, in order: what they answer, and their bodies.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, &[u8])> {
        self.places.iter().map(|(id, place)| {
            let place = place.start as usize..place.end as usize;
            (*id, self.memory.get(place).unwrap_or_default())
        })
    }

    /// The replies one by one, each with a reference of its own on the memory.
    pub fn separate(&self) -> impl Iterator<Item = (RequestId, Bytes)> {
        // An empty body keeps no memory alive.
        self.iter().map(|(id, body)| match body {
            [] => (id, Bytes::new()),
            body => (id, self.memory.slice_ref(body)),
        })
    }
}

/// Equal replies in the same order; where they are does not matter.
impl PartialEq for Replies {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Replies {}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.separate()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_the_same_wherever_they_are() {
        let (one, two) = (RequestId(1), RequestId(2));
        let memory = Bytes::from_static(b"..one....two.");
        let replies = Replies::new(memory, vec![(one, 2..5), (two, 7..7), (two, 9..12)]);
        assert_eq!((replies.len(), replies.bytes()), (3, 6));
        let moved = Bytes::from_static(b"onetwo");
        let same = Replies::new(moved.clone(), vec![(one, 0..3), (two, 9..99), (two, 3..6)]);
        assert_eq!(replies, same);
        let bodies: Vec<_> = same.separate().map(|(_, body)| body).collect();
        assert_eq!(bodies, ["one", "", "two"]);
        assert_ne!(same, Replies::new(moved, vec![(two, 0..3), (two, 0..0), (two, 3..6)]));
    }
}
