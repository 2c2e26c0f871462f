//! What one run measured. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::meter::Untold;

/// What one run measured; a message is a call, or with `one-way` a message without an answer, or
/// with `publish` the delivery of an event to one subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Messages per second.
    pub per_second: f64,
    /// Median latency in µs: of a call, with `one-way` of a batch with the call that ends it, with
    /// `publish` until all subscribers have told that they have it.
    pub p50: f64,
    /// In µs, not exceeded by 99 %.
    pub p99: f64,
    /// In µs, not exceeded by 99.9 %.
    pub p999: f64,
    /// Processor time of the client's process in µs per message.
    pub client_cpu: f64,
    /// Processor time of the server's process and its children in µs per message.
    pub server_cpu: f64,
    /// Resident memory of the client's process in MiB.
    pub client_memory: f64,
    /// Resident memory of the server's process and its children in MiB.
    pub server_memory: f64,
    /// Text per second, one way.
    pub bytes_per_second: f64,
    /// With `open`, of [windows](crate::meter::Windows) of 50 ms the median p50 in µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_p50: Option<f64>,
    /// With `open`, of such windows the median p99 in µs; JSON has no infinity, so that a queue is
    /// [a state of its own](Self::untold).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_p99: Option<f64>,
    /// With `open`, share of such windows whose p99 is above five of `window_p50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_windows: Option<f64>,
    /// Why there is no `window_p99` although there are windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<Untold>,
    /// With `open`, the longest time in µs in which the client, which never sleeps, did not look at
    /// the clock: it had no processor, or one turn of its work took as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_away: Option<f64>,
}

impl Sample {
    /// What a queue counts as, where there is one: infinitely late.
    pub fn queue(&self) -> Option<f64> {
        (self.untold == Some(Untold::Queue)).then_some(f64::INFINITY)
    }

    /// One line of JSON.
    ///
    /// # Panics
    /// Never: numbers can be written.
    pub fn to_line(self) -> String {
        serde_json::to_string(&self).expect("numbers can be written")
    }

    /// Reads what [`to_line`](Self::to_line) wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// Says that a system has no such workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl Unsupported {
    /// How a client ends that was asked for what its system has not.
    pub const EXIT_CODE: i32 = 3;
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unsupported: {}", self.0)
    }
}

impl std::error::Error for Unsupported {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let sample = Sample { per_second: 1.5, p999: 3.25, ..Sample::default() };
        let line = sample.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Sample::from_line(&line), Some(sample));
    }

    #[test]
    fn results_from_before_there_were_windows_are_read() {
        let line = Sample { p99: 2.0, ..Sample::default() }.to_line();
        assert!(!line.contains("window"));
        assert_eq!(Sample::from_line(&line).unwrap().window_p99, None);
    }

    #[test]
    fn windows_are_read_as_they_were_written() {
        let some = Some(2.5);
        let sample = Sample {
            window_p50: some,
            window_p99: some,
            late_windows: some,
            client_away: some,
            untold: Some(Untold::Queue),
            ..Sample::default()
        };
        assert_eq!(Sample::from_line(&sample.to_line()), Some(sample));
    }
}
