//! What may happen to a message on its way.
//!
//! Pure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Faults of one direction between two names; by default none.
///
/// Probabilities are of single messages and lie between 0 and 1.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::transport::Faults;
///
/// let faults = Faults::default().drop(0.01).delay(Duration::from_millis(20));
/// assert_ne!(faults, Faults::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    drop: f64,
    corrupt: f64,
    reorder: f64,
    delay: Duration,
    jitter: Duration,
    refuse: bool,
}

impl Faults {
    /// Lets messages vanish, though their connection lives on.
    ///
    /// What a vanished request defined is told with the next one of its route, so that only the
    /// message itself is lost.
    #[must_use]
    pub fn drop(mut self, probability: f64) -> Self {
        self.drop = probability.clamp(0.0, 1.0);
        self
    }

    /// Makes messages arrive as something that is not the protocol, which ends their connection.
    #[must_use]
    pub fn corrupt(mut self, probability: f64) -> Self {
        self.corrupt = probability.clamp(0.0, 1.0);
        self
    }

    /// Lets messages overtake the one before them, when that has not been received.
    #[must_use]
    pub fn reorder(mut self, probability: f64) -> Self {
        self.reorder = probability.clamp(0.0, 1.0);
        self
    }

    /// Makes messages take this long.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a random part of this to the delay; messages stay in order.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Refuses new connections.
    #[must_use]
    pub fn refuse(mut self, refuse: bool) -> Self {
        self.refuse = refuse;
        self
    }

    /// Whether new connections are refused.
    pub(super) fn refuses(&self) -> bool {
        self.refuse
    }

    /// Draws what happens to one message.
    ///
    /// Draws nothing for faults that are off, so that turning one on leaves others as they were.
    pub(super) fn draw(&self, random: &mut StdRng) -> Fate {
        let mut chance = |probability: f64| probability > 0.0 && random.random_bool(probability);
        if chance(self.drop) {
            return Fate::Dropped;
        }
        if chance(self.corrupt) {
            return Fate::Corrupted;
        }
        let overtakes = chance(self.reorder);
        let jitter = match self.jitter {
            Duration::ZERO => Duration::ZERO,
            jitter => jitter.mul_f64(random.random::<f64>()),
        };
        Fate::Delivered { after: self.delay + jitter, overtakes }
    }
}

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Dropped,
    Corrupted,
    Delivered { after: Duration, overtakes: bool },
}

/// A generator that depends on the seed and on the direction.
pub(super) fn generator(seed: u64, from: &str, to: &str) -> StdRng {
    // FNV-1a with a separator: the standard hasher may change between releases of Rust.
    let bytes = from.bytes().chain([0]).chain(to.bytes());
    let direction = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    StdRng::seed_from_u64(seed ^ direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_direction_draw_the_same() {
        let faults = Faults::default().drop(0.3).corrupt(0.3).jitter(Duration::from_secs(1));
        let draw = |seed, from, to| {
            let mut random = generator(seed, from, to);
            (0..50).map(|_| faults.draw(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "a", "b"), draw(1, "a", "b"));
        assert_ne!(draw(1, "a", "b"), draw(2, "a", "b"));
        assert_ne!(draw(1, "a", "b"), draw(1, "b", "a"));
    }

    #[test]
    fn no_faults_deliver_at_once() {
        let mut random = generator(0, "", "");
        let fate = Fate::Delivered { after: Duration::ZERO, overtakes: false };
        assert_eq!(Faults::default().draw(&mut random), fate);
    }
}
