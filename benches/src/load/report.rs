//! The table of a comparison by hand.

use std::collections::BTreeMap;

use callboard_benches::ratio::{median, ratio};
use callboard_benches::worker::Sample;

/// All runs, by calls in flight and system.
#[derive(Debug)]
pub(super) struct Table {
    /// In the order of the rows.
    systems: Vec<String>,
    runs: BTreeMap<(usize, usize), Vec<Sample>>,
}

impl Table {
    pub(super) fn new(systems: &[String]) -> Self {
        Self { systems: systems.to_vec(), runs: BTreeMap::new() }
    }

    /// Adds a run of the system of this index.
    pub(super) fn add(&mut self, system: usize, in_flight: usize, sample: Sample) {
        self.runs.entry((in_flight, system)).or_default().push(sample);
    }

    /// Prints medians; `x floor` is the median over the rounds of the ratio within each round.
    pub(super) fn print(&self) {
        println!(
            "| in flight | system | per second | x floor | p50 µs | x floor | p99 µs | p99.9 µs | CPU µs: client | server | MiB: client | server | MB/s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        for ((in_flight, system), samples) in &self.runs {
            let middle = |of: fn(&Sample) -> f64| {
                median(&samples.iter().map(of).collect::<Vec<_>>()).unwrap_or(f64::NAN)
            };
            println!(
                "| {in_flight} | {} | {:.0} | {} | {:.1} | {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} |",
                self.systems[*system],
                middle(|sample| sample.per_second),
                self.to_floor(*in_flight, samples, |sample| sample.per_second),
                middle(|sample| sample.p50),
                self.to_floor(*in_flight, samples, |sample| sample.p50),
                middle(|sample| sample.p99),
                middle(|sample| sample.p999),
                middle(|sample| sample.client_cpu),
                middle(|sample| sample.server_cpu),
                middle(|sample| sample.client_memory),
                middle(|sample| sample.server_memory),
                middle(|sample| sample.bytes_per_second / 1e6),
            );
        }
    }

    fn to_floor(&self, in_flight: usize, samples: &[Sample], of: fn(&Sample) -> f64) -> String {
        let floor = self.systems.iter().position(|system| system == "floor");
        let floor = floor.and_then(|floor| self.runs.get(&(in_flight, floor)));
        let figures = |samples: &[Sample]| samples.iter().map(of).collect::<Vec<_>>();
        let ratio = floor.and_then(|floor| ratio(&figures(samples), &figures(floor)));
        ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"))
    }
}
