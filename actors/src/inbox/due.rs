//! Actors that have been given something to do and have not been told yet.

use std::fmt;
use std::sync::Arc;

use crate::context::take_turn;

/// Actors that are to have a turn once all of a batch has been handed out.
///
/// They live on the present arbiter and have it within the turn of whoever brought the batch, so
/// that what they answer at once is there when that turn ends, and goes back together. Actors that
/// live elsewhere are woken as soon as they are given something. Dropping it wakes those that have
/// not had their turn.
///
/// [Take](Self::take) or drop it before anything is awaited: until then nobody wakes these actors,
/// as whoever gives them something in the meantime finds that they have been given something before.
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
    /// Gives the first 32 a turn each before this returns, but for those that have one just now;
    /// the others are woken, so that what else the arbiter has to do need not wait for all of them.
    pub fn take(&mut self) {
        self.actors.reverse();
        // One by one: should a turn panic, those behind it are still woken.
        for _ in 0..TURNS_MOST {
            let Some(due) = self.actors.pop() else { return };
            if !take_turn(due.number()) {
                due.ring();
            }
        }
        std::mem::take(&mut self.actors).iter().rev().for_each(|due| due.ring());
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

/// Turns given at once: enough for what answers together to leave together, few enough that the
/// rest of the arbiter waits for the work of some actors only.
const TURNS_MOST: usize = 32;
