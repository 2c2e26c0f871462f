//! Latencies by windows of time, of which a stall makes a few late and leaves the others alone.
//! Pure.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::Histogram;
use crate::ratio::median;

/// The latencies of each [`WIDTH`](Self::WIDTH) of a measurement.
///
/// A call is in the window in which it began, or with an open loop should have begun. All memory is
/// there before the first one, so that counting neither allocates nor meets a page for the first time.
#[derive(Debug, Default)]
pub struct Windows {
    begun: Option<Instant>,
    all: Vec<Histogram>,
}

/// What windows say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Median of the windows' p50s.
    pub p50: Duration,
    /// Median of the windows' p99s.
    pub p99: Duration,
    /// Share of the windows whose p99 is above [five](Windows::LATE) of that p50; not of their own,
    /// behind which a stall could hide that makes more than half of a window's calls late.
    pub late: f64,
}

impl Windows {
    /// Time of a window.
    pub const WIDTH: Duration = Duration::from_nanos(WIDTH_NANOS as u64);

    /// Beyond so many p50s a window's p99 is late.
    pub const LATE: u32 = 5;

    /// As many as fit, whole; at most 400, which have 6 MiB: what comes later is in none.
    pub fn of(time: Duration) -> Self {
        let count = (time.as_nanos() / Self::WIDTH.as_nanos()).min(MOST);
        let all = (0..count).map(|_| touched()).collect();
        Self { begun: None, all }
    }

    /// The first one begins, if there is one: else nothing is looked for afterwards.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = (!self.all.is_empty()).then_some(now);
    }

    /// The window of a call that began then, if there is one.
    pub(super) fn find(&mut self, begun: Instant) -> Option<&mut Histogram> {
        let since = begun.checked_duration_since(self.begun?)?;
        // Of whole seconds and the rest apart, as a division of all nanoseconds takes 128 bits.
        let index = since.as_secs() * PER_SECOND + u64::from(since.subsec_nanos() / WIDTH_NANOS);
        self.all.get_mut(usize::try_from(index).ok()?)
    }

    /// Adds up all of them.
    pub(super) fn add_to(&self, whole: &mut Histogram) {
        self.all.iter().for_each(|window| whole.add(window));
    }

    /// What they say together; nothing when there are none, nor where calls wait for longer than a
    /// window lasts: that is a queue, in which a p99 is near its p50.
    ///
    /// Calls of an open loop come due evenly, so a window that has less than 99 % of the fullest
    /// one's is left out: its p99 had not come when the measurement ended.
    pub fn summary(&self) -> Option<Summary> {
        let fullest = self.all.iter().map(Histogram::count).max().filter(|count| *count > 0)?;
        let is_whole = |window: &&Histogram| window.count() * 100 >= fullest * 99;
        let of = |share| {
            let whole = self.all.iter().filter(is_whole);
            whole.map(|window| window.quantile(share).as_secs_f64()).collect::<Vec<_>>()
        };
        let (p50s, p99s) = (of(0.5), of(0.99));
        let (p50, p99) = (median(&p50s)?, median(&p99s)?);
        if p50 > Self::WIDTH.as_secs_f64() {
            return None;
        }
        let late = p99s.iter().filter(|p99| **p99 > p50 * f64::from(Self::LATE)).count();
        Some(Summary {
            p50: Duration::from_secs_f64(p50),
            p99: Duration::from_secs_f64(p99),
            late: late as f64 / p99s.len() as f64,
        })
    }
}

/// Memory that is zero may be none until it is written to.
fn touched() -> Histogram {
    let mut histogram = Histogram::default();
    black_box(&mut histogram.buckets).fill(0);
    histogram
}

const WIDTH_NANOS: u32 = 50_000_000;

/// Windows of a second, which is a multiple of theirs.
const PER_SECOND: u64 = 1_000_000_000 / WIDTH_NANOS as u64;

/// Most windows.
const MOST: u128 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    /// Counts calls of one latency, due evenly within a window.
    fn fill(windows: &mut Windows, index: u32, count: u32, latency: Duration) {
        let begun = windows.begun.unwrap() + index * Windows::WIDTH;
        for number in 0..count {
            let due = begun + Windows::WIDTH * number / count;
            windows.find(due).unwrap().record(latency);
        }
    }

    fn begun(count: u32) -> Windows {
        let mut windows = Windows::of(Windows::WIDTH * count);
        windows.begin(Instant::now());
        windows
    }

    #[test]
    fn a_stall_decides_its_own_windows_only() {
        let mut windows = begun(4);
        for index in 0..4 {
            fill(&mut windows, index, 97, 50 * MICRO);
            fill(&mut windows, index, 3, 100 * MICRO);
        }
        fill(&mut windows, 2, 1, 7000 * MICRO);
        let quiet = windows.summary().unwrap();
        assert_eq!((quiet.late, quiet.p99.as_micros()), (0.0, 98), "one of a hundred is no p99");
        let mut windows = begun(4);
        for index in 0..4 {
            let late = if index == 2 { 28 } else { 0 };
            fill(&mut windows, index, 100 - late, 50 * MICRO);
            fill(&mut windows, index, late, 7000 * MICRO);
        }
        let stalled = windows.summary().unwrap();
        assert_eq!((stalled.p50, stalled.p99), (stalled.p50, stalled.p50));
        assert!((stalled.late - 0.25).abs() < 1e-9, "{stalled:?}");
    }

    #[test]
    fn a_window_of_which_all_calls_are_late_is_late() {
        let mut windows = begun(3);
        fill(&mut windows, 0, 100, 50 * MICRO);
        fill(&mut windows, 1, 100, 60_000 * MICRO);
        fill(&mut windows, 2, 100, 50 * MICRO);
        assert!((windows.summary().unwrap().late - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_window_whose_calls_are_not_all_answered_is_left_out() {
        let mut windows = begun(3);
        fill(&mut windows, 0, 1000, 50 * MICRO);
        fill(&mut windows, 1, 990, 50 * MICRO);
        fill(&mut windows, 2, 989, 900 * MICRO);
        let summary = windows.summary().unwrap();
        assert_eq!((summary.late, summary.p99), (0.0, summary.p50));
        assert_eq!(begun(3).summary(), None);
    }

    #[test]
    fn a_queue_says_nothing() {
        let of = |latency| {
            let mut windows = begun(1);
            fill(&mut windows, 0, 100, latency);
            windows.summary()
        };
        assert!(of(Windows::WIDTH).is_some());
        assert_eq!(of(Windows::WIDTH * 2), None);
    }

    #[test]
    fn what_began_before_or_after_is_in_no_window() {
        let before = Instant::now();
        let mut windows = Windows::of(2 * Windows::WIDTH);
        let begun = before + MICRO;
        windows.begin(begun);
        assert!(windows.find(before).is_none());
        assert!(windows.find(begun).is_some());
        assert!(windows.find(before + 2 * Windows::WIDTH).is_some());
        assert!(windows.find(begun + 2 * Windows::WIDTH).is_none());
        assert!(Windows::default().find(begun).is_none());
    }

    #[test]
    fn windows_follow_each_other_beyond_a_second() {
        let mut windows = begun(45);
        (0..45).for_each(|index| fill(&mut windows, index, index + 1, 50 * MICRO));
        let counts = windows.all.iter().map(Histogram::count);
        assert_eq!(counts.collect::<Vec<_>>(), (1..=45).collect::<Vec<_>>());
    }

    #[test]
    fn only_whole_windows_count_and_not_without_end() {
        assert_eq!(Windows::of(Windows::WIDTH + MICRO).all.len(), 1);
        assert_eq!(Windows::of(Duration::from_secs(3600)).all.len(), 400);
    }

    #[test]
    fn together_they_are_the_whole() {
        let mut windows = begun(2);
        fill(&mut windows, 0, 3, 50 * MICRO);
        fill(&mut windows, 1, 1, 90 * MICRO);
        let mut whole = Histogram::default();
        whole.record(90 * MICRO);
        windows.add_to(&mut whole);
        assert_eq!(whole.count(), 5);
        assert_eq!(whole.quantile(0.6), whole.quantile(0.01));
        assert!(whole.quantile(0.61) > whole.quantile(0.6));
    }
}
