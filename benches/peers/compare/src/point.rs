//! The workloads. Pure.

use std::fmt;

use callboard_benches::worker::{Shape, Workload};
use serde::{Deserialize, Serialize};

use crate::number::{bytes, thousands};

/// A workload that every system is measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Point {
    /// Unary calls in flight over one connection.
    InFlight(usize),
    /// Bytes of text, 16 calls in flight.
    Body(usize),
    /// Connections, 256 calls in flight.
    Connections(usize),
    /// Messages without an answer.
    OneWay,
    /// Calls at a fixed rate, in per cent of the system's own peak.
    Offered(u32),
}

impl Point {
    /// All of them, in the order in which they are measured: what is offered depends on the peak.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = IN_FLIGHT.into_iter().map(Self::InFlight).collect();
        all.extend(BODIES.into_iter().map(Self::Body));
        all.extend(CONNECTIONS.into_iter().map(Self::Connections));
        all.push(Self::OneWay);
        all.extend(OFFERED.into_iter().map(Self::Offered));
        all
    }

    /// What is driven; `peak` is the system's own, in calls per second and calls in flight.
    pub(crate) fn workload(self, seconds: f64, peak: Option<Peak>) -> Option<Workload> {
        let base = Workload { seconds, ..Workload::default() };
        Some(match self {
            Self::InFlight(in_flight) => Workload { in_flight, ..base },
            Self::Body(body) => Workload { in_flight: 16, body, ..base },
            Self::Connections(connections) => Workload { in_flight: 256, connections, ..base },
            Self::OneWay => Workload { shape: Shape::OneWay, in_flight: ONE_WAY, ..base },
            Self::Offered(percent) => {
                let Peak { per_second, in_flight } = peak?;
                let rate = (per_second * f64::from(percent) / 100.0).round();
                Workload { shape: Shape::Open, rate, in_flight, ..base }
            }
        })
    }
}

/// The best that a system did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    /// Calls per second.
    pub(crate) per_second: f64,
    /// The most calls in flight that it was measured with.
    pub(crate) in_flight: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InFlight(count) => write!(f, "{} in flight", thousands(count as f64)),
            Self::Body(size) => write!(f, "bodies of {}", bytes(size)),
            Self::Connections(1) => f.write_str("1 connection"),
            Self::Connections(count) => write!(f, "{count} connections"),
            Self::OneWay => f.write_str("one-way"),
            Self::Offered(percent) => write!(f, "{percent} % of own peak"),
        }
    }
}

pub(crate) const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1024];
pub(crate) const BODIES: [usize; 2] = [64 * 1024, 1024 * 1024];
/// One connection with 256 calls is [`Point::InFlight`].
pub(crate) const CONNECTIONS: [usize; 2] = [2, 8];
pub(crate) const OFFERED: [u32; 3] = [20, 50, 80];

/// Callers, each of which has up to 257 messages under way: one sends while the other waits for the
/// call that proves arrival, and together they stay below every system's bound of queued messages,
/// so that none may drop any.
const ONE_WAY: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_a_share_of_the_own_peak() {
        let peak = Peak { per_second: 1000.0, in_flight: 256 };
        let workload = Point::Offered(80).workload(1.0, Some(peak)).unwrap();
        assert!((workload.rate - 800.0).abs() < 1e-9);
        assert_eq!((workload.shape, workload.in_flight), (Shape::Open, 256));
        assert_eq!(Point::Offered(80).workload(1.0, None), None);
    }

    #[test]
    fn every_workload_can_be_driven() {
        let peak = Some(Peak { per_second: 10.0, in_flight: 1 });
        for point in Point::all() {
            let flags = point.workload(0.5, peak).unwrap().to_flags();
            let words: Vec<&str> = flags.iter().map(String::as_str).collect();
            assert_eq!(Workload::parse(&words).ok(), point.workload(0.5, peak), "{point}");
        }
    }
}
