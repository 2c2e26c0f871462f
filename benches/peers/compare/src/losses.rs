//! Where callboard loses. Pure.

use crate::point::Point;
use crate::record::{Comparison, Metric};
use crate::systems::{SUBJECT, SYSTEMS};

/// A figure of callboard that others surpass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loss {
    pub(crate) point: Point,
    pub(crate) metric: Metric,
    /// callboard's figure in that of each better system, the best first; more than 1 where less is
    /// better, less than 1 where more is.
    pub(crate) better: Vec<(&'static str, f64)>,
}

/// Every cell of the tables in which any other system is better, by the median ratio.
pub(crate) fn losses(comparison: &Comparison) -> Vec<Loss> {
    let mut losses = Vec::new();
    for point in Point::all() {
        for metric in metrics(point) {
            let better = better(comparison, point, *metric);
            if !better.is_empty() {
                losses.push(Loss { point, metric: *metric, better });
            }
        }
    }
    losses
}

fn better(comparison: &Comparison, point: Point, metric: Metric) -> Vec<(&'static str, f64)> {
    let others = SYSTEMS.iter().filter(|system| system.name != SUBJECT);
    let mut better: Vec<(&str, f64)> = others
        .filter_map(|other| {
            let ratio = comparison.ratio((SUBJECT, other.name), point, metric)?;
            let is_worse = if metric.is_gain() { ratio < 1.0 } else { ratio > 1.0 };
            is_worse.then_some((other.name, ratio))
        })
        .collect();
    let by_ratio = |(_, one): &(&str, f64), (_, other): &(&str, f64)| one.total_cmp(other);
    better.sort_by(by_ratio);
    if !metric.is_gain() {
        better.reverse();
    }
    better
}

/// What is compared at a point. CPU per call says nothing in an open loop, whose client never
/// sleeps, and every system's throughput there is what was offered.
fn metrics(point: Point) -> &'static [Metric] {
    match point {
        Point::InFlight(_) | Point::Connections(_) | Point::Door(_) => {
            &[Metric::Rate, Metric::P50, Metric::P99, Metric::Cpu, Metric::Memory]
        }
        Point::Body(_) => &[Metric::Bytes, Metric::P50, Metric::P99, Metric::Cpu, Metric::Memory],
        Point::OneWay | Point::Stream(..) | Point::Publish(_) => {
            &[Metric::Rate, Metric::Cpu, Metric::Memory]
        }
        Point::Offered(_) | Point::RealTime(_) => {
            &[Metric::P50, Metric::P99, Metric::P999, Metric::WindowP99]
        }
    }
}

#[cfg(test)]
mod tests {
    use callboard_benches::worker::Shape;

    use super::*;
    use crate::record::tests::{comparison, with_queues};
    use crate::systems::FLOOR;

    #[test]
    fn the_best_of_those_that_are_better_comes_first() {
        let point = Point::InFlight(64);
        let rates: &[(&str, &[f64])] =
            &[(SUBJECT, &[50.0]), ("tarpc", &[80.0]), (FLOOR, &[100.0]), ("tonic", &[10.0])];
        let losses = losses(&comparison(point, rates));
        assert_eq!(losses[0].metric, Metric::Rate);
        assert_eq!(losses[0].better, [(FLOOR, 0.5), ("tarpc", 0.625)]);
        assert_eq!((losses[1].metric, losses[1].better[0]), (Metric::P50, (FLOOR, 2.0)));
    }

    #[test]
    fn streams_topics_and_the_door_are_looked_at_too() {
        for (point, other) in [
            (Point::Stream(Shape::Down, 8), "tonic"),
            (Point::Publish(64), "nats-publish"),
            (Point::Door(64), "axum"),
        ] {
            let losses = losses(&comparison(point, &[(SUBJECT, &[50.0]), (other, &[80.0])]));
            assert_eq!((losses[0].metric, losses[0].point), (Metric::Rate, point));
            assert_eq!(losses[0].better, [(other, 0.625)]);
        }
    }

    #[test]
    fn at_offered_rates_the_median_window_is_looked_at_too() {
        let point = Point::Offered(50);
        let mut this = comparison(point, &[(SUBJECT, &[50.0]), ("tarpc", &[40.0])]);
        assert_eq!(losses(&this), [], "as it was before there were windows");
        for (run, p99) in this.runs.iter_mut().zip([90.0, 60.0]) {
            run.sample.as_mut().unwrap().window_p99 = Some(p99);
        }
        let better = vec![("tarpc", 1.5)];
        assert_eq!(losses(&this), [Loss { point, metric: Metric::WindowP99, better }]);
    }

    #[test]
    fn a_queue_loses_infinitely() {
        let point = Point::Offered(50);
        let rates: &[(&str, &[f64])] = &[(SUBJECT, &[50.0; 3]), ("tarpc", &[50.0; 3])];
        let mut this = comparison(point, rates);
        with_queues(&mut this, SUBJECT, 2);
        with_queues(&mut this, "tarpc", 0);
        let better = vec![("tarpc", f64::INFINITY)];
        assert_eq!(losses(&this), [Loss { point, metric: Metric::WindowP99, better }]);
        with_queues(&mut this, "tarpc", 3);
        assert_eq!(losses(&this), [], "both have one");
    }

    #[test]
    fn who_is_best_everywhere_loses_nowhere() {
        let rates: &[(&str, &[f64])] = &[(SUBJECT, &[50.0]), ("tarpc", &[40.0])];
        assert_eq!(losses(&comparison(Point::InFlight(1), rates)), []);
    }
}
