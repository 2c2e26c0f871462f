//! What was measured, and what can be asked about it. Pure.

use std::collections::BTreeMap;

use callboard_benches::meter::Untold;
use callboard_benches::ratio::median;
use callboard_benches::worker::{Sample, Workload};
use serde::{Deserialize, Serialize};

use crate::about::About;
use crate::point::{IN_FLIGHT, Peak, Point};

/// One comparison, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) about: About,
    /// In the order in which they were made.
    pub(crate) runs: Vec<Run>,
}

/// One run of one system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) round: u32,
    pub(crate) system: String,
    pub(crate) point: Point,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workload: Option<Workload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Sample>,
    /// Why there is no sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// What is read from a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Rate,
    P50,
    P99,
    P999,
    /// Of both sides.
    Cpu,
    ClientCpu,
    ServerCpu,
    /// Of both sides.
    Memory,
    Bytes,
    /// p99 in p50s.
    Tail,
    /// Of the median window.
    WindowP50,
    /// Likewise.
    WindowP99,
    /// p99 in p50s of the median window.
    WindowTail,
    /// Windows whose p99 is above five p50s, in per cent.
    LateWindows,
    /// The longest time in which the client of an open loop did not look at the clock.
    ClientAway,
}

impl Metric {
    /// Not a number where the sample has none, infinite for windows of a queue.
    pub(crate) fn of(self, sample: &Sample) -> f64 {
        let windows = [sample.window_p50, sample.window_p99];
        let [window_p50, window_p99] = windows.map(|it| it.or(sample.queue()).unwrap_or(f64::NAN));
        match self {
            Self::Rate => sample.per_second,
            Self::P50 => sample.p50,
            Self::P99 => sample.p99,
            Self::P999 => sample.p999,
            Self::Cpu => sample.client_cpu + sample.server_cpu,
            Self::ClientCpu => sample.client_cpu,
            Self::ServerCpu => sample.server_cpu,
            Self::Memory => sample.client_memory + sample.server_memory,
            Self::Bytes => sample.bytes_per_second,
            Self::Tail => sample.p99 / sample.p50,
            Self::WindowP50 => window_p50,
            Self::WindowP99 => window_p99,
            Self::WindowTail => sample.queue().unwrap_or(window_p99 / window_p50),
            Self::LateWindows => sample.late_windows.unwrap_or(f64::NAN) * 100.0,
            Self::ClientAway => sample.client_away.unwrap_or(f64::NAN),
        }
    }

    /// Whether a sample has it, be it infinite: a queue is worse than any number.
    fn is_there(self, figure: f64) -> bool {
        let is_of_windows = matches!(self, Self::WindowP50 | Self::WindowP99 | Self::WindowTail);
        figure.is_finite() || is_of_windows && figure.is_infinite()
    }

    /// Whether more of it is better.
    pub(crate) fn is_gain(self) -> bool {
        matches!(self, Self::Rate | Self::Bytes)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Cpu => "CPU per message, both sides",
            Self::ClientCpu => "CPU per message, client",
            Self::ServerCpu => "CPU per message, server",
            Self::Memory => "memory, both sides",
            Self::Bytes => "bytes per second",
            Self::Tail => "p99 / p50",
            Self::WindowP50 => "p50, median window",
            Self::WindowP99 => "p99, median window",
            Self::WindowTail => "p99 / p50, median window",
            Self::LateWindows => "late windows",
            Self::ClientAway => "client away from the clock",
        }
    }
}

/// Least, median and greatest of the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Comparison {
    /// The figures of a system at a point, by round.
    fn rounds(&self, system: &str, point: Point, metric: Metric) -> BTreeMap<u32, f64> {
        let runs = self.runs.iter().filter(|run| run.system == system && run.point == point);
        let figures = runs.filter_map(|run| Some((run.round, metric.of(run.sample.as_ref()?))));
        figures.filter(|(_, figure)| metric.is_there(*figure)).collect()
    }

    /// What the rounds say about a system at a point.
    pub(crate) fn spread(&self, system: &str, point: Point, metric: Metric) -> Option<Spread> {
        let figures: Vec<f64> = self.rounds(system, point, metric).into_values().collect();
        Some(Spread {
            least: figures.iter().copied().reduce(f64::min)?,
            median: median(&figures)?,
            greatest: figures.iter().copied().reduce(f64::max)?,
        })
    }

    /// The median over the rounds of one system's figure in those of another.
    pub(crate) fn ratio(&self, both: (&str, &str), point: Point, metric: Metric) -> Option<f64> {
        median(&self.ratios(both, point, metric)).filter(|ratio| metric.is_there(*ratio))
    }

    /// One system's figure in that of another, for each round that both have; two queues are alike.
    pub(crate) fn ratios(
        &self,
        (system, other): (&str, &str),
        point: Point,
        metric: Metric,
    ) -> Vec<f64> {
        let others = self.rounds(other, point, metric);
        let figures = self.rounds(system, point, metric).into_iter();
        let ratio = |figure: f64, other: f64| {
            if figure.is_infinite() && other.is_infinite() { 1.0 } else { figure / other }
        };
        figures.filter_map(|(round, figure)| Some(ratio(figure, *others.get(&round)?))).collect()
    }

    /// The best that a system did in a round with small calls over one connection.
    pub(crate) fn peak(&self, system: &str, round: u32) -> Option<Peak> {
        let rates = IN_FLIGHT.into_iter().filter_map(|in_flight| {
            let rates = self.rounds(system, Point::InFlight(in_flight), Metric::Rate);
            Some((*rates.get(&round)?, in_flight))
        });
        rates.fold(None, |peak: Option<Peak>, (per_second, in_flight)| {
            let best = peak.map_or(0.0, |peak| peak.per_second);
            Some(Peak { per_second: per_second.max(best), in_flight })
        })
    }

    /// In how many of its rounds the windows of a system at a point have no p99 for this reason, and
    /// how many rounds with windows there are.
    pub(crate) fn untold(&self, system: &str, point: Point, why: Untold) -> (usize, usize) {
        let runs = self.runs.iter().filter(|run| run.system == system && run.point == point);
        let samples = runs.filter_map(|run| run.sample.as_ref());
        let has_windows = |sample: &&Sample| sample.window_p99.is_some() || sample.untold.is_some();
        let rounds = samples.filter(has_windows);
        (rounds.clone().filter(|sample| sample.untold == Some(why)).count(), rounds.count())
    }

    /// Why a system has no figures at a point.
    pub(crate) fn note(&self, system: &str, point: Point) -> Option<&str> {
        let of = |run: &&Run| run.system == system && run.point == point;
        self.runs.iter().rev().filter(of).find_map(|run| run.note.as_deref())
    }

    /// How often a system was run at a point, and how often of those without a figure.
    pub(crate) fn attempts(&self, system: &str, point: Point) -> (usize, usize) {
        let of = |run: &&Run| run.system == system && run.point == point;
        let runs = self.runs.iter().filter(of);
        (runs.clone().count(), runs.filter(|run| run.sample.is_none()).count())
    }

    /// One run per line, so that changes can be read.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let runs = self.runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let about = serde_json::to_string_pretty(&self.about)?;
        Ok(format!("{{\"about\": {about},\n\"runs\": [\n{}\n]}}\n", runs.join(",\n")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A comparison of these rates (calls per second) at one point, one per round.
    pub(crate) fn comparison(point: Point, rates: &[(&str, &[f64])]) -> Comparison {
        let mut runs = Vec::new();
        for (system, rates) in rates {
            for (round, rate) in (0..).zip(*rates) {
                let (per_second, p50) = (*rate, 1e6 / rate);
                let sample = Sample { per_second, p50, p99: 2.0 * p50, ..Sample::default() };
                let sample = sample_or_none(sample);
                let note = sample.is_none().then(|| "it broke".to_owned());
                let system = (*system).to_owned();
                runs.push(Run { round, system, point, workload: None, sample, note });
            }
        }
        Comparison { about: About::default(), runs }
    }

    fn sample_or_none(sample: Sample) -> Option<Sample> {
        (sample.per_second > 0.0).then_some(sample)
    }

    #[test]
    fn ratios_pair_the_rounds_that_both_have() {
        let point = Point::InFlight(64);
        let this = comparison(point, &[("a", &[0.0, 50.0, 10.0]), ("b", &[400.0, 100.0, 20.0])]);
        assert_eq!(this.ratio(("a", "b"), point, Metric::Rate), Some(0.5));
        assert_eq!(this.ratio(("a", "c"), point, Metric::Rate), None);
        assert_eq!(this.attempts("a", point), (3, 1));
        assert_eq!(this.note("a", point), Some("it broke"));
    }

    /// Lets there be a queue in the first runs of a system, so many, and windows in all others.
    pub(crate) fn with_queues(this: &mut Comparison, system: &str, count: usize) {
        let of = |run: &&mut Run| run.system == system;
        for (index, run) in this.runs.iter_mut().filter(of).enumerate() {
            let sample = run.sample.as_mut().unwrap();
            (sample.window_p50, sample.late_windows) = (Some(40.0), Some(0.25));
            sample.window_p99 = (index >= count).then_some(120.0);
            sample.untold = (index < count).then_some(Untold::Queue);
        }
    }

    #[test]
    fn a_queue_is_worse_than_any_number_and_two_are_alike() {
        let point = Point::Offered(50);
        let mut this = comparison(point, &[("a", &[1.0; 5]), ("b", &[1.0; 5])]);
        let ratio = |this: &Comparison, both| this.ratio(both, point, Metric::WindowP99);
        with_queues(&mut this, "a", 3);
        with_queues(&mut this, "b", 0);
        let tail = this.spread("a", point, Metric::WindowTail).unwrap();
        assert_eq!((tail.least, tail.median), (3.0, f64::INFINITY));
        assert_eq!(ratio(&this, ("a", "b")), Some(f64::INFINITY));
        assert_eq!(ratio(&this, ("b", "a")), Some(0.0));
        assert_eq!(this.untold("a", point, Untold::Queue), (3, 5));
        assert_eq!(this.untold("c", point, Untold::Queue), (0, 0));
        with_queues(&mut this, "b", 5);
        assert_eq!(ratio(&this, ("a", "b")), Some(1.0));
        with_queues(&mut this, "a", 2);
        let median = this.spread("a", point, Metric::WindowTail).map(|tail| tail.median);
        assert_eq!(median, Some(3.0));
    }

    #[test]
    fn a_spread_has_both_ends() {
        let point = Point::OneWay;
        let this = comparison(point, &[("a", &[3.0, 1.0, 2.0])]);
        let spread = Spread { least: 1.0, median: 2.0, greatest: 3.0 };
        assert_eq!(this.spread("a", point, Metric::Rate), Some(spread));
    }

    #[test]
    fn the_peak_is_the_best_rate_and_the_most_in_flight() {
        let mut this = comparison(Point::InFlight(64), &[("a", &[90.0])]);
        this.runs.extend(comparison(Point::InFlight(256), &[("a", &[70.0])]).runs);
        this.runs.extend(comparison(Point::InFlight(1024), &[("a", &[0.0])]).runs);
        assert_eq!(this.peak("a", 0), Some(Peak { per_second: 90.0, in_flight: 256 }));
        assert_eq!(this.peak("a", 1), None);
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let this = comparison(Point::Body(65_536), &[("a", &[1.0, 0.0])]);
        let json = this.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), this);
    }
}
