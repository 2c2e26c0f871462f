//! What is profiled, and for which bars. Pure.

use std::time::Duration;

use callboard_benches::alone::Alone;

use crate::bars::Bar;
use crate::number::{bytes, thousands};
use crate::point::{BODIES, LOADED, Point, REAL_TIME};
use crate::systems::{FLOOR, PLAIN, SUBJECT, TARPC};

/// Profiles that are read side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// What processor time is told per.
    pub(crate) per: &'static str,
    /// Subjects of the bars that it is about, and how their remarks begin.
    bars: Vec<(String, &'static str)>,
    pub(crate) ways: Vec<Way>,
}

/// What is sampled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    /// A system, or what else is compared.
    pub(crate) name: String,
    pub(super) run: Run,
}

/// How it is brought about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Run {
    /// A client and a server.
    Pair(Point),
    /// A process of the program `micro` whose first thread asks an actor on another.
    Micro(Alone),
    /// A process of the program `growth`, of which each operation is so many.
    Growth(Alone, u32),
}

impl Case {
    /// All of them, in the order in which bars are told.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = LOADED.map(in_flight).into();
        all.push(tail());
        all.extend(BODIES.map(bodies));
        all.push(across_arbiters());
        all.extend([subscribers(), nodes()]);
        all
    }

    /// Whether the bar is about what is profiled here.
    pub(crate) fn concerns(&self, bar: &Bar) -> bool {
        self.bars
            .iter()
            .any(|(subject, remark)| bar.subject == *subject && bar.remark.starts_with(remark))
    }
}

fn in_flight(count: usize) -> Case {
    let number = thousands(count as f64);
    Case {
        title: format!("Calls, {number} in flight"),
        per: "call",
        bars: vec![
            (format!("calls/s, {number} in flight"), ""),
            (format!("CPU per call of both sides, {number} in flight"), ""),
        ],
        ways: pairs(Point::InFlight(count), &[SUBJECT, FLOOR, TARPC]),
    }
}

fn tail() -> Case {
    let (half, alone) = (Point::Offered(REAL_TIME), Point::RealTime(REAL_TIME));
    Case {
        title: format!("p99 at {half}"),
        per: "call",
        bars: [half, alone].map(|point| (format!("p99 at {point}"), "")).into(),
        ways: pairs(half, &[SUBJECT, FLOOR]),
    }
}

fn bodies(size: usize) -> Case {
    let size_text = bytes(size);
    Case {
        title: format!("Bodies of {size_text}"),
        per: "call",
        bars: vec![(format!("MB/s, bodies of {size_text}"), "")],
        ways: pairs(Point::Body(size), &[SUBJECT, PLAIN, TARPC]),
    }
}

fn pairs(point: Point, systems: &[&str]) -> Vec<Way> {
    let way = |name: &&str| Way { name: (*name).to_owned(), run: Run::Pair(point) };
    systems.iter().map(way).collect()
}

fn across_arbiters() -> Case {
    let way = |name: &str| Way { name: name.to_owned(), run: Run::Micro(alone(name, 64)) };
    Case {
        title: "Asking across arbiters, 64 in flight".into(),
        per: "call",
        bars: vec![("in-process ask, across arbiters".into(), "")],
        ways: ["service(name)", "Addr, actix::Context"].map(way).into(),
    }
}

fn subscribers() -> Case {
    let way = |count: u32| Way {
        name: format!("{} subscribers", thousands(count.into())),
        run: Run::Growth(alone("subscribers", count.into()), count),
    };
    Case {
        title: "An event to subscribers on a node each".into(),
        per: "delivery",
        bars: vec![(GROWTH.into(), "subscribers: an event, each on a node of its own")],
        ways: [100, 1_000].map(way).into(),
    }
}

fn nodes() -> Case {
    let way = |count: u64| Way {
        name: format!("{} nodes", thousands(count as f64)),
        run: Run::Growth(alone("nodes", count), 1),
    };
    Case {
        title: "One of a service's nodes changes".into(),
        per: "change",
        bars: vec![(GROWTH.into(), "nodes per service: one node changes")],
        ways: [1_000, 10_000].map(way).into(),
    }
}

fn alone(what: &str, size: u64) -> Alone {
    Alone { what: what.to_owned(), size, time: Duration::ZERO }
}

/// The subject of bars about exponents.
const GROWTH: &str = "growth, exponent over the size";

#[cfg(test)]
mod tests {
    use callboard_benches::figure::Figure;

    use super::*;
    use crate::bars::bars;
    use crate::record::tests::comparison;

    #[test]
    fn every_bar_of_a_case_exists() {
        let exponent = |subject: &str, name: &str, bar: f64| {
            let group = format!("{subject}, exponents");
            Figure::new(&group, name, ("n", 1_000)).value(2.0, "").bar(bar)
        };
        let figures = [
            exponent("subscribers", "an event, each on a node of its own", 1.3),
            exponent("nodes per service", "one node changes", 0.5),
        ];
        let bars = bars(&comparison(Point::OneWay, &[]), &figures);
        for case in Case::all() {
            assert!(bars.iter().any(|bar| case.concerns(bar)), "{}", case.title);
        }
    }
}
