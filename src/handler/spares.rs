//! Answered requests whose memory a lane uses for those that come.

use actix::prelude::Actor;
use callboard_actors::inbox::{Inbox, Job};

/// A few answered requests.
pub(super) struct Spares<A: Actor>(Vec<Box<dyn Job<A>>>);

impl<A: Actor> Spares<A> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// One of this endpoint; from the inbox, where there is none at hand.
    #[inline]
    pub(super) fn take(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        match self.0.last() {
            Some(last) if last.endpoint() == endpoint => self.0.pop(),
            _ => self.look_further(endpoint, inbox),
        }
    }

    #[inline(never)]
    fn look_further(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        self.find(endpoint).or_else(|| {
            // What is left of other endpoints has not been needed for a while.
            self.0.clear();
            inbox.take_spares(&mut self.0);
            self.find(endpoint)
        })
    }

    fn find(&mut self, endpoint: usize) -> Option<Box<dyn Job<A>>> {
        let place = self.0.iter().rposition(|job| job.endpoint() == endpoint)?;
        Some(self.0.swap_remove(place))
    }

    /// Gives their memory back.
    pub(super) fn rest(&mut self) {
        self.0 = Vec::new();
    }
}
