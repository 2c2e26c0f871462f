//! The bars of how much later than others the latest calls are answered. Pure.

use callboard_benches::meter::Untold;

use super::{Bar, Demand, Yardstick, missing};
use crate::number::digits;
use crate::point::{HALF, Point};
use crate::record::{Comparison, Metric};
use crate::systems::{FLOOR, SUBJECT};

/// Of whole rounds, and of the median window, which a stall in a few windows does not decide, each
/// as it is and with real-time priority.
pub(super) fn bars(comparison: &Comparison) -> [Bar; 4] {
    [
        (Point::Offered(HALF), Metric::Tail),
        (Point::Offered(HALF), Metric::WindowTail),
        (Point::RealTime(HALF), Metric::Tail),
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
        None => missing(comparison, SUBJECT, point),
        Some(_) if metric == Metric::WindowTail => windows(comparison, point),
        Some(_) => String::new(),
    };
    Bar {
        subject: subject(point, metric),
        demand: Demand::AtMost(5.0),
        unit: "x its p50".into(),
        measured,
        remark,
        // What is offered to it is half of its own peak, which is another load.
        yardstick: of(FLOOR).map(|median| Yardstick { name: FLOOR, median, rounds: Vec::new() }),
        // Only that of whole rounds without real-time priority was demanded at the beginning.
        is_added: (point, metric) != (Point::Offered(HALF), Metric::Tail),
    }
}

/// What stands beside the median window's figure: of what it is a multiple, how many windows are
/// late, and in how many rounds there is a queue; or why there is no figure.
fn windows(comparison: &Comparison, point: Point) -> String {
    let median = |metric| Some(comparison.spread(SUBJECT, point, metric)?.median);
    let untold = |why| comparison.untold(SUBJECT, point, why);
    let mut parts = Vec::new();
    if let Some(p50) = median(Metric::WindowP50) {
        parts.push(format!("p50 {} µs", digits(p50)));
    }
    if let Some(late) = median(Metric::LateWindows) {
        parts.push(format!("{late:.0} % of the windows late"));
    }
    match untold(Untold::Queue) {
        (_, 0) => parts.push("without windows".to_owned()),
        (0, _) => {}
        (queues, all) => parts.push(format!("a queue in {queues} of {all} rounds")),
    }
    match untold(Untold::TooFewWindows) {
        (0, _) => {}
        (few, all) => parts.push(format!("too few windows in {few} of {all} rounds")),
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{comparison, with_queues};

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
        for (point, index) in [(Point::Offered(50), 1), (Point::RealTime(50), 3)] {
            let bar = &bars(&measured(point, Some(30.0)))[index];
            assert_eq!((bar.is_met(), bar.is_beyond()), (Some(false), false));
            assert_eq!(bar.yardstick.as_ref().map(|it| it.name), Some(FLOOR));
        }
    }

    #[test]
    fn windows_do_not_hide_what_whole_rounds_say() {
        let [whole, windows, _, real_time] = bars(&measured(Point::Offered(50), Some(4.0)));
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
        assert_eq!(windows.remark, "p50 2.00 µs");
        assert_eq!(real_time.remark, "callboard was not run");
    }

    #[test]
    fn with_real_time_priority_whole_rounds_are_a_bar_too() {
        let [_, _, whole, windows] = bars(&measured(Point::RealTime(50), Some(4.0)));
        assert_eq!(whole.subject, "p99 at 50 % of own peak, with real-time priority");
        assert_eq!((whole.is_met(), whole.is_added), (Some(false), true));
        assert_eq!((windows.is_met(), windows.is_added), (Some(true), true));
    }

    #[test]
    fn a_queue_counts_against_the_system() {
        let mut this = comparison(Point::Offered(50), &[(SUBJECT, &[1.0; 5])]);
        for (count, is_met) in [(2, true), (3, false), (5, false)] {
            with_queues(&mut this, SUBJECT, count);
            let windows = &bars(&this)[1];
            let expected =
                format!("p50 40.0 µs, 25 % of the windows late, a queue in {count} of 5 rounds");
            assert_eq!((windows.is_met(), &windows.remark), (Some(is_met), &expected));
        }
    }

    #[test]
    fn too_few_windows_are_said_to_be() {
        let mut this = comparison(Point::Offered(50), &[(SUBJECT, &[1.0; 2])]);
        for sample in this.runs.iter_mut().filter_map(|run| run.sample.as_mut()) {
            sample.untold = Some(Untold::TooFewWindows);
        }
        let windows = &bars(&this)[1];
        let expected = (None, "too few windows in 2 of 2 rounds");
        assert_eq!((windows.is_met(), windows.remark.as_str()), expected);
    }

    #[test]
    fn results_from_before_there_were_windows_have_none() {
        let [whole, windows, ..] = bars(&measured(Point::Offered(50), None));
        assert_eq!(whole.measured, Some(30.0));
        assert_eq!((windows.is_met(), windows.remark.as_str()), (None, "without windows"));
    }
}
