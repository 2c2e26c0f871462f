//! Actors that have been given something to do and have not been told yet.

use std::fmt;
use std::sync::Arc;

use crate::context::take_turn;

/// Actors that are to have a turn once all of a batch has been handed out.
///
/// Those that live on the present arbiter have it within the turn of whoever brought the batch, so
/// that what they answer at once is there when that turn ends, and goes back together. Dropping it
/// wakes those that have not had theirs.
///
/// ```
/// use callboard_actors::inbox::DueTurns;
///
/// let mut due = DueTurns::default();
/// // … events are handed to actors, and then:
/// due.take();
/// ```
#[derive(Default)]
pub struct DueTurns {
    actors: Vec<Arc<dyn Due>>,
}

/// The inbox of an actor that is to have a turn.
pub(super) trait Due: Send + Sync {
    /// The actor's number.
    fn number(&self) -> u64;

    /// Wakes the actor.
    fn ring(&self);
}

impl DueTurns {
    /// Gives each its turn, at once if it lives on the present arbiter and has none just now; the
    /// others are woken.
    pub fn take(&mut self) {
        self.actors.reverse();
        // One by one: should a turn panic, those behind it are still woken.
        while let Some(due) = self.actors.pop() {
            if !take_turn(due.number()) {
                due.ring();
            }
        }
    }

    pub(super) fn add(&mut self, due: Arc<dyn Due>) {
        self.actors.push(due);
    }
}

impl Drop for DueTurns {
    fn drop(&mut self) {
        self.actors.iter().for_each(|due| due.ring());
    }
}

impl fmt::Debug for DueTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueTurns").field("actors", &self.actors.len()).finish()
    }
}
