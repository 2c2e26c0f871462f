//! The figures of the other programs: their lines of JSON in the folder of results.

use std::fs;
use std::path::Path;

use callboard_benches::figure::Figure;

/// Reads all figures of a folder, in the order of file names; other lines are ignored.
pub(crate) fn read(folder: &Path) -> Vec<Figure> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
    texts.flat_map(|text| parse(&text)).collect()
}

fn parse(text: &str) -> Vec<Figure> {
    text.lines().filter_map(Figure::from_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_figures_are_ignored() {
        let figure = Figure::new("picks", "random", ("nodes", 10)).value(12.5, "ns");
        let text = format!("{{\"about\": {{}},\nmeasuring picks\n{}\n", figure.to_line());
        assert_eq!(parse(&text), [figure]);
    }
}
