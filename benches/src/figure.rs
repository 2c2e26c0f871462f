//! One measured value: a row of a table, or a line of JSON.

use serde::{Deserialize, Serialize};

/// A value that was measured, and how it compares.
///
/// As JSON it is one object per line; what it does not have is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Figures of a group are compared with each other.
    pub group: String,
    /// What was measured.
    pub name: String,
    /// What the parameter counts, e.g. calls in flight.
    pub varied: String,
    /// How much of it there was.
    pub parameter: u64,
    /// The median.
    pub value: f64,
    /// Of the value.
    pub unit: String,
    /// The least of all rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The greatest of all rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The median, over the rounds, of the ratio to another figure of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The name of that other figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to: Option<String>,
    /// What the ratio or, without one, the value may be at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<f64>,
}

impl Figure {
    /// Creates a figure of one measurement.
    pub fn new(group: &str, name: impl Into<String>, (varied, parameter): (&str, u64)) -> Self {
        let (group, name, varied) = (group.to_owned(), name.into(), varied.to_owned());
        Self { group, name, varied, parameter, ..Self::default() }
    }

    /// Sets what was measured, and returns the whole.
    #[must_use]
    pub fn value(mut self, value: f64, unit: &str) -> Self {
        self.value = value;
        unit.clone_into(&mut self.unit);
        self
    }

    /// Sets what it may be at most, and returns the whole.
    #[must_use]
    pub fn bar(mut self, bar: f64) -> Self {
        self.bar = Some(bar);
        self
    }

    /// Whether it is no more than it may be; `None` when nothing is demanded.
    pub fn is_met(&self) -> Option<bool> {
        Some(self.ratio.unwrap_or(self.value) <= self.bar?)
    }

    /// Its line of JSON.
    ///
    /// # Panics
    /// Never: there is nothing in it that JSON cannot express.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }

    /// Reads a line of JSON; `None` when it is something else.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    fn row(&self) -> String {
        let range = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{} – {}", short(low), short(high)),
            _ => String::new(),
        };
        let ratio = match (self.ratio, &self.ratio_to) {
            (Some(ratio), Some(other)) => format!("{ratio:.2} x {other}"),
            _ => String::new(),
        };
        let bar = match (self.bar, self.is_met()) {
            (Some(bar), Some(true)) => format!("at most {}: met", short(bar)),
            (Some(bar), _) => format!("at most {}: **not met**", short(bar)),
            _ => String::new(),
        };
        let (name, varied, unit) = (&self.name, &self.varied, &self.unit);
        let (parameter, value) = (self.parameter, short(self.value));
        format!("| {name} | {parameter} {varied} | {value} {unit} | {range} | {ratio} | {bar} |")
    }
}

/// Prints a table for each group, or a line of JSON for each figure.
pub fn print(figures: &[Figure], as_json: bool) {
    if as_json {
        for figure in figures {
            println!("{}", figure.to_line());
        }
        return;
    }
    for group in figures.chunk_by(|one, next| one.group == next.group) {
        println!("\n### {}\n\n| what | with | median | range | ratio | bar |", group[0].group);
        println!("|---|---|---|---|---|---|");
        for figure in group {
            println!("{}", figure.row());
        }
    }
}

/// Three digits, or all of a large number's.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_holds_all_that_there_is_and_nothing_else() {
        let figure = Figure::new("picks", "random", ("nodes", 10)).value(12.5, "ns");
        let line = r#"{"group":"picks","name":"random","varied":"nodes","parameter":10,"value":12.5,"unit":"ns"}"#;
        assert_eq!(figure.to_line(), line);
        let full = Figure {
            ratio: Some(2.0),
            ratio_to: Some("x".into()),
            low: Some(1.0),
            high: Some(3.0),
            ..figure.bar(3.0)
        };
        assert_eq!(Figure::from_line(&full.to_line()), Some(full));
        assert_eq!(Figure::from_line("warming up"), None);
    }

    #[test]
    fn a_bar_is_about_the_ratio_where_there_is_one() {
        let figure = Figure::new("g", "n", ("nodes", 1)).value(90.0, "ns");
        assert_eq!(figure.is_met(), None);
        assert_eq!(figure.clone().bar(100.0).is_met(), Some(true));
        let compared = Figure { ratio: Some(1.5), ..figure };
        assert_eq!(compared.clone().bar(1.3).is_met(), Some(false));
        assert_eq!(compared.bar(1.5).is_met(), Some(true));
    }
}
