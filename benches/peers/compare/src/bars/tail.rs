//! The bars of how much later than others the latest calls are answered. Pure.

use super::{Bar, Demand, Yardstick, missing};
use crate::point::{HALF, Point};
use crate::record::{Comparison, Metric};
use crate::systems::{FLOOR, SUBJECT};

/// Of whole rounds, as it was demanded; and of the median window, which no stall of the machine
/// decides, as it is and with real-time priority.
pub(super) fn bars(comparison: &Comparison) -> [Bar; 3] {
    [
        (Point::Offered(HALF), Metric::Tail),
        (Point::Offered(HALF), Metric::WindowTail),
        (Point::RealTime(HALF), Metric::WindowTail),
    ]
    .map(|(point, metric)| bar(comparison, point, metric))
}

/// What such a bar is called.
pub(crate) fn subject(point: Point, metric: Metric) -> String {
    let windows = if metric == Metric::WindowTail { ", median window of 50 ms" } else { "" };
    format!("p99 at {point}{windows}")
}

fn bar(comparison: &Comparison, point: Point, metric: Metric) -> Bar {
    let of = |system| Some(comparison.spread(system, point, metric)?.median);
    let measured = of(SUBJECT);
    let remark = match comparison.spread(SUBJECT, point, Metric::Tail) {
        _ if measured.is_some() => String::new(),
        Some(_) => "without windows".to_owned(),
        None => missing(comparison, SUBJECT, point),
    };
    Bar {
        subject: subject(point, metric),
        demand: Demand::AtMost(5.0),
        unit: "x its p50".into(),
        measured,
        remark,
        // What is offered to it is half of its own peak, which is another load.
        yardstick: of(FLOOR).map(|median| Yardstick { name: FLOOR, median, rounds: Vec::new() }),
        is_added: metric == Metric::WindowTail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::comparison;

    /// Whole runs with 30 p50s each, and windows with so many.
    fn measured(point: Point, windows: Option<f64>) -> Comparison {
        let mut this = comparison(point, &[(SUBJECT, &[1.0]), (FLOOR, &[1.0])]);
        for sample in this.runs.iter_mut().filter_map(|run| run.sample.as_mut()) {
            sample.p99 = 30.0 * sample.p50;
            sample.window_p50 = windows.map(|_| 2.0);
            sample.window_p99 = windows.map(|tail| tail * 2.0);
        }
        this
    }

    #[test]
    fn the_floor_s_tail_is_shown_and_decides_nothing() {
        for (point, index) in [(Point::Offered(50), 1), (Point::RealTime(50), 2)] {
            let bar = &bars(&measured(point, Some(30.0)))[index];
            assert_eq!((bar.is_met(), bar.is_beyond()), (Some(false), false));
            assert_eq!(bar.yardstick.as_ref().map(|it| it.name), Some(FLOOR));
        }
    }

    #[test]
    fn windows_do_not_hide_what_whole_rounds_say() {
        let [whole, windows, real_time] = bars(&measured(Point::Offered(50), Some(4.0)));
        assert_eq!(whole.subject, "p99 at 50 % of own peak");
        assert_eq!(
            (whole.measured, whole.is_met(), whole.is_added),
            (Some(30.0), Some(false), false)
        );
        assert_eq!(windows.subject, "p99 at 50 % of own peak, median window of 50 ms");
        assert_eq!(
            (windows.measured, windows.is_met(), windows.is_added),
            (Some(4.0), Some(true), true)
        );
        assert_eq!(real_time.remark, "callboard was not run");
    }

    #[test]
    fn results_from_before_there_were_windows_have_none() {
        let [whole, windows, _] = bars(&measured(Point::Offered(50), None));
        assert_eq!(whole.measured, Some(30.0));
        assert_eq!((windows.is_met(), windows.remark.as_str()), (None, "without windows"));
    }
}
