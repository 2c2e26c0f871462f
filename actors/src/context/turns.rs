//! The turns of an actor, as they are counted.

use std::time::Duration;

use tokio::time::Instant;

use crate::vitals::Work;

/// Counts turns and has some of them timed: reading the clock twice would cost a short one a good
/// part of its time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    count: u32,
    /// The present one, if a part of it is over.
    begun: Option<BegunTurn>,
}

/// A turn that is not over.
#[derive(Debug)]
pub(super) struct BegunTurn {
    at: Option<Instant>,
    pub(super) work: Work,
}

impl Turns {
    /// Begins the next turn, unless it goes on with one that was [put off](Self::put_off).
    pub(super) fn begin(&mut self) -> BegunTurn {
        self.begun.take().unwrap_or_else(|| {
            self.count = self.count.wrapping_add(1);
            let at = self.count.is_multiple_of(SAMPLED).then(Instant::now);
            BegunTurn { at, work: Work::default() }
        })
    }

    /// Leaves the rest of a turn to what begins the next one.
    pub(super) fn put_off(&mut self, turn: BegunTurn) {
        self.begun = Some(turn);
    }
}

impl BegunTurn {
    /// What was done in it; one that was timed stands for those that are not.
    pub(super) fn end(self) -> Work {
        let busy = self.at.map_or(Duration::ZERO, |at| at.elapsed() * SAMPLED);
        Work { busy, ..self.work }
    }
}

/// One turn in this many is timed.
const SAMPLED: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_was_put_off_is_one_turn() {
        let mut turns = Turns::default();
        for _ in 0..SAMPLED {
            let mut turn = turns.begin();
            turn.work.requests += 1;
            turns.put_off(turn);
            assert_eq!(turns.begin().end().requests, 1);
        }
        assert_eq!((turns.count, turns.begin().end().requests), (SAMPLED, 0));
    }
}
