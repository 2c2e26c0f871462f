//! What a pick looks at in a node: its load, its health and how new it is.
//!
//! Pure.

use super::health::Health;
use super::load::Load;
use super::moment::Moment;
use super::options::SelectorOptions;

/// Everything a pick without filters looks at, on one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Vitals {
    pub(super) load: Load,
    pub(super) health: Health,
    /// When slow start began; never for a node that was there from the beginning.
    pub(super) warming_since: Moment,
}

impl Vitals {
    /// The share it gets of what is due to a node, from a tenth up to 1 at the end of slow start.
    pub(super) fn share(&self, now: Moment, options: &SelectorOptions) -> f32 {
        if self.warming_since == Moment::NEVER {
            return 1.0;
        }
        let elapsed = now.since(self.warming_since);
        if elapsed >= options.slow_start {
            return 1.0;
        }
        (elapsed.as_secs_f32() / options.slow_start.as_secs_f32()).max(SHARE_MIN)
    }
}

/// A new node gets a tenth of its share at once, otherwise nothing would ever warm it.
const SHARE_MIN: f32 = 0.1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_pick_looks_at_fits_one_cache_line() {
        assert_eq!(size_of::<Vitals>(), 64);
    }

    #[test]
    fn the_share_of_a_new_node_grows_linearly_from_a_tenth() {
        let options = SelectorOptions::default();
        let begin = Moment::after_epoch(Duration::from_secs(5));
        let vitals = Vitals { warming_since: begin, ..Vitals::default() };
        let share = |seconds| vitals.share(begin.plus(Duration::from_secs(seconds)), &options);
        let expected = [(0, 0.1), (1, 0.1), (3, 0.3), (7, 0.7), (10, 1.0), (1000, 1.0)];
        for (seconds, expected) in expected {
            assert!((share(seconds) - expected).abs() < 1e-5, "{seconds} s: {}", share(seconds));
        }
    }

    #[test]
    fn a_node_that_was_there_from_the_beginning_gets_its_whole_share() {
        let share = Vitals::default().share(Moment::NEVER, &SelectorOptions::default());
        assert!((share - 1.0).abs() < f32::EPSILON);
    }
}
