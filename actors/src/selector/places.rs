//! Where the nodes are among which a pick chooses.

use std::sync::Arc;

use super::candidate::Candidate;
use super::seats::Seats;
use crate::sorted::Sorted;

/// Where the nodes are among which a pick chooses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Places<'a> {
    All(&'a Seats),
    /// Those of one version.
    Version(&'a Sorted<Arc<Candidate>>),
    Nowhere,
}

impl<'a> Places<'a> {
    /// How many nodes there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(seats) => seats.len(),
            Self::Version(nodes) => nodes.len(),
            Self::Nowhere => 0,
        }
    }

    /// The node at one of so many places.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&'a Arc<Candidate>> {
        match self {
            Self::All(seats) => seats.get(index),
            Self::Version(nodes) => nodes.get(index),
            Self::Nowhere => None,
        }
    }

    /// The only node there is, if all is well with it.
    #[inline]
    pub(super) fn sole(&self) -> Option<&'a Arc<Candidate>> {
        let sole = if self.len() == 1 { self.get(0) } else { None };
        sole.filter(|candidate| candidate.vitals().health.is_spotless())
    }

    /// All nodes, beginning at one of the places.
    pub(super) fn round_from(&self, index: usize) -> impl Iterator<Item = &'a Arc<Candidate>> {
        self.iter_from(index).chain(self.iter_from(0).take(index))
    }

    fn iter_from(&self, index: usize) -> impl Iterator<Item = &'a Arc<Candidate>> {
        let (seats, nodes) = match *self {
            Self::All(seats) => (Some(seats), None),
            Self::Version(nodes) => (None, Some(nodes)),
            Self::Nowhere => (None, None),
        };
        let seats = seats.into_iter().flat_map(move |seats| seats.iter_from(index));
        seats.chain(nodes.into_iter().flat_map(move |nodes| nodes.iter_from(index)))
    }
}
