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
    let count = |verdict| bars.iter().filter(|bar| bar.is_met() == verdict).count();
    let head = ["what", "bar", "measured", ""];
    let rows: Vec<_> = bars.iter().map(row).collect();
    format!(
        "## Bars\n\n{} of {} are met, {} are not met, {} were not measured. Each number is the \
         median over the rounds of the ratio within a round.\n\n{}",
        count(Some(true)),
        bars.len(),
        count(Some(false)),
        count(None),
        text_table(&head, &rows),
    )
}

fn row(bar: &Bar) -> Vec<String> {
    let remark = if bar.remark.is_empty() { String::new() } else { format!(" ({})", bar.remark) };
    let measured = bar.measured.map_or("–".into(), digits);
    let verdict = match bar.is_met() {
        Some(true) => "met",
        Some(false) => "**not met**",
        None => "not measured",
    };
    vec![
        bar.subject.clone(),
        format!("{} {}", bar.demand.text(), bar.unit),
        format!("{measured}{remark}"),
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
