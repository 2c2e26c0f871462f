//! Latencies by windows of time, of which a stall makes a few late and leaves the others alone.
//! Pure.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

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
    /// Calls that come due per second.
    rate: f64,
    /// Callers: as many calls are answered at a time, all others wait.
    in_flight: usize,
}

/// What windows say together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Median of the windows' p50s; `None` when it had not come, or there are too few windows.
    pub p50: Option<Duration>,
    /// Median of the windows' p99s, or why there is none.
    pub p99: Option<Duration>,
    /// Share of the windows whose p99 is above [five](Windows::LATE) of that p50; not of their own,
    /// behind which a stall could hide that makes more than half of a window's calls late. `None`
    /// when there are too few windows.
    pub late: Option<f64>,
    /// Why there is no p99.
    pub untold: Option<Untold>,
}

/// Why windows have no p99 together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untold {
    /// More calls have come due than may be in flight and wait for a caller, all the time, so that a
    /// p99 is near its p50; or half of the windows lack answers when the measurement ends.
    Queue,
    /// Fewer than [`LEAST`](Windows::LEAST).
    TooFewWindows,
}

impl Windows {
    /// Time of a window.
    pub const WIDTH: Duration = Duration::from_nanos(WIDTH_NANOS as u64);

    /// Beyond so many p50s a window's p99 is late.
    pub const LATE: u32 = 5;

    /// Of fewer windows there is no median.
    pub const LEAST: usize = 4;

    /// As many as fit, whole; at most 400, which have 6 MiB: what comes later is in none.
    ///
    /// So many calls come due per second, and so many are in flight at most.
    pub fn of(time: Duration, rate: f64, in_flight: usize) -> Self {
        let count = (time.as_nanos() / Self::WIDTH.as_nanos()).min(MOST);
        let all = (0..count).map(|_| touched()).collect();
        Self { begun: None, all, rate, in_flight }
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

    /// What they say together; nothing when there are none.
    ///
    /// Calls come due evenly, whatever becomes of them, so those without an answer count as later
    /// than all others. Only the last window is left out when it has not all: its answers come when
    /// the measurement is over.
    pub fn summary(&self) -> Option<Summary> {
        let (last, before) = self.all.split_last()?;
        let last = Some(last).filter(|last| self.is_whole(last));
        let told: Vec<&Histogram> = before.iter().chain(last).collect();
        if told.len() < Self::LEAST {
            let untold = Some(Untold::TooFewWindows);
            return Some(Summary { untold, ..Summary::default() });
        }
        let of = |share| told.iter().map(|it| self.quantile(it, share)).collect::<Vec<f64>>();
        let (p50s, p99s) = (of(0.5), of(0.99));
        let (p50, p99) = (median(&p50s)?, median(&p99s)?);
        // What is under way at a time is the rate times how long each is (Little's law).
        let is_queue = p50 * self.rate > self.in_flight as f64 || p99.is_infinite();
        let is_late = |p99: &&f64| p99.is_infinite() || **p99 > p50 * f64::from(Self::LATE);
        let late = p99s.iter().filter(is_late).count();
        let time = |seconds| Duration::try_from_secs_f64(seconds).ok();
        Some(Summary {
            p50: time(p50),
            p99: if is_queue { None } else { time(p99) },
            late: Some(late as f64 / told.len() as f64),
            untold: is_queue.then_some(Untold::Queue),
        })
    }

    /// Calls that come due in a window, to one more or less.
    fn expected(&self) -> f64 {
        self.rate * Self::WIDTH.as_secs_f64()
    }

    /// Whether so many are answered that the p99 is known.
    fn is_whole(&self, window: &Histogram) -> bool {
        let expected = self.expected();
        window.count() as f64 >= (expected * 0.99).min(expected - 1.0)
    }

    /// In seconds, of all that came due; without an end when it had not come.
    fn quantile(&self, window: &Histogram, share: f64) -> f64 {
        let answered = window.count() as f64;
        let known = self.expected().max(answered) * share / answered;
        if answered > 0.0 && (known <= 1.0 || self.is_whole(window)) {
            window.quantile(known.min(1.0)).as_secs_f64()
        } else {
            f64::INFINITY
        }
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

    /// Of a hundred calls each.
    fn begun(count: u32) -> Windows {
        offered(count, 2000.0)
    }

    fn offered(count: u32, rate: f64) -> Windows {
        let mut windows = Windows::of(Windows::WIDTH * count, rate, 64);
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
        let micros = quiet.p99.unwrap().as_micros();
        assert_eq!((quiet.late, micros), (Some(0.0), 98), "one of a hundred is no p99");
        let mut windows = begun(4);
        for index in 0..4 {
            let late = if index == 2 { 28 } else { 0 };
            fill(&mut windows, index, 100 - late, 50 * MICRO);
            fill(&mut windows, index, late, 7000 * MICRO);
        }
        let stalled = windows.summary().unwrap();
        assert_eq!((stalled.p99, stalled.late), (stalled.p50, Some(0.25)));
    }

    #[test]
    fn a_window_of_which_all_calls_are_late_is_late() {
        let mut windows = begun(4);
        for (index, latency) in [(0, 50), (1, 50), (2, 60_000), (3, 50)] {
            fill(&mut windows, index, 100, latency * MICRO);
        }
        assert_eq!(windows.summary().unwrap().late, Some(0.25));
    }

    #[test]
    fn only_the_last_window_may_lack_answers() {
        let with = |index| {
            let mut windows = offered(5, 20_000.0);
            (0..5).filter(|it| *it != index).for_each(|it| fill(&mut windows, it, 990, 50 * MICRO));
            fill(&mut windows, index, 989, 50 * MICRO);
            windows.summary().unwrap()
        };
        assert_eq!((with(4).late, with(4).p99), (Some(0.0), with(4).p50));
        assert_eq!((with(3).late, with(3).p99), (Some(0.2), with(3).p50));
    }

    #[test]
    fn at_low_rates_a_window_may_have_a_call_less() {
        let lacking = |calls: u32| {
            let mut windows = offered(5, 1000.0);
            (0..4).for_each(|index| fill(&mut windows, index, 50 - calls, 50 * MICRO));
            windows.summary().unwrap().late
        };
        assert_eq!((lacking(1), lacking(2)), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn a_server_that_stops_for_most_of_the_run_has_no_p99() {
        let mut windows = offered(40, 50_000.0);
        (0..4).for_each(|index| fill(&mut windows, index, 2500, 50 * MICRO));
        let summary = windows.summary().unwrap();
        assert_eq!((summary.p50, summary.p99), (None, None));
        assert_eq!(summary.untold, Some(Untold::Queue));
        assert!(summary.late.unwrap() > 0.8, "{summary:?}");
        // Half of its calls are answered in time, the others not before the end.
        let mut windows = offered(5, 2000.0);
        (0..4).for_each(|index| fill(&mut windows, index, 60, 50 * MICRO));
        let summary = windows.summary().unwrap();
        assert!(summary.p50.is_some() && summary.p99.is_none());
        assert_eq!((summary.late, summary.untold), (Some(1.0), Some(Untold::Queue)));
    }

    #[test]
    fn of_few_windows_nothing_is_told() {
        let of = |whole| {
            let mut windows = begun(4);
            (0..whole).for_each(|index| fill(&mut windows, index, 100, 50 * MICRO));
            windows.summary().unwrap()
        };
        let untold = Some(Untold::TooFewWindows);
        assert_eq!(of(3), Summary { untold, ..Summary::default() }, "the last one is left out");
        assert_eq!((of(4).late, of(4).untold), (Some(0.0), None));
        assert_eq!(begun(0).summary(), None);
    }

    #[test]
    fn where_more_calls_wait_than_are_in_flight_there_is_a_queue() {
        // 64 in flight at 2,000 a second last 32 ms, less than a window.
        let of = |latency| {
            let mut windows = begun(4);
            (0..4).for_each(|index| fill(&mut windows, index, 100, latency));
            windows.summary().unwrap()
        };
        let (steady, queue) = (of(31_000 * MICRO), of(35_000 * MICRO));
        assert_eq!((steady.untold, steady.p99), (None, steady.p50));
        assert_eq!((queue.untold, queue.p99), (Some(Untold::Queue), None));
        assert!(queue.p50.is_some());
    }

    #[test]
    fn when_more_than_half_of_the_windows_are_late_so_is_the_median() {
        for count in 4..9 {
            for late in 0..=count {
                let mut windows = begun(count);
                for index in 0..count {
                    let calls = if index < late { 5 } else { 0 };
                    fill(&mut windows, index, 100 - calls, 50 * MICRO);
                    fill(&mut windows, index, calls, 500 * MICRO);
                }
                let Summary { p50, p99, late, .. } = windows.summary().unwrap();
                let is_met = p99.unwrap() <= p50.unwrap() * Windows::LATE;
                assert!(!is_met || late.unwrap() <= 0.5, "{late:?} of {count}");
            }
        }
    }

    #[test]
    fn what_began_before_or_after_is_in_no_window() {
        let before = Instant::now();
        let mut windows = Windows::of(2 * Windows::WIDTH, 10.0, 1);
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
        assert_eq!(Windows::of(Windows::WIDTH + MICRO, 1.0, 1).all.len(), 1);
        assert_eq!(Windows::of(Duration::from_secs(3600), 1.0, 1).all.len(), 400);
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
