//! Answered requests whose memory a lane uses for those that come.

use actix::prelude::Actor;
use callboard_actors::inbox::{Inbox, Job};

/// A few answered requests of each endpoint.
pub(super) struct Spares<A: Actor> {
    of_endpoints: Vec<Vec<Box<dyn Job<A>>>>,
}

impl<A: Actor> Spares<A> {
    pub(super) fn new(endpoints: usize) -> Self {
        Self { of_endpoints: std::iter::repeat_with(Vec::new).take(endpoints).collect() }
    }

    /// One of this endpoint; from the inbox, where there is none at hand.
    #[inline]
    pub(super) fn take(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        match self.of_endpoints.get_mut(endpoint)?.pop() {
            Some(spare) => Some(spare),
            None => self.take_from(endpoint, inbox),
        }
    }

    #[inline(never)]
    fn take_from(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        if self.of_endpoints.iter().map(Vec::len).sum::<usize>() >= MOST {
            self.of_endpoints.iter_mut().for_each(Vec::clear);
        }
        let of_endpoint = self.of_endpoints.get_mut(endpoint)?;
        inbox.take_spares(endpoint, of_endpoint);
        of_endpoint.pop()
    }

    /// Gives their memory back.
    pub(super) fn rest(&mut self) {
        self.of_endpoints.fill_with(Vec::new);
    }
}

/// Requests of all endpoints from which on those that are at hand are dropped instead of getting more.
const MOST: usize = 64;
