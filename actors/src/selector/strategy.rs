//! How one of several fitting nodes is chosen.
//!
//! Pure.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand::Rng;

use super::Eligible;

/// How one of several fitting nodes is chosen.
///
/// ```
/// use callboard_actors::selector::Strategy;
///
/// let strategy: Strategy = "round-robin".parse()?;
/// assert_eq!(strategy.to_string(), "round-robin");
/// # Ok::<(), callboard_actors::selector::StrategyError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Any, each as often as the others; `random`.
    Random,
    /// One after the other; `round-robin`. Callers begin at different nodes.
    RoundRobin,
    /// The one with the fewest calls in flight from here; `least-in-flight`.
    ///
    /// The very least of up to 32 nodes; among more, the least of five taken at random, which is
    /// almost as good and costs the same for any number.
    LeastInFlight,
    /// The cheaper of two taken at random, by latency times calls in flight; `p2c`, the default.
    ///
    /// The latency is a peak-EWMA: a slow answer counts at once and is forgotten exponentially.
    #[default]
    PeakEwma,
    /// The same node for the same key, as long as it is there; `hash`.
    ///
    /// A node that has more than 1.25 times its fair share of the calls in flight passes a key on
    /// to the next one. Calls without a key go by [`PeakEwma`](Self::PeakEwma). New nodes get
    /// their keys at once: slow start would move each of them twice.
    ConsistentHash,
    /// An own one.
    Custom(Arc<dyn CustomStrategy>),
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::LeastInFlight => "least-in-flight",
            Self::PeakEwma => "p2c",
            Self::ConsistentHash => "hash",
            Self::Custom(own) => own.name(),
        })
    }
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.trim().to_ascii_lowercase().as_str() {
            "random" => Ok(Self::Random),
            "round-robin" | "roundrobin" => Ok(Self::RoundRobin),
            "least-in-flight" => Ok(Self::LeastInFlight),
            "p2c" | "peak-ewma" => Ok(Self::PeakEwma),
            "hash" => Ok(Self::ConsistentHash),
            _ => Err(StrategyError { name: name.to_owned() }),
        }
    }
}

/// A way of choosing that is not built in.
///
/// ```
/// use callboard_actors::selector::{CustomStrategy, Eligible, Rng};
///
/// /// Always the first that will do, so that the others are spares.
/// #[derive(Debug)]
/// struct First;
///
/// impl CustomStrategy for First {
///     fn name(&self) -> &str {
///         "first"
///     }
///
///     fn choose(
///         &self,
///         nodes: &Eligible<'_>,
///         _key: Option<&str>,
///         _rng: &mut dyn Rng,
///     ) -> Option<usize> {
///         (0..nodes.len()).find(|index| nodes.is_eligible(*index))
///     }
/// }
/// ```
pub trait CustomStrategy: fmt::Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// The index of the node to call.
    ///
    /// Runs for every attempt of a call, and once more while no connection to the node is open; on
    /// the caller's thread, so that it should neither wait nor allocate. `None`,
    /// and an index that is not eligible, leave the choice to [`Strategy::PeakEwma`].
    fn choose(&self, nodes: &Eligible<'_>, key: Option<&str>, rng: &mut dyn Rng) -> Option<usize>;
}

/// A setting names no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown selector {name:?}, expected one of random, round-robin, least-in-flight, p2c, hash"
)]
pub struct StrategyError {
    /// What was set.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_what_displays_it() {
        for name in ["random", "round-robin", "least-in-flight", "p2c", "hash"] {
            assert_eq!(name.parse::<Strategy>().unwrap().to_string(), name);
        }
        assert!(matches!("Peak-EWMA".parse(), Ok(Strategy::PeakEwma)));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "fastest".parse::<Strategy>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown selector \"fastest\", expected one of random, round-robin, least-in-flight, \
             p2c, hash"
        );
    }
}
