//! The text: everything that was measured, as Markdown.

mod bars;
mod figures;
mod gaps;
mod machine;
mod profiles;
mod tables;

use callboard_benches::figure::Figure;

use crate::profile::Profiles;
use crate::record::Comparison;

/// Everything that the text is made of.
#[derive(Debug)]
pub(crate) struct Material<'a> {
    pub(crate) comparison: &'a Comparison,
    pub(crate) figures: &'a [Figure],
    pub(crate) profiles: &'a Profiles,
    /// Written by hand.
    pub(crate) notes: &'a str,
    /// Title and file name of each plot.
    pub(crate) plots: &'a [(String, String)],
}

/// Writes the whole text.
pub(crate) fn render(material: &Material<'_>) -> String {
    let Material { comparison, figures, profiles, notes, plots } = material;
    let mut text = String::from(INTRODUCTION);
    for part in [
        machine::render(comparison),
        bars::bars(comparison, figures),
        profiles::render(profiles, &crate::bars::bars(comparison, figures)),
        bars::losses(comparison),
        tables::render(comparison),
        gaps::render(comparison),
        pictures(plots),
        figures::render(figures),
        machine::method(comparison),
    ] {
        text.push_str(&part);
    }
    text.push_str(notes.trim());
    text.push('\n');
    text
}

fn pictures(plots: &[(String, String)]) -> String {
    let lines = plots.iter().map(|(title, file)| format!("![{title}](plots/{file})\n\n"));
    format!("## Plots\n\n{}", lines.collect::<Vec<_>>().concat())
}

/// A table whose columns after the first are numbers.
fn table(head: &[String], rows: &[Vec<String>]) -> String {
    aligned(head, rows, "---:|")
}

/// A table of texts.
fn text_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    aligned(&head, rows, "---|")
}

fn aligned(head: &[String], rows: &[Vec<String>], rule: &str) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", rule.repeat(head.len() - 1));
    let rows: Vec<String> = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}{}\n", line(head), rows.concat())
}

const INTRODUCTION: &str = "\
<!-- Written by `benches/compare`; change `benches/notes.md` or the program, not this. -->
# Figures

callboard beside what a Rust team would pick otherwise, and beside what the machine can do at all: \
the same messages, in one run, on one machine, in turns. Read the ratios; absolute numbers drift with the \
machine.

| | |
|---|---|
| `benches/compare` | builds everything, measures, profiles where `perf` is there and permitted, and writes this file, the plots and `results/` |
| `benches/compare --quick` | the same in a short time, to see that it works, into `peers/target/trial` |
| `benches/compare --profile` | takes the profiles anew (`results/profile.json`), and writes the text; a minute |
| `benches/compare --render` | writes text and plots anew from what was measured |
| `cargo run --release -p callboard-benches --bin load -- --pin` | callboard and the floor only, as a table |
| `cargo run --release -p callboard-benches --bin growth -- --json > benches/results/growth.json` | how costs grow, for the next `--render`; `micro` likewise |

";
