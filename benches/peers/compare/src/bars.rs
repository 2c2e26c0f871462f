//! How good callboard must be, and whether it is. Pure.

mod demand;
mod elsewhere;
mod tail;

use callboard_benches::figure::Figure;

pub(crate) use self::demand::Demand;
pub(crate) use self::tail::subject as tail_subject;
use crate::number::{bytes, digits, thousands};
use crate::point::{BODIES, IN_FLIGHT, LOADED, Point};
use crate::record::{Comparison, Metric};
use crate::systems::{
    AXUM, FLOOR, PING_PONG, PLAIN, Role, SUBJECT, SYSTEMS, System, TARPC, TARPC_THREADS,
};

/// One demand, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// What is looked at.
    pub(crate) subject: String,
    pub(crate) demand: Demand,
    /// What the demand's number is a multiple of.
    pub(crate) unit: String,
    /// `None` when a sample is missing.
    pub(crate) measured: Option<f64>,
    /// Where it was measured, or why it was not.
    pub(crate) remark: String,
    /// What a yardstick reaches that is not itself what the demand is about, in the same rounds.
    pub(crate) yardstick: Option<Yardstick>,
    /// Whether it is not one of those that were set at the beginning.
    pub(crate) is_added: bool,
}

/// How near to a demand the machine lets a program come that does nothing else.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yardstick {
    pub(crate) name: &'static str,
    /// Over the rounds.
    pub(crate) median: f64,
    /// That of each round; none where it was not measured with the same load as callboard.
    pub(crate) rounds: Vec<f64>,
}

impl Bar {
    /// `None` when it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.measured.map(|measured| self.demand.is_met_by(measured))
    }

    /// What is demanded, with its unit if it has one.
    pub(crate) fn demanded(&self) -> String {
        format!("{} {}", self.demand.text(), self.unit).trim_end().to_owned()
    }

    /// What was measured, as texts have it.
    pub(crate) fn told(&self) -> String {
        match self.measured {
            // Which only windows can be.
            Some(measured) if measured.is_infinite() => "queue".to_owned(),
            measured => measured.map_or("–".into(), digits),
        }
    }

    /// Whether not even the yardstick, which does nothing else, is as good as is demanded in any
    /// round, while callboard is no better than it.
    pub(crate) fn is_beyond(&self) -> bool {
        let (Some(yardstick), Some(measured)) = (&self.yardstick, self.measured) else {
            return false;
        };
        let Yardstick { median, rounds, .. } = yardstick;
        !rounds.is_empty()
            && !rounds.iter().any(|reached| self.demand.is_met_by(*reached))
            && !self.demand.prefers(measured, *median)
    }

    /// The other system that it is about, where it is about one.
    pub(crate) fn other(&self) -> Option<&'static System> {
        let name = self.unit.strip_prefix("x ").filter(|unit| *unit != BEST);
        System::find(name.unwrap_or(&self.remark))
    }
}

/// All bars: those of this comparison, then those of the other programs' figures.
pub(crate) fn bars(comparison: &Comparison, figures: &[Figure]) -> Vec<Bar> {
    let mut bars = unary(comparison);
    bars.extend(latency(comparison));
    bars.extend(bodies(comparison));
    let one_way = (Point::OneWay, Metric::Rate, Demand::AtLeast(0.6));
    bars.push(beside(comparison, "one-way, messages/s", FLOOR, one_way));
    bars.push(events(comparison));
    let many = Point::Door(64);
    let subject = format!("requests/s, {many}");
    bars.push(beside(comparison, &subject, AXUM, (many, Metric::Rate, Demand::AtLeast(1.0))));
    bars.extend(elsewhere::bars(figures));
    bars
}

fn unary(comparison: &Comparison) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (other, demands) in UNARY {
        for (in_flight, demand) in LOADED.into_iter().zip(demands) {
            let subject = format!("calls/s, {} in flight", thousands(in_flight as f64));
            let what = (Point::InFlight(in_flight), Metric::Rate, Demand::AtLeast(demand));
            bars.push(beside(comparison, &subject, other, what));
        }
    }
    for in_flight in IN_FLIGHT {
        let subject = format!("calls/s, {} in flight", thousands(in_flight as f64));
        let what = (Point::InFlight(in_flight), Metric::Rate, Demand::Above(1.0));
        bars.push(beside(comparison, &subject, "ractor", what));
    }
    bars
}

fn latency(comparison: &Comparison) -> Vec<Bar> {
    let mut bars = Vec::new();
    let others = [
        (PING_PONG, Demand::AtMost(1.25)),
        ("tarpc", Demand::Below(1.0)),
        ("tonic", Demand::Below(1.0)),
    ];
    for (other, demand) in others {
        let what = (Point::InFlight(1), Metric::P50, demand);
        bars.push(beside(comparison, "p50, 1 in flight", other, what));
    }
    let cpu = (Point::InFlight(256), Metric::Cpu, Demand::AtMost(1.6));
    bars.push(beside(comparison, "CPU per call of both sides, 256 in flight", FLOOR, cpu));
    bars.extend(tail::bars(comparison));
    bars
}

fn bodies(comparison: &Comparison) -> Vec<Bar> {
    let mut bars = Vec::new();
    for size in BODIES {
        let (point, subject) = (Point::Body(size), format!("MB/s, bodies of {}", bytes(size)));
        let what = (point, Metric::Bytes, Demand::AtLeast(0.7));
        bars.push(beside(comparison, &subject, PLAIN, what));
        bars.push(above_every_rival(comparison, subject, point));
    }
    bars
}

/// Events to one subscriber: so many, or half of the one-way messages of the same run if that is
/// less.
fn events(comparison: &Comparison) -> Bar {
    let one = Point::Publish(1);
    let rate = |point| comparison.spread(SUBJECT, point, Metric::Rate).map(|rate| rate.median);
    let (events, messages) = (rate(one), rate(Point::OneWay));
    let bar = messages.map_or(EVENTS, |messages| (messages / 2.0).min(EVENTS));
    let remark = events.map_or_else(
        || missing(comparison, SUBJECT, one),
        |events| format!("{} of {}", thousands(events), thousands(bar)),
    );
    Bar {
        yardstick: None,
        is_added: true,
        subject: format!("events/s, {one} in another process"),
        demand: Demand::AtLeast(1.0),
        unit: format!("x {}, or half of one-way if less", thousands(EVENTS)),
        measured: events.map(|events| events / bar),
        remark,
    }
}

/// callboard's figure in those of another system.
fn beside(
    comparison: &Comparison,
    subject: &str,
    other: &str,
    (point, metric, demand): (Point, Metric, Demand),
) -> Bar {
    let measured = comparison.ratio((SUBJECT, other), point, metric);
    let remark = match measured {
        Some(_) => String::new(),
        None if comparison.spread(SUBJECT, point, metric).is_none() => {
            missing(comparison, SUBJECT, point)
        }
        None => missing(comparison, other, point),
    };
    Bar {
        subject: subject.to_owned(),
        demand,
        unit: format!("x {other}"),
        measured,
        remark,
        yardstick: yardstick(comparison, other, point, metric),
        is_added: other == TARPC_THREADS || matches!(point, Point::Door(_)),
    }
}

/// What the yardstick of a workload reaches beside a rival.
fn yardstick(
    comparison: &Comparison,
    other: &str,
    point: Point,
    metric: Metric,
) -> Option<Yardstick> {
    System::find(other).filter(|system| system.role == Role::Rival)?;
    let name = if let Point::Body(_) = point { PLAIN } else { FLOOR };
    let both = (name, other);
    let median = comparison.ratio(both, point, metric)?;
    Some(Yardstick { name, median, rounds: comparison.ratios(both, point, metric) })
}

fn above_every_rival(comparison: &Comparison, subject: String, point: Point) -> Bar {
    let rivals = SYSTEMS.iter().filter(|system| system.role == Role::Rival);
    let ratios = rivals.filter_map(|rival| {
        Some((comparison.ratio((SUBJECT, rival.name), point, Metric::Bytes)?, rival.name))
    });
    let worst = ratios.min_by(|(one, _), (other, _)| one.total_cmp(other));
    Bar {
        subject,
        demand: Demand::Above(1.0),
        unit: format!("x {BEST}"),
        measured: worst.map(|(ratio, _)| ratio),
        remark: worst.map_or("no rival was measured".into(), |(_, name)| name.to_owned()),
        yardstick: worst.and_then(|(_, rival)| yardstick(comparison, rival, point, Metric::Bytes)),
        is_added: false,
    }
}

fn missing(comparison: &Comparison, system: &str, point: Point) -> String {
    let note = comparison.note(system, point);
    note.map_or_else(|| format!("{system} was not run"), |note| format!("{system}: {note}"))
}

/// Which rival that is, the remark says.
const BEST: &str = "the best rival";

/// Events per second to one subscriber.
const EVENTS: f64 = 500_000.0;

/// By system, multiples of its throughput.
const UNARY: [(&str, [f64; 3]); 5] = [
    (FLOOR, [0.7; 3]),
    (TARPC, [2.5, 6.0, 6.0]),
    // What the demands on tarpc were made from.
    (TARPC_THREADS, [2.5, 6.0, 6.0]),
    ("tonic", [6.0, 12.0, 15.0]),
    ("kameo", [10.0; 3]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::comparison;

    fn find<'a>(bars: &'a [Bar], subject: &str, unit: &str) -> &'a Bar {
        bars.iter().find(|bar| bar.subject == subject && bar.unit == unit).unwrap()
    }

    #[test]
    fn a_bar_is_met_missed_or_not_measured() {
        let point = Point::InFlight(64);
        let rates: &[(&str, &[f64])] = &[
            (SUBJECT, &[80.0, 60.0]),
            (FLOOR, &[100.0, 80.0]),
            ("tarpc", &[40.0, 30.0]),
            ("kameo", &[0.0]),
        ];
        let bars = bars(&comparison(point, rates), &[]);
        let subject = "calls/s, 64 in flight";
        assert_eq!(find(&bars, subject, "x floor").is_met(), Some(true));
        assert_eq!(find(&bars, subject, "x tarpc").is_met(), Some(false));
        assert_eq!(find(&bars, subject, "x kameo").is_met(), None);
        assert_eq!(find(&bars, subject, "x kameo").remark, "kameo: it broke");
        assert_eq!(find(&bars, subject, "x tonic").remark, "tonic was not run");
        assert_eq!(find(&bars, "one-way, messages/s", "x floor").remark, "callboard was not run");
    }

    #[test]
    fn a_demand_that_the_floor_does_not_meet_is_beyond_it() {
        let point = Point::InFlight(256);
        let rates: &[(&str, &[f64])] =
            &[(SUBJECT, &[200.0]), (FLOOR, &[225.0]), (TARPC, &[100.0]), (TARPC_THREADS, &[20.0])];
        let bars = bars(&comparison(point, rates), &[]);
        let subject = "calls/s, 256 in flight";
        let bar = find(&bars, subject, "x tarpc");
        let floor = Yardstick { name: FLOOR, median: 2.25, rounds: vec![2.25] };
        assert_eq!((bar.is_beyond(), &bar.yardstick), (true, &Some(floor)));
        let bar = find(&bars, subject, "x tarpc-threads");
        assert_eq!((bar.is_beyond(), bar.is_met()), (false, Some(true)));
        // The floor is not measured beside itself.
        assert_eq!(find(&bars, subject, "x floor").yardstick, None);
    }

    #[test]
    fn a_demand_is_not_beyond_what_the_floor_reaches_once_or_callboard_surpasses() {
        let point = Point::InFlight(256);
        let is_beyond = |subject: [f64; 3], floor: [f64; 3]| {
            let rates: &[(&str, &[f64])] =
                &[(SUBJECT, &subject), (FLOOR, &floor), (TARPC, &[100.0; 3])];
            let bars = bars(&comparison(point, rates), &[]);
            find(&bars, "calls/s, 256 in flight", "x tarpc").is_beyond()
        };
        assert!(is_beyond([200.0; 3], [225.0; 3]));
        assert!(!is_beyond([200.0; 3], [225.0, 225.0, 610.0]));
        assert!(!is_beyond([230.0; 3], [225.0; 3]));
    }

    #[test]
    fn a_bar_knows_the_system_that_it_is_about() {
        let bars = bars(&comparison(Point::OneWay, &[]), &[]);
        let other = |subject, unit| find(&bars, subject, unit).other().map(|system| system.name);
        assert_eq!(other("calls/s, 64 in flight", "x floor"), Some(FLOOR));
        assert_eq!(other("p99 at 50 % of own peak", "x its p50"), None);
    }

    #[test]
    fn latency_must_be_low_and_throughput_high() {
        let point = Point::InFlight(1);
        let rates: &[(&str, &[f64])] =
            &[(SUBJECT, &[100.0]), (PING_PONG, &[110.0]), ("tonic", &[100.0])];
        let bars = bars(&comparison(point, rates), &[]);
        assert_eq!(find(&bars, "p50, 1 in flight", "x ping-pong").is_met(), Some(true));
        assert_eq!(find(&bars, "p50, 1 in flight", "x tonic").is_met(), Some(false));
    }

    #[test]
    fn bodies_are_compared_with_the_best_rival() {
        let point = Point::Body(65_536);
        let mut this =
            comparison(point, &[(SUBJECT, &[3.0]), ("tonic", &[2.0]), ("tarpc", &[4.0])]);
        for run in &mut this.runs {
            let sample = run.sample.as_mut().unwrap();
            sample.bytes_per_second = sample.per_second * 65_536.0;
        }
        let bars = bars(&this, &[]);
        let bar = find(&bars, "MB/s, bodies of 64 KiB", "x the best rival");
        assert_eq!((bar.measured, bar.remark.as_str()), (Some(0.75), "tarpc"));
        assert_eq!(bar.other().map(|system| system.name), Some("tarpc"));
        assert_eq!(bar.yardstick, None, "the plain loop was not measured");
    }

    #[test]
    fn events_are_compared_with_the_lower_of_a_number_and_half_of_one_way() {
        let bar = |events: f64, messages: f64| {
            let mut this = comparison(Point::Publish(1), &[(SUBJECT, &[events])]);
            this.runs.extend(comparison(Point::OneWay, &[(SUBJECT, &[messages])]).runs);
            bars(&this, &[]).into_iter().find(|bar| bar.subject.starts_with("events/s")).unwrap()
        };
        assert_eq!(bar(600_000.0, 2e6).is_met(), Some(true));
        assert_eq!(bar(400_000.0, 2e6).remark, "400,000 of 500,000");
        assert_eq!(bar(400_000.0, 2e6).is_met(), Some(false));
        assert_eq!(bar(400_000.0, 700_000.0).is_met(), Some(true));
        // What is not there is no zero.
        assert_eq!(bar(600_000.0, 0.0).is_met(), Some(true));
        assert_eq!(bar(0.0, 2e6).is_met(), None);
    }

    #[test]
    fn the_door_is_compared_with_axum_at_64_connections() {
        let rates: &[(&str, &[f64])] = &[(SUBJECT, &[90.0]), (AXUM, &[100.0])];
        let bars = bars(&comparison(Point::Door(64), rates), &[]);
        let bar = find(&bars, "requests/s, HTTP, 64 connections", "x axum");
        assert_eq!((bar.measured, bar.is_met()), (Some(0.9), Some(false)));
    }
}
