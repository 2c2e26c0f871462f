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
    /// The same with real-time priority, so that no other program has the processor meanwhile.
    RealTime(u32),
    /// Streams of this way, so many over one connection.
    Stream(Shape, usize),
    /// Events for so many subscribers, each with a connection of its own.
    Publish(usize),
    /// JSON over HTTP/1.1 with so many connections, each with one call.
    Door(usize),
}

impl Point {
    /// All of them, in the order in which they are measured: what is offered depends on the peak.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = IN_FLIGHT.into_iter().map(Self::InFlight).collect();
        all.extend(BODIES.into_iter().map(Self::Body));
        all.extend(CONNECTIONS.into_iter().map(Self::Connections));
        all.push(Self::OneWay);
        all.extend(OFFERED.into_iter().map(Self::Offered));
        all.push(Self::RealTime(HALF));
        for way in WAYS {
            all.extend(STREAMS.into_iter().map(|count| Self::Stream(way, count)));
        }
        all.extend(SUBSCRIBERS.into_iter().map(Self::Publish));
        all.extend(DOOR.into_iter().map(Self::Door));
        all
    }

    /// What is driven; `peak` is the system's own, in calls per second and calls in flight.
    pub(crate) fn workload(self, seconds: f64, peak: Option<Peak>) -> Option<Workload> {
        let base = Workload { seconds, ..Workload::default() };
        Some(match self {
            Self::InFlight(in_flight) | Self::Door(in_flight) => Workload { in_flight, ..base },
            Self::Body(body) => Workload { in_flight: 16, body, ..base },
            Self::Connections(connections) => Workload { in_flight: 256, connections, ..base },
            Self::OneWay => Workload { shape: Shape::OneWay, in_flight: ONE_WAY, ..base },
            Self::Offered(percent) => {
                Workload { seconds: seconds * OFFERED_LONGER, ..peak?.share(percent) }
            }
            Self::RealTime(percent) => {
                Workload { seconds: seconds.min(REAL_TIME_SECONDS), ..peak?.share(percent) }
            }
            Self::Stream(shape, in_flight) => Workload { shape, in_flight, body: BODY, ..base },
            Self::Publish(subscribers) => {
                let shape = Shape::Publish;
                Workload { shape, in_flight: EVENTS, subscribers, body: BODY, ..base }
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

impl Peak {
    /// So many per cent of it, offered.
    fn share(self, percent: u32) -> Workload {
        let rate = (self.per_second * f64::from(percent) / 100.0).round();
        Workload { shape: Shape::Open, rate, in_flight: self.in_flight, ..Workload::default() }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InFlight(count) => write!(f, "{} in flight", thousands(count as f64)),
            Self::Body(size) => write!(f, "bodies of {}", bytes(size)),
            Self::Connections(count) => f.write_str(&many(count, "connection")),
            Self::OneWay => f.write_str("one-way"),
            Self::Offered(percent) => write!(f, "{percent} % of own peak"),
            Self::RealTime(percent) => {
                write!(f, "{}, with real-time priority", Self::Offered(percent))
            }
            Self::Stream(way, count) => write!(f, "{} {}", many(count, "stream"), way_name(way)),
            Self::Publish(count) => f.write_str(&many(count, "subscriber")),
            Self::Door(count) => write!(f, "HTTP, {}", many(count, "connection")),
        }
    }
}

/// What a way of streams is called.
pub(crate) fn way_name(way: Shape) -> &'static str {
    match way {
        Shape::Down => "from the server",
        Shape::Up => "from the client",
        _ => "both ways",
    }
}

fn many(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

pub(crate) const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1024];
/// Those with demands on throughput.
pub(crate) const LOADED: [usize; 3] = [64, 256, 1024];
pub(crate) const BODIES: [usize; 2] = [64 * 1024, 1024 * 1024];
/// One connection with 256 calls is [`Point::InFlight`].
pub(crate) const CONNECTIONS: [usize; 2] = [2, 8];
pub(crate) const OFFERED: [u32; 3] = [20, 50, 80];
/// Rounds of offered rates are so many times as long as others: in a short one a single preemption
/// of some milliseconds, with what has to be caught up on after it, is more than a hundredth of all
/// calls and so makes the p99.
pub(crate) const OFFERED_LONGER: f64 = 4.0;
/// The share with bars, and the one that is measured with real-time priority too.
pub(crate) const HALF: u32 = 50;
/// With the warm-up it stays below the 0.95 s after which the kernel takes the processor away from
/// processes with such a priority.
pub(crate) const REAL_TIME_SECONDS: f64 = 0.4;
pub(crate) const WAYS: [Shape; 3] = [Shape::Down, Shape::Up, Shape::Both];
pub(crate) const STREAMS: [usize; 2] = [1, 8];
pub(crate) const SUBSCRIBERS: [usize; 3] = [1, 8, 64];
pub(crate) const DOOR: [usize; 2] = [1, 64];

/// Text of what is streamed and published: with its number a message has 128 bytes.
const BODY: usize = 120;

/// Events under way, whether each is acknowledged or the last of a batch; a subscriber's queue has
/// room for four times as many.
const EVENTS: usize = 256;

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
    fn the_kernel_has_no_reason_to_end_real_time() {
        let peak = Some(Peak { per_second: 1000.0, in_flight: 256 });
        let real_time = |seconds| Point::RealTime(50).workload(seconds, peak).unwrap();
        assert!((real_time(3.0).seconds - REAL_TIME_SECONDS).abs() < 1e-9);
        assert!((real_time(0.3).seconds - 0.3).abs() < 1e-9);
        assert!((real_time(3.0).rate - 500.0).abs() < 1e-9);
    }

    #[test]
    fn a_message_of_streams_and_topics_has_128_bytes() {
        for point in [Point::Stream(Shape::Up, 8), Point::Publish(8)] {
            let workload = point.workload(1.0, None).unwrap();
            assert_eq!(size_of::<u64>() + workload.body, 128);
        }
    }

    #[test]
    fn points_say_what_there_is_one_of_and_what_more() {
        let all = [Point::Stream(Shape::Down, 1), Point::Publish(8), Point::RealTime(50)];
        let names = [
            "1 stream from the server",
            "8 subscribers",
            "50 % of own peak, with real-time priority",
        ];
        assert_eq!(all.map(|point| point.to_string()), names);
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
