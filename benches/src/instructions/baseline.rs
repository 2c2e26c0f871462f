//! The baseline, and what differs from it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Instructions per operation, by workload.
pub type Counts = BTreeMap<String, f64>;

/// Counts, and what they depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// E.g. `rustc 1.95.0`.
    pub compiler: String,
    /// E.g. `x86_64`.
    pub machine: String,
    /// The counts.
    pub counts: Counts,
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// It is missing, or something else.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let wrong = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let text = serde_json::to_string_pretty(self).map_err(|error| wrong(&error))?;
        std::fs::write(path, text + "\n").map_err(|error| wrong(&error))
    }

    /// Whether differences between the two are the code's.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.compiler == other.compiler && self.machine == other.machine
    }
}

/// One workload, before and now.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: String,
    before: Option<f64>,
    now: Option<f64>,
}

impl Row {
    /// Whether it takes no more than a tenth more than before; a workload on one side only is not.
    pub fn is_fine(&self) -> bool {
        self.change().is_some_and(|change| change <= TOLERANCE)
    }

    fn change(&self) -> Option<f64> {
        Some(self.now? / self.before? - 1.0)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<f64>| count.map_or("–".into(), |count| format!("{count:.1}"));
        let change = self.change();
        let verdict = match change {
            None => "**one side only: `--update`**",
            Some(change) if change > TOLERANCE => "**worse**",
            Some(change) if change < -TOLERANCE => "better: `--update`",
            Some(_) => "",
        };
        let change = change.map_or("–".into(), |change| format!("{:+.1} %", change * 100.0));
        let (before, now) = (count(self.before), count(self.now));
        write!(f, "| {} | {before} | {now} | {change} | {verdict} |", self.name)
    }
}

/// All workloads of either side.
pub fn compare(before: &Counts, now: &Counts) -> Vec<Row> {
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    let row = |name: &String| Row {
        name: name.clone(),
        before: before.get(name).copied(),
        now: now.get(name).copied(),
    };
    now.keys().chain(gone).map(row).collect()
}

/// What may be added without anybody having to explain it.
const TOLERANCE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_tenth_more_is_worse() {
        let rows =
            compare(&counts(&[("a", 100.0), ("b", 100.0)]), &counts(&[("a", 109.0), ("b", 111.0)]));
        assert_eq!(rows.iter().map(Row::is_fine).collect::<Vec<_>>(), [true, false]);
        assert_eq!(rows[1].to_string(), "| b | 100.0 | 111.0 | +11.0 % | **worse** |");
    }

    #[test]
    fn less_is_fine_and_asks_for_an_update() {
        let rows = compare(&counts(&[("a", 100.0)]), &counts(&[("a", 50.0)]));
        assert!(rows[0].is_fine() && rows[0].to_string().contains("better"));
    }

    #[test]
    fn a_workload_on_one_side_only_is_not_fine() {
        let rows = compare(&counts(&[("old", 1.0)]), &counts(&[("new", 1.0)]));
        assert!(rows.len() == 2 && rows.iter().all(|row| !row.is_fine()));
    }

    #[test]
    fn counts_of_another_compiler_are_not_compared() {
        let one =
            Baseline { compiler: "rustc 1".into(), machine: "m".into(), counts: Counts::new() };
        let other = Baseline { compiler: "rustc 2".into(), ..one.clone() };
        assert!(one.is_comparable(&one) && !one.is_comparable(&other));
    }

    fn counts(pairs: &[(&str, f64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }
}
