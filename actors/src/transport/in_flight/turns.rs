//! When calls began.
//!
//! A call is put down without a look at the clock: the connection's own task, which knows the time
//! anyway, says for all that came since its last poll that their time runs. They share one moment,
//! which is written once, and none of them is looked at for it.
//!
//! Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::Deadline;

/// How long a call waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// From when the connection takes it.
    Within(Duration),
    /// Until this moment.
    Until(Deadline),
    /// As long as whoever made it, who looks at the clock for all calls of a gathering.
    Unlimited,
}

/// When a call began, and when it is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) begun: Instant,
    pub(crate) deadline: Instant,
}

impl Patience {
    fn from(self, begun: Instant) -> Option<Timing> {
        let deadline = match self {
            Self::Within(timeout) => Deadline::after(begun, timeout),
            Self::Until(deadline) => deadline,
            Self::Unlimited => return None,
        };
        Some(Timing { begun, deadline: deadline.instant() })
    }
}

/// The moments at which the calls in flight began; no more than there are calls, and one.
#[derive(Debug, Default)]
pub(super) struct Turns {
    all: Vec<Turn>,
    free: Vec<u32>,
    /// That of the next call, if there is one.
    next: Option<u32>,
}

/// Where the moment of a call is kept; of no meaning once the call has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnId(u32);

/// Calls that were put down between two looks at the clock.
#[derive(Debug, Default)]
struct Turn {
    /// When their time began to run.
    begun: Option<Instant>,
    calls: u32,
    /// The least of what they wait.
    least: Option<Duration>,
    /// The first of the moments until which they wait.
    first: Option<Instant>,
}

impl Turns {
    /// A call is put down.
    #[inline]
    pub(super) fn enter(&mut self, patience: &Patience) -> TurnId {
        let index = match self.next {
            Some(index) => index,
            None => self.open(),
        };
        if let Some(turn) = self.all.get_mut(index as usize) {
            turn.calls += 1;
            match *patience {
                Patience::Within(timeout) => {
                    turn.least = Some(turn.least.map_or(timeout, |least| least.min(timeout)));
                }
                Patience::Until(deadline) => {
                    let moment = deadline.instant();
                    turn.first = Some(turn.first.map_or(moment, |first| first.min(moment)));
                }
                Patience::Unlimited => {}
            }
        }
        TurnId(index)
    }

    /// A call has ended.
    #[inline]
    pub(super) fn leave(&mut self, TurnId(index): TurnId) {
        let Some(turn) = self.all.get_mut(index as usize) else { return };
        turn.calls -= 1;
        if turn.calls == 0 && turn.begun.is_some() {
            *turn = Turn::default();
            self.free.push(index);
        }
    }

    /// Lets the time of all calls run that came since the last time; the earliest of their
    /// deadlines.
    pub(super) fn run(&mut self, now: Instant) -> Option<Instant> {
        let index = self.next.take()?;
        let turn = self.all.get_mut(index as usize)?;
        if turn.calls == 0 {
            // They have all ended in the meantime.
            *turn = Turn::default();
            self.next = Some(index);
            return None;
        }
        turn.begun = Some(now);
        let least = turn.least.map(|least| Deadline::after(now, least).instant());
        least.into_iter().chain(turn.first).min()
    }

    /// When the time of a call began to run, if it has.
    #[inline]
    pub(super) fn begun(&self, TurnId(index): TurnId) -> Option<Instant> {
        self.all.get(index as usize)?.begun
    }

    /// The same, and when it is over, if it is by itself.
    pub(super) fn timing(&self, id: TurnId, patience: Patience) -> Option<Timing> {
        patience.from(self.begun(id)?)
    }

    fn open(&mut self) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push(Turn::default());
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        });
        self.next = Some(index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn calls_of_a_turn_share_its_moment_and_have_each_its_deadline() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let until = Patience::Until(Deadline::at(now + 3 * SECOND));
        let all = [Patience::Within(2 * SECOND), until, Patience::Unlimited];
        let ids = all.map(|patience| turns.enter(&patience));
        assert!(ids.iter().all(|id| turns.begun(*id).is_none()));
        assert_eq!(turns.run(now), Some(now + 2 * SECOND));
        let deadlines = [0, 1, 2].map(|it| turns.timing(ids[it], all[it]).map(|it| it.deadline));
        assert_eq!(deadlines, [Some(now + 2 * SECOND), Some(now + 3 * SECOND), None]);
        // What comes later has a moment of its own.
        let later = turns.enter(&Patience::Within(SECOND));
        assert_eq!(turns.run(now + SECOND), Some(now + 2 * SECOND));
        assert_eq!(turns.begun(later), Some(now + SECOND));
        assert!(ids.iter().all(|id| turns.begun(*id) == Some(now)));
        assert_eq!(turns.run(now + SECOND), None, "nothing has come since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_used_again_when_all_its_calls_have_left() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let long = turns.enter(&Patience::Within(SECOND));
        turns.run(now);
        for _ in 0..1_000 {
            let ids = [(); 3].map(|()| turns.enter(&Patience::Unlimited));
            // One ends before its time has begun to run.
            turns.leave(ids[0]);
            turns.run(now + SECOND);
            turns.leave(ids[1]);
            assert_eq!(turns.begun(ids[2]), Some(now + SECOND));
            turns.leave(ids[2]);
            let gone = turns.enter(&Patience::Within(SECOND));
            turns.leave(gone);
            assert_eq!(turns.run(now), None, "nobody waits");
        }
        assert_eq!(turns.begun(long), Some(now));
        assert!(turns.all.len() <= 2, "{} turns", turns.all.len());
    }
}
