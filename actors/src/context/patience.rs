//! How long an actor stays awake for callers on other arbiters.
//!
//! Whom it answered there often asks again at once. Were its arbiter asleep by then, the caller's one
//! would have to wake it, which costs a system call and, where a processor is to be woken, much more
//! than a few turns in which nothing is found. So an actor gives way a few times, to all others on its
//! arbiter, before it rests.
//!
//! Pure.

/// The turns that an actor takes before it rests.
#[derive(Debug, Default)]
pub(super) struct Patience {
    left: u32,
}

impl Patience {
    /// A turn is over that left nothing to be done; whether to take another one.
    pub(super) fn lasts(&mut self, has_answered: bool) -> bool {
        let left = if has_answered { Some(TURNS) } else { self.left.checked_sub(1) };
        self.left = left.unwrap_or(0);
        left.is_some_and(|left| left > 0)
    }
}

/// Turns without anything to do, of which each only finds that nothing has come.
const TURNS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_for_a_few_turns_after_the_latest_answer() {
        let mut patience = Patience::default();
        assert!(!patience.lasts(false));
        assert!(patience.lasts(true) && patience.lasts(false));
        assert!(patience.lasts(true));
        let turns = (0..TURNS * 2).take_while(|_| patience.lasts(false)).count();
        assert_eq!(turns, TURNS as usize - 1);
        assert!(!patience.lasts(false), "and not again");
    }
}
