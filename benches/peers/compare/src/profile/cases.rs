//! What is profiled, and for which bars. Pure.

use std::time::Duration;

use callboard_benches::alone::Alone;

use crate::bars::{Bar, tail_subject};
use crate::number::{bytes, thousands};
use crate::point::{BODIES, HALF, LOADED, Point};
use crate::record::Metric;
use crate::systems::{FLOOR, PLAIN, SUBJECT, System, TARPC, TARPC_THREADS};

/// Profiles that are read side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// What processor time is told per.
    pub(crate) per: &'static str,
    /// Subjects of the bars that it is about, and where the remark counts, that too.
    bars: Vec<(String, Option<&'static str>)>,
    pub(crate) ways: Vec<Way>,
    /// Whether it is told although its bars are met this time.
    pub(crate) is_always_told: bool,
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
        let is_meant = |(subject, remark): &(String, Option<&str>)| {
            bar.subject == *subject && remark.is_none_or(|remark| bar.remark == remark)
        };
        let is_profiled = |other: &System| self.ways.iter().any(|way| way.name == other.name);
        self.bars.iter().any(is_meant) && bar.other().is_none_or(is_profiled)
    }

    /// Without which of its profiles the bar has none.
    pub(crate) fn needed(&self, bar: &Bar) -> impl Iterator<Item = &Way> {
        let other = bar.other().map(|system| system.name);
        let is_needed =
            move |way: &&Way| other.is_none_or(|other| [SUBJECT, other].contains(&&*way.name));
        self.ways.iter().filter(is_needed)
    }
}

fn in_flight(count: usize) -> Case {
    let number = thousands(count as f64);
    Case {
        title: format!("Calls, {number} in flight"),
        per: "call",
        bars: vec![
            (format!("calls/s, {number} in flight"), None),
            (format!("CPU per call of both sides, {number} in flight"), None),
        ],
        ways: pairs(Point::InFlight(count), &[SUBJECT, FLOOR, TARPC, TARPC_THREADS]),
        is_always_told: false,
    }
}

fn tail() -> Case {
    // With real-time priority other things decide, and it is over before enough can be sampled.
    let half = Point::Offered(HALF);
    let subjects = [Metric::Tail, Metric::WindowTail].map(|metric| tail_subject(half, metric));
    Case {
        title: format!("p99 at {half}"),
        per: "call",
        bars: subjects.map(|subject| (subject, None)).into(),
        ways: pairs(half, &[SUBJECT, FLOOR]),
        // What made calls late is the evidence for what is said about them, whichever way it ends.
        is_always_told: true,
    }
}

fn bodies(size: usize) -> Case {
    let size_text = bytes(size);
    Case {
        title: format!("Bodies of {size_text}"),
        per: "call",
        bars: vec![(format!("MB/s, bodies of {size_text}"), None)],
        ways: pairs(Point::Body(size), &[SUBJECT, PLAIN, TARPC]),
        is_always_told: false,
    }
}

fn pairs(point: Point, systems: &[&str]) -> Vec<Way> {
    let way = |name: &&str| Way { name: (*name).to_owned(), run: Run::Pair(point) };
    systems.iter().map(way).collect()
}

fn across_arbiters() -> Case {
    let way = |name: &str| Way { name: name.to_owned(), run: Run::Micro(alone(name, 64)) };
    let worst = Some("service(name), 64 in flight");
    Case {
        title: "Asking across arbiters, 64 in flight".into(),
        per: "call",
        bars: vec![("in-process ask, across arbiters".into(), worst)],
        ways: ["service(name)", "Addr, actix::Context"].map(way).into(),
        is_always_told: false,
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
        bars: vec![(GROWTH.into(), Some("subscribers: an event, each on a node of its own"))],
        ways: [100, 1_000].map(way).into(),
        is_always_told: false,
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
        bars: vec![(GROWTH.into(), Some("nodes per service: one node changes"))],
        ways: [1_000, 10_000].map(way).into(),
        is_always_told: false,
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
            Figure::new("ask, across arbiters", "service(name)", ("in flight", 64))
                .value(1.5, "")
                .bar(1.2),
        ];
        let bars = bars(&comparison(Point::OneWay, &[]), &figures);
        for case in Case::all() {
            assert!(bars.iter().any(|bar| case.concerns(bar)), "{}", case.title);
        }
    }

    #[test]
    fn a_case_is_about_no_bar_of_something_else() {
        let bar = |subject: &str, unit: &str, remark: &str| Bar {
            subject: subject.into(),
            unit: unit.into(),
            remark: remark.into(),
            ..bars(&comparison(Point::OneWay, &[]), &[]).remove(0)
        };
        let is_seen = |bar: Bar| Case::all().iter().any(|case| case.concerns(&bar));
        let across = |remark| is_seen(bar("in-process ask, across arbiters", "x Addr", remark));
        assert!(across("service(name), 64 in flight"));
        assert!(!across("service(name), 1 in flight"));
        assert!(!across("Addr, callboard::Context, 64 in flight"));
        let growth = |remark| is_seen(bar(GROWTH, "", remark));
        assert!(growth("nodes per service: one node changes"));
        assert!(!growth("nodes per service: one node changes, with a hash ring"));
        let calls = |other| is_seen(bar("calls/s, 64 in flight", other, ""));
        assert!(calls("x floor") && calls("x tarpc"));
        assert!(calls("x tarpc-threads") && !calls("x tonic"));
        let bodies = |best| is_seen(bar("MB/s, bodies of 1 MiB", "x the best rival", best));
        assert!(bodies("tarpc") && !bodies("tonic"));
        let tail = |point, metric| is_seen(bar(&tail_subject(point, metric), "x its p50", ""));
        assert!(tail(Point::Offered(50), Metric::Tail));
        assert!(tail(Point::Offered(50), Metric::WindowTail));
        assert!(!tail(Point::RealTime(50), Metric::WindowTail));
    }
}
