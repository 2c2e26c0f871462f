//! Medians, and ratios of runs that were made side by side. Pure.

/// The middle of these figures; of an even number the upper of the two. `None` when empty.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The median of the ratios within each round, which a machine that is busy for a while changes
/// less than it changes the figures. `None` when no round has both.
pub fn ratio(figures: &[f64], to: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = figures.iter().zip(to).map(|(one, other)| one / other).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_depend_on_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[2.0, 1.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn rounds_are_compared_with_themselves() {
        // The second round was made while the machine was at half its speed.
        assert_eq!(ratio(&[50.0, 25.0, 52.0], &[100.0, 50.0, 100.0]), Some(0.5));
        assert_eq!(ratio(&[1.0], &[]), None);
    }
}
