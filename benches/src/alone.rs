//! One operation alone, over and over, in a process that can be sampled meanwhile.
//!
//! `micro alone WAY IN-FLIGHT SECONDS` asks across arbiters, `growth alone SUBJECT SIZE SECONDS`
//! repeats what grows. Each prepares, [announces](crate::worker::announce) that it begins, and
//! prints at last what one operation takes as a line of JSON.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::usage::usage;
use crate::worker::announce;

/// One operation, as the command line asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// Names it.
    pub what: String,
    /// How many there are of what it varies with.
    pub size: u64,
    /// How long it is repeated.
    pub time: Duration,
}

impl Alone {
    /// Reads the words of a command line; `None` when they ask for something else.
    pub fn parse(words: &[&str]) -> Option<Self> {
        let [ALONE, what, size, seconds] = words else { return None };
        let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
        Some(Self { what: (*what).to_owned(), size: size.parse().ok()?, time })
    }

    /// The words that [`parse`](Self::parse) reads as this.
    pub fn to_words(&self) -> [String; 4] {
        let Self { what, size, time } = self;
        [ALONE.to_owned(), what.clone(), size.to_string(), time.as_secs_f64().to_string()]
    }

    /// Repeats `turn` for that time; it returns the nanoseconds that one operation took by the
    /// clock, the figure has those of all this process's processors.
    pub fn repeat(&self, mut turn: impl FnMut() -> f64) -> Figure {
        // Connections, caches and the like are there afterwards.
        turn();
        announce(BEGINS);
        let (begun, before, mut nanos, mut turns) = (Instant::now(), processor_time(), 0.0, 0.0);
        while turns == 0.0 || begun.elapsed() < self.time {
            nanos += turn();
            turns += 1.0;
        }
        let busy = processor_time().saturating_sub(before).as_secs_f64();
        let busy = busy / begun.elapsed().as_secs_f64();
        Figure::new(ALONE, &self.what, ("", self.size)).value(busy * nanos / turns, "ns")
    }
}

fn processor_time() -> Duration {
    usage(std::process::id()).cpu
}

/// Asks a program for it.
const ALONE: &str = "alone";

/// What is announced.
const BEGINS: &str = "begins";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        let alone = Alone { what: "nodes".into(), size: 10, time: Duration::from_secs_f64(1.5) };
        let words = alone.to_words();
        assert_eq!(Alone::parse(&words.each_ref().map(String::as_str)), Some(alone));
        assert_eq!(Alone::parse(&["alone", "nodes", "ten", "1"]), None);
        assert_eq!(Alone::parse(&["nodes"]), None);
    }

    #[test]
    fn it_has_a_turn_even_in_no_time() {
        let (alone, mut turns) = (Alone { what: "it".into(), size: 1, time: Duration::ZERO }, 0);
        let figure = alone.repeat(|| {
            turns += 1;
            100.0
        });
        assert_eq!((turns, figure.name.as_str(), figure.unit.as_str()), (2, "it", "ns"));
    }
}
