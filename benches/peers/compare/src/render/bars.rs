//! The bars, and where callboard loses.

use callboard_benches::figure::Figure;

use super::text_table;
use crate::bars::{self, Bar};
use crate::losses::{self, Loss};
use crate::number::digits;
use crate::record::Comparison;
use crate::systems::{Role, System};

/// The table of the bars.
pub(super) fn bars(comparison: &Comparison, figures: &[Figure]) -> String {
    let bars = bars::bars(comparison, figures);
    let head = ["what", "bar", "measured", "the yardstick", ""];
    let rows: Vec<_> = bars.iter().map(row).collect();
    format!(
        "## Bars\n\nOf the bars that were set at the beginning {}. Of those that were added later \
         (marked \"added\") {}.{} Beside another system a number is the median over the rounds of the \
         ratio within a round, and where that is a rival it is said what the yardstick reaches \
         against it in the same rounds. p99 is told in p50s of the same run, as the median over the \
         rounds; or in those of the run's median window of 50 ms, which is what happens in most \
         windows, with the p50 and the share of late windows beside it. A queue, in which a p99 says \
         nothing, is later than anything. The yardstick has half of its own peak there, which is \
         another load, so its figure decides nothing. Events are the median rate as a multiple of \
         the one that is demanded. What is within a process, of memory, or about growth are figures \
         of `micro` and `growth`, of several the worst.\n\n{}",
        counts(&bars, false),
        counts(&bars, true),
        beyond(&bars),
        text_table(&head, &rows),
    )
}

/// How many are met, of those that were added or of the others.
fn counts(bars: &[Bar], is_added: bool) -> String {
    let bars: Vec<&Bar> = bars.iter().filter(|bar| bar.is_added == is_added).collect();
    let count = |verdict| bars.iter().filter(|bar| bar.is_met() == verdict).count();
    format!(
        "{} of {} are met, {} are not met, {} were not measured",
        count(Some(true)),
        bars.len(),
        count(Some(false)),
        count(None),
    )
}

/// Says how many bars are beyond what a yardstick reaches.
fn beyond(bars: &[Bar]) -> String {
    let missed = bars.iter().filter(|bar| bar.is_met() == Some(false));
    match missed.filter(|bar| bar.is_beyond()).count() {
        0 => String::new(),
        count => format!(
            " Of all that are not met, {count} {} beyond the yardstick: the floor, or for large \
             bodies the plain loop, which does nothing but what is measured, does not meet {} in any \
             round either, and callboard is no better than it.",
            if count == 1 { "is" } else { "are" },
            if count == 1 { "it" } else { "them" },
        ),
    }
}

fn row(bar: &Bar) -> Vec<String> {
    let remark = if bar.remark.is_empty() { String::new() } else { format!(" ({})", bar.remark) };
    let measured = bar.told();
    let yardstick = bar.yardstick.as_ref().map(|it| format!("{} {}", it.name, digits(it.median)));
    let verdict = match bar.is_met() {
        Some(true) => "met",
        Some(false) if bar.is_beyond() => "**not met**, beyond the yardstick",
        Some(false) => "**not met**",
        None => "not measured",
    };
    let added = if bar.is_added { " (added)" } else { "" };
    vec![
        format!("{}{added}", bar.subject),
        bar.demanded(),
        format!("{measured}{remark}"),
        yardstick.unwrap_or_default(),
        verdict.to_owned(),
    ]
}

/// Every cell in which another system is better.
pub(super) fn losses(comparison: &Comparison) -> String {
    let losses = losses::losses(comparison);
    let table = |role: Role| {
        let rows: Vec<_> = losses.iter().filter_map(|loss| row_of_loss(loss, role)).collect();
        let head = ["workload", "figure", "better, and callboard's multiple"];
        if rows.is_empty() { "Nowhere.\n\n".to_owned() } else { text_table(&head, &rows) }
    };
    format!(
        "## Where callboard loses\n\nEvery figure in which any other system is better, and how much: \
         callboard's figure divided by the other's. Below 1 it is less of what one wants much of \
         (rate, bytes), above 1 it is more of what one wants little of (latency, CPU, memory).\n\n\
         ### To rivals\n\n{}### To the yardsticks\n\n{}",
        table(Role::Rival),
        table(Role::Yardstick),
    )
}

fn row_of_loss(loss: &Loss, role: Role) -> Option<Vec<String>> {
    let better = loss
        .better
        .iter()
        .filter(|(name, _)| System::find(name).is_some_and(|system| system.role == role));
    let cells: Vec<_> = better.map(|(name, ratio)| format!("{name} {}", digits(*ratio))).collect();
    let row = vec![loss.point.to_string(), loss.metric.name().to_owned(), cells.join(", ")];
    (!cells.is_empty()).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Point;
    use crate::record::tests::{comparison, with_queues};

    #[test]
    fn a_bar_beyond_the_floor_is_said_to_be() {
        let rates: &[(&str, &[f64])] =
            &[("callboard", &[200.0]), ("floor", &[225.0]), ("tarpc", &[100.0])];
        let text = bars(&comparison(Point::InFlight(256), rates), &[]);
        let row = "| calls/s, 256 in flight | at least 6.00 x tarpc | 2.00 | floor 2.25 \
                   | **not met**, beyond the yardstick |";
        assert!(text.contains(row) && text.contains("1 is beyond the yardstick"), "{text}");
    }

    #[test]
    fn a_queue_is_not_met() {
        let mut this = comparison(Point::Offered(50), &[("callboard", &[1.0; 5])]);
        with_queues(&mut this, "callboard", 3);
        let row = "(added) | at most 5.00 x its p50 | queue (p50 40.0 µs, 25 % of the windows late, \
                   a queue in 3 of 5 rounds) |  | **not met** |";
        let text = bars(&this, &[]);
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn bars_that_were_added_are_counted_apart() {
        let rates: &[(&str, &[f64])] =
            &[("callboard", &[200.0]), ("floor", &[225.0]), ("tarpc-threads", &[10.0])];
        let text = bars(&comparison(Point::InFlight(256), rates), &[]);
        let [first, later] = ["beginning 1 of ", "(marked \"added\") 1 of "];
        assert!(text.contains(first) && text.contains(later), "{text}");
        assert!(
            text.contains("| calls/s, 256 in flight (added) | at least 6.00 x tarpc-threads |")
        );
    }
}
