//! What the other programs measured.

use callboard_benches::figure::Figure;

use super::text_table;
use crate::number::{digits, thousands};

/// A table for each group of figures.
pub(super) fn render(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "## Within a process, and growth\n\nMeasured by the programs `micro` and `growth`: medians, \
         and in brackets the least and the most.\n\n",
    );
    let mut groups: Vec<&str> = Vec::new();
    for figure in figures {
        if !groups.contains(&figure.group.as_str()) {
            groups.push(&figure.group);
        }
    }
    for group in groups {
        let of_group = figures.iter().filter(|figure| figure.group == group);
        let head = ["what", "with", "value", "ratio"];
        let rows: Vec<_> = of_group.map(row).collect();
        text.push_str("### ");
        text.push_str(group);
        text.push_str("\n\n");
        text.push_str(&text_table(&head, &rows));
    }
    text
}

fn row(figure: &Figure) -> Vec<String> {
    let Figure { name, varied, parameter, value, unit, .. } = figure;
    let range = match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!(" ({} – {})", digits(low), digits(high)),
        _ => String::new(),
    };
    let ratio = match (figure.ratio, &figure.ratio_to) {
        (Some(ratio), Some(other)) => format!("{} x {other}", digits(ratio)),
        _ => "–".to_owned(),
    };
    vec![
        name.clone(),
        format!("{} {varied}", thousands(*parameter as f64)),
        format!("{} {unit}{range}", digits(*value)),
        ratio,
    ]
}
