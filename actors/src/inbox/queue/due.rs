//! Requests of a batch, for which their actor is not woken.

use std::sync::Arc;

use actix::prelude::Actor;
use tokio::time::Instant;

use super::{Inbox, Shared};
use crate::inbox::Job;
use crate::inbox::due::{Due, DueTurns};
use crate::inbox::entry::Entry;

impl<A: Actor> Inbox<A> {
    /// Queues one request of a batch; where the actor lives on the present arbiter it is not woken,
    /// but `due` for a turn.
    ///
    /// `due` is to be [taken](DueTurns::take) or dropped before anything is awaited: until then what
    /// others queue does not wake the actor either.
    pub fn push_due(&self, job: Box<dyn Job<A>>, now: Instant, due: &mut DueTurns)
    where
        A: 'static,
    {
        self.push_entry(Entry::new(job, Some(now)), &now.into(), |shared| {
            if shared.is_at_home() {
                due.add(Arc::clone(shared) as Arc<dyn Due>);
            } else {
                // It need not wait until those at home have had their turns.
                shared.bell.ring();
            }
        });
    }
}

impl<A: Actor> Due for Shared<A> {
    fn number(&self) -> u64 {
        self.number
    }

    fn ring(&self) {
        self.bell.ring();
    }
}
