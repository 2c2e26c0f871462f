//! The figures of one subject over all sizes.
//!
//! Pure.

use super::exponent::exponent;
use crate::figure::Figure;

/// Ends the unit of a figure that is a share: the whole is that times the parameter.
pub const EACH: &str = " each";

/// Ends the unit of a figure that is a whole: what is done to all of them together.
pub const FOR_ALL: &str = " for all";

/// Puts figures of one name together, names in the order in which they came.
pub fn by_name(figures: &mut [Figure]) {
    let mut names: Vec<String> = Vec::new();
    for figure in &*figures {
        if !names.contains(&figure.name) {
            names.push(figure.name.clone());
        }
    }
    figures.sort_by_key(|figure| names.iter().position(|name| *name == figure.name));
}

/// How the cost behind each name grows, and how much it may.
///
/// What is done to all of them may be linear. What is done once, or to one of them, may not know
/// how many there are. `figures` are grouped by name already.
pub fn exponents(figures: &[Figure]) -> Vec<Figure> {
    figures.chunk_by(|one, next| one.name == next.name).filter_map(growth).collect()
}

fn growth(series: &[Figure]) -> Option<Figure> {
    let last = series.last()?;
    let points: Vec<_> =
        series.iter().map(|figure| (figure.parameter as f64, figure.value)).collect();
    let exponent = exponent(&points)?;
    let (exponent, bar) = match last.unit.as_str() {
        unit if unit.ends_with(EACH) => (exponent + 1.0, LINEAR),
        unit if unit.ends_with(FOR_ALL) => (exponent, LINEAR),
        _ => (exponent, CONSTANT),
    };
    let group = format!("{}, exponents", last.group);
    let figure = Figure::new(&group, &last.name, (&last.varied, last.parameter));
    Some(figure.value(exponent, "").bar(bar))
}

/// Linear, with room for noise and for caches that become too small.
const LINEAR: f64 = 1.3;

/// Constant or logarithmic, with the same room.
const CONSTANT: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_of_a_constant_share_is_linear() {
        let series = series("memory", "bytes each", |_| 900.0);
        let growth = &exponents(&series)[0];
        assert!((growth.value - 1.0).abs() < 1e-9 && growth.is_met() == Some(true));
        assert_eq!((growth.group.as_str(), growth.parameter), ("g, exponents", 1000));
    }

    #[test]
    fn a_square_breaks_the_bar() {
        let of_the_whole = series("start", "ms for all", |size| size * size);
        let of_a_share = series("start", "ns each", |size| 3.0 * size);
        for square in [of_the_whole, of_a_share] {
            assert_eq!(exponents(&square)[0].is_met(), Some(false));
        }
    }

    #[test]
    fn what_is_done_once_must_not_know_how_many_there_are() {
        assert_eq!(exponents(&series("get", "ns", |size| size))[0].is_met(), Some(false));
        assert_eq!(exponents(&series("get", "ns", f64::ln))[0].is_met(), Some(true));
        assert_eq!(exponents(&series("start", "ns for all", |size| size))[0].is_met(), Some(true));
    }

    #[test]
    fn figures_of_one_name_come_together_in_the_order_of_their_sizes() {
        let (one, other) = (series("b", "ns", |_| 1.0), series("a", "ns", |_| 1.0));
        let mut mixed: Vec<_> = one.into_iter().zip(other).flat_map(|(b, a)| [b, a]).collect();
        by_name(&mut mixed);
        let order: Vec<_> = mixed.iter().map(|it| (it.name.as_str(), it.parameter)).collect();
        assert_eq!(order, [("b", 10), ("b", 100), ("b", 1000), ("a", 10), ("a", 100), ("a", 1000)]);
        assert_eq!(exponents(&mixed).len(), 2);
    }

    fn series(name: &str, unit: &str, value: fn(f64) -> f64) -> Vec<Figure> {
        let sizes = [10_u32, 100, 1000].into_iter();
        let figure =
            |size: u32| Figure::new("g", name, ("n", size.into())).value(value(size.into()), unit);
        sizes.map(figure).collect()
    }
}
