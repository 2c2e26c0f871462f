//! Memory that can be told from noise.
//!
//! Pure.

use crate::figure::Figure;

/// Bytes for each of `count`; `None` when they are too few for whole pages to say anything.
pub fn each(before: f64, after: f64, count: u64) -> Option<f64> {
    (count >= FEWEST).then(|| (after - before).max(0.0) / count as f64)
}

/// How much greater one figure is than another; `None` when one of them is missing.
pub fn beyond(figures: &[Figure], name: &str, other: &str) -> Option<f64> {
    let value = |name| figures.iter().find(|figure| figure.name == name).map(|it| it.value);
    Some(value(name)? - value(other)?)
}

/// Below this, memory that allocators and runtimes take once outweighs that of all together.
const FEWEST: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_say_nothing() {
        assert_eq!(each(0.0, 4096.0, 1), None);
        assert_eq!(each(10_000.0, 20_000.0, 1_000), Some(10.0));
        assert_eq!(each(20_000.0, 10_000.0, 1_000), Some(0.0));
    }

    #[test]
    fn a_difference_needs_both() {
        let figure = |name: &str, value| Figure::new("g", name, ("n", 1)).value(value, "bytes");
        let figures = [figure("ours", 3.0), figure("theirs", 1.0)];
        assert_eq!(beyond(&figures, "ours", "theirs"), Some(2.0));
        assert_eq!(beyond(&figures[..1], "ours", "theirs"), None);
    }
}
