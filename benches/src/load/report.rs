//! What was measured, and the table that says so.

use std::collections::BTreeMap;

use super::options::System;

/// What one run measured: microseconds, except where named otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) client_cpu: f64,
    pub(super) server_cpu: f64,
    /// MiB.
    pub(super) client_memory: f64,
    /// MiB.
    pub(super) server_memory: f64,
}

impl Sample {
    pub(super) fn to_line(self) -> String {
        self.fields().map(|field| format!("{field:.3}")).join(" ")
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let fields: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        Some(Self::of(fields.ok()?.try_into().ok()?))
    }

    fn fields(self) -> [f64; 8] {
        let Self { per_second, median, p99, p999, .. } = self;
        let Self { client_cpu, server_cpu, client_memory, server_memory, .. } = self;
        [per_second, median, p99, p999, client_cpu, server_cpu, client_memory, server_memory]
    }

    fn of(fields: [f64; 8]) -> Self {
        let [per_second, median, p99, p999, client_cpu, server_cpu, client_memory, server_memory] =
            fields;
        Self { per_second, median, p99, p999, client_cpu, server_cpu, client_memory, server_memory }
    }

    /// The median of several runs, each figure by itself.
    fn middle(samples: &[Self]) -> Self {
        let mut middle = [0.0; 8];
        for (index, field) in middle.iter_mut().enumerate() {
            let mut all: Vec<f64> = samples.iter().map(|sample| sample.fields()[index]).collect();
            all.sort_by(f64::total_cmp);
            *field = all[all.len() / 2];
        }
        Self::of(middle)
    }
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<(usize, System), Vec<Sample>>);

impl Table {
    pub(super) fn add(&mut self, system: System, in_flight: usize, sample: Sample) {
        self.0.entry((in_flight, system)).or_default().push(sample);
    }

    /// Prints medians; `x floor` is the median over the rounds of the ratio within each round.
    pub(super) fn print(&self) {
        println!(
            "| in flight | system | requests/s | x floor | p50 µs | x floor | p99 µs | p99.9 µs | CPU µs per call: client | server | MiB: client | server |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        for ((in_flight, system), samples) in &self.0 {
            let middle = Sample::middle(samples);
            println!(
                "| {in_flight} | {system} | {:.0} | {:.2} | {:.1} | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} |",
                middle.per_second,
                self.ratio(*in_flight, samples, |sample| sample.per_second),
                middle.median,
                self.ratio(*in_flight, samples, |sample| sample.median),
                middle.p99,
                middle.p999,
                middle.client_cpu,
                middle.server_cpu,
                middle.client_memory,
                middle.server_memory,
            );
        }
    }

    fn ratio(&self, in_flight: usize, samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
        let Some(floor) = self.0.get(&(in_flight, System::Floor)) else { return f64::NAN };
        let pairs = samples.iter().zip(floor);
        let mut ratios: Vec<f64> = pairs.map(|(one, floor)| of(one) / of(floor)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
