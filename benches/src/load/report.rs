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
        self.print_all();
        let lines = self.windows();
        if !lines.is_empty() {
            println!(
                "\n| in flight | system | median window of 50 ms: p50 µs | p99 µs | late windows % | client away at most µs |"
            );
            println!("|---|---|---|---|---|---|");
            for line in lines {
                println!("{line}");
            }
        }
    }

    fn print_all(&self) {
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

    /// Of what was measured by windows, medians over the rounds, but of absences the longest. A queue
    /// is later than anything.
    fn windows(&self) -> Vec<String> {
        let line = |((in_flight, system), samples): (&(usize, usize), &Vec<Sample>)| {
            let all = |of: fn(&Sample) -> Option<f64>| -> Vec<f64> {
                samples.iter().filter_map(of).collect()
            };
            let middle = |of| median(&all(of));
            let p50 = middle(|sample| sample.window_p50.or(sample.queue()))?;
            let p99 = middle(|sample| sample.window_p99.or(sample.queue()))?;
            let away = all(|sample| sample.client_away);
            Some(format!(
                "| {in_flight} | {} | {} | {} | {:.0} | {:.0} |",
                self.systems[*system],
                if p50.is_finite() { format!("{p50:.1}") } else { "queue".into() },
                if p99.is_finite() { format!("{p99:.0}") } else { "queue".into() },
                middle(|sample| sample.late_windows)? * 100.0,
                away.into_iter().reduce(f64::max)?,
            ))
        };
        self.runs.iter().filter_map(line).collect()
    }

    fn to_floor(&self, in_flight: usize, samples: &[Sample], of: fn(&Sample) -> f64) -> String {
        let floor = self.systems.iter().position(|system| system == "floor");
        let floor = floor.and_then(|floor| self.runs.get(&(in_flight, floor)));
        let figures = |samples: &[Sample]| samples.iter().map(of).collect::<Vec<_>>();
        let ratio = floor.and_then(|floor| ratio(&figures(samples), &figures(floor)));
        ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"))
    }
}

#[cfg(test)]
mod tests {
    use callboard_benches::meter::Untold;

    use super::*;

    #[test]
    fn windows_are_told_where_there_are_any() {
        let mut table = Table::new(&["floor".to_owned()]);
        table.add(0, 1, Sample::default());
        assert_eq!(table.windows(), [""; 0]);
        for (p99, away) in [(90.0, 700.0), (80.0, 100.0), (400.0, 200.0)] {
            let [window_p50, window_p99] = [40.0, p99].map(Some);
            let (late_windows, client_away) = (Some(0.25), Some(away));
            let sample =
                Sample { window_p50, window_p99, late_windows, client_away, ..Sample::default() };
            table.add(0, 64, sample);
        }
        assert_eq!(table.windows(), ["| 64 | floor | 40.0 | 90 | 25 | 700 |"]);
        for samples in table.runs.values_mut() {
            let queued = samples.iter_mut().filter(|sample| sample.window_p99 < Some(400.0));
            queued.for_each(|sample| {
                sample.window_p99 = None;
                sample.untold = Some(Untold::Queue);
            });
        }
        let [line] = &table.windows()[..] else { panic!("it is one line") };
        assert_eq!(line, "| 64 | floor | 40.0 | queue | 25 | 700 |");
    }
}
