//! Answered requests whose memory a lane uses for those that come.

use actix::prelude::Actor;
use callboard_actors::inbox::{Inbox, Job};

/// Answered requests of one inbox, for the batch that is being put together; between batches there
/// are none.
pub(super) struct Spares<A: Actor> {
    /// As many as were asked for.
    of_endpoints: Vec<AtHand<A>>,
}

/// Those of one endpoint.
struct AtHand<A: Actor> {
    jobs: Vec<Box<dyn Job<A>>>,
    /// How many to take next: twice as many each time, since a batch may be one request or many.
    next: usize,
    /// The inbox has no more.
    is_dry: bool,
}

impl<A: Actor> Spares<A> {
    pub(super) fn new() -> Self {
        Self { of_endpoints: Vec::new() }
    }

    /// One of this endpoint; from the inbox, where there is none at hand.
    #[inline]
    pub(super) fn take(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        match self.of_endpoints.get_mut(endpoint).and_then(|at_hand| at_hand.jobs.pop()) {
            Some(spare) => Some(spare),
            None => self.take_from(endpoint, inbox),
        }
    }

    #[inline(never)]
    fn take_from(&mut self, endpoint: usize, inbox: &Inbox<A>) -> Option<Box<dyn Job<A>>> {
        if self.of_endpoints.len() <= endpoint {
            self.of_endpoints.resize_with(endpoint + 1, AtHand::default);
        }
        let AtHand { jobs, next, is_dry } = &mut self.of_endpoints[endpoint];
        if *is_dry {
            return None;
        }
        inbox.take_spares(endpoint, *next, jobs);
        *is_dry = jobs.len() < *next;
        *next = (*next * 2).min(PORTION);
        jobs.pop()
    }

    /// Gives those back that the batch has not needed.
    pub(super) fn settle(&mut self, inbox: &Inbox<A>) {
        for AtHand { jobs, next, is_dry } in &mut self.of_endpoints {
            (*next, *is_dry) = (1, false);
            if !jobs.is_empty() {
                inbox.give_spares(jobs);
            }
        }
    }

    /// Gives its own memory back.
    pub(super) fn rest(&mut self) {
        self.of_endpoints = Vec::new();
    }
}

impl<A: Actor> Default for AtHand<A> {
    fn default() -> Self {
        Self { jobs: Vec::new(), next: 1, is_dry: false }
    }
}

/// Taken at a time at most.
const PORTION: usize = 16;

#[cfg(test)]
mod tests {
    use std::any::Any;

    use callboard_actors::contain::Panic;
    use callboard_actors::inbox::{InboxOptions, JobKey, Progress};
    use callboard_actors::message::Refusal;
    use callboard_actors::supervisor::Child;
    use callboard_actors::{Context, Deadline};

    use super::*;

    struct Nobody;

    impl Actor for Nobody {
        type Context = Context<Self>;
    }

    /// Of an endpoint.
    struct Spare(usize);

    impl Job<Nobody> for Spare {
        fn key(&self) -> JobKey {
            JobKey { origin: 0, id: 0 }
        }

        fn deadline(&self) -> Option<Deadline> {
            None
        }

        fn endpoint(&self) -> usize {
            self.0
        }

        fn run(&mut self, _: &mut Nobody, _: &mut Context<Nobody>) -> Progress<Nobody> {
            Progress::Done
        }

        fn spare(self: Box<Self>) -> Option<Box<dyn Any>> {
            Some(self)
        }

        fn panicked(&mut self, _: &Panic) {}

        fn refuse(&mut self, _: Refusal) {}
    }

    #[test]
    fn a_batch_takes_what_it_needs_and_gives_back_the_rest() {
        let (_, inbox) = Child::new("a", || Nobody).with_inbox(InboxOptions::default());
        let give = |endpoint: usize, count: usize| {
            let mut spares =
                (0..count).map(|_| Box::new(Spare(endpoint)) as Box<dyn Job<Nobody>>).collect();
            inbox.give_spares(&mut spares);
        };
        let left = |endpoint: usize| {
            let mut left = Vec::new();
            inbox.take_spares(endpoint, usize::MAX, &mut left);
            let count = left.len();
            inbox.give_spares(&mut left);
            count
        };
        let mut spares = Spares::new();
        assert!(spares.take(0, &inbox).is_none());
        give(0, 40);
        give(1, 2);
        assert!(spares.take(0, &inbox).is_none(), "it asks once for each batch");
        spares.settle(&inbox);
        assert!(spares.take(0, &inbox).is_some());
        assert_eq!(left(0), 39, "a batch may be one request");
        (0..4).for_each(|_| assert!(spares.take(0, &inbox).is_some()));
        assert_eq!(left(0), 33);
        assert!(spares.take(1, &inbox).is_some() && spares.take(1, &inbox).is_some());
        assert!(spares.take(1, &inbox).is_none());
        spares.settle(&inbox);
        assert_eq!((left(0), left(1)), (35, 0));
    }
}
