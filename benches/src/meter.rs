//! Counts calls and their latencies on one thread.
//!
//! A closed loop reads the clock once per call: the end of one is the beginning of the next. In an
//! open loop a call counts from when it should have begun.

mod windows;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

pub use self::windows::{Summary, Untold, Windows};

/// How far a measurement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Calls are made and not counted.
    Warming,
    /// Calls are counted.
    Measuring,
    /// Callers end.
    Over,
}

/// Latencies in buckets whose width is 1/32 of their value or less.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; (64 - STEP_BITS as usize + 1) << STEP_BITS], count: 0 }
    }
}

impl Histogram {
    /// Counts a latency.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
    }

    /// Counts all that another one has.
    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, count)| *own += count);
        self.count += other.count;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share of all does not exceed, to 3 %.
    pub fn quantile(&self, share: f64) -> Duration {
        // Counts of a run are far below where a float becomes coarse.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        Duration::from_nanos(found.map_or(0, lowest))
    }
}

/// Below 64 each value has a bucket, above each power of two has 32.
fn bucket(nanos: u64) -> usize {
    let shift = (64 - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = usize::try_from(nanos >> shift).unwrap_or(usize::MAX);
    ((shift as usize) << STEP_BITS) + step
}

/// The least value of a bucket.
fn lowest(bucket: usize) -> u64 {
    let shift = (bucket >> STEP_BITS).saturating_sub(1);
    ((bucket - (shift << STEP_BITS)) as u64) << shift
}

/// The calls of one caller, one after the other.
#[derive(Debug, Default)]
pub struct Laps {
    begun: Option<Instant>,
}

impl Laps {
    /// Counts the call before; a number that this thread has not used, or `None` at the end.
    pub fn next_call(&mut self) -> Option<u64> {
        let now = Instant::now();
        let begun = self.begun.replace(now);
        match (PHASE.get(), begun) {
            (Phase::Over, _) => return None,
            (Phase::Measuring, Some(begun)) => {
                COUNTED.with_borrow_mut(|counted| counted.record(begun, now));
            }
            _ => {}
        }
        Some(next_number())
    }
}

/// Counts a call that began, or with an open loop should have begun, at `begun` and is over `now`.
pub fn count(begun: Instant, now: Instant) {
    if PHASE.get() == Phase::Measuring {
        COUNTED.with_borrow_mut(|counted| counted.record(begun, now));
    }
}

/// Reads the clock; while it is measured, [`away`](Measured::away) tells for how long this was not
/// called. Not for what is done with each call, which would pay for it.
pub fn look() -> Instant {
    let now = Instant::now();
    if PHASE.get() == Phase::Measuring {
        LOOKS.set(LOOKS.get().next(now));
    }
    now
}

/// A number that this thread has not used.
pub fn next_number() -> u64 {
    NUMBER.replace(NUMBER.get() + 1)
}

/// The phase of this thread.
pub fn phase() -> Phase {
    PHASE.get()
}

/// Begins to measure on this thread, with these windows; returns when that was.
pub fn begin(mut windows: Windows) -> Instant {
    let now = Instant::now();
    windows.begin(now);
    COUNTED.set(Counted { windows, other: Histogram::default() });
    LOOKS.set(Looks::default().next(now));
    PHASE.set(Phase::Measuring);
    now
}

/// Ends what [`begin`] began.
pub fn end() -> Measured {
    // Whoever did not look until now has been away until now.
    let away = LOOKS.take().next(Instant::now()).longest;
    PHASE.set(Phase::Over);
    let Counted { windows, other: mut whole } = COUNTED.take();
    windows.add_to(&mut whole);
    Measured { whole, windows: windows.summary(), away }
}

/// What was measured on a thread.
#[derive(Debug)]
pub struct Measured {
    /// All latencies.
    pub whole: Histogram,
    /// What the windows say, where there were any.
    pub windows: Option<Summary>,
    /// The longest time between two [looks](look) at the clock; the beginning and the end are looks
    /// too. `None` when it was not begun.
    pub away: Option<Duration>,
}

/// What has been counted.
#[derive(Debug, Default)]
struct Counted {
    windows: Windows,
    /// What is in none of them.
    other: Histogram,
}

impl Counted {
    fn record(&mut self, begun: Instant, now: Instant) {
        let histogram = self.windows.find(begun).unwrap_or(&mut self.other);
        histogram.record(now - begun);
    }
}

/// Looks at the clock.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    last: Option<Instant>,
    longest: Option<Duration>,
}

impl Looks {
    fn next(self, now: Instant) -> Self {
        let away = self.last.map(|last| now - last);
        Self { last: Some(now), longest: self.longest.max(away) }
    }
}

thread_local! {
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Warming) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    static COUNTED: RefCell<Counted> = RefCell::default();
    static LOOKS: Cell<Looks> = const { Cell::new(Looks { last: None, longest: None }) };
}

const STEP_BITS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_narrower_than_a_thirtieth_of_its_value() {
        for bits in 0..63 {
            for nanos in [1 << bits, (1 << bits) + 1, (1 << bits) * 3 / 2, (2 << bits) - 1] {
                let lowest = lowest(bucket(nanos));
                assert!(lowest <= nanos && nanos - lowest <= nanos / 30, "{nanos}: {lowest}");
            }
        }
    }

    #[test]
    fn buckets_are_ordered_and_fit_the_table() {
        let buckets: Vec<_> = (0..10_000).map(bucket).collect();
        assert!(buckets.is_sorted());
        assert!(bucket(u64::MAX) < Histogram::default().buckets.len());
    }

    #[test]
    fn a_quantile_is_the_latency_that_this_share_does_not_exceed() {
        let mut histogram = Histogram::default();
        (1..=60).for_each(|nanos| histogram.record(Duration::from_nanos(nanos)));
        assert_eq!(histogram.quantile(0.5), Duration::from_nanos(30));
        assert_eq!(histogram.quantile(1.0), Duration::from_nanos(60));
    }

    #[test]
    fn only_what_is_measured_counts() {
        let windows = Windows::of(Windows::WIDTH * 4, 20.0, 1);
        let micro = Duration::from_micros(1);
        count(Instant::now(), Instant::now() + micro);
        let before = look();
        let begun = begin(windows);
        count(begun, begun + micro);
        count(before, begun + micro);
        let measured = end();
        assert_eq!(measured.whole.count(), 2);
        let untold = measured.windows.and_then(|windows| windows.untold);
        assert_eq!(untold, Some(Untold::Queue), "three windows have no call");
        count(begun, begun + micro);
        assert_eq!(end().whole.count(), 0);
    }

    #[test]
    fn who_never_looks_was_away_all_the_time() {
        let hour = Duration::from_secs(3600);
        LOOKS.set(Looks { last: None, longest: Some(hour) });
        let begun = begin(Windows::default());
        let until = loop {
            let now = Instant::now();
            if now > begun {
                break now;
            }
        };
        let away = end().away.unwrap();
        assert!(away >= until - begun, "from the beginning to the end");
        assert!(away < hour, "what was before does not count");
    }

    #[test]
    fn the_longest_absence_is_between_two_looks() {
        let (now, milli) = (Instant::now(), Duration::from_millis(1));
        let looks = [0, 3, 10, 11].map(|millis| now + milli * millis);
        let looks = looks.into_iter().fold(Looks::default(), Looks::next);
        assert_eq!(looks.longest, Some(7 * milli));
    }
}
