//! How a cost grows with what causes it.
//!
//! Pure.

/// How a cost grows over the last decade of sizes, as an exponent: 0 is constant, 1 linear.
///
/// The slope of the straight line that fits best, both axes being logarithmic. Pairs are size and
/// cost; a cost of nothing has no logarithm and is left out. `None` when too few sizes are left.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let most = points.iter().map(|(size, _)| *size).fold(0.0, f64::max);
    let logarithms: Vec<(f64, f64)> = points
        .iter()
        .filter(|(size, cost)| *size > 0.0 && *cost > 0.0 && *size >= most / DECADE)
        .map(|(size, cost)| (size.ln(), cost.ln()))
        .collect();
    let count = logarithms.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / count;
    let (size, cost) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let spread: f64 = logarithms.iter().map(|pair| (pair.0 - size).powi(2)).sum();
    let common: f64 = logarithms.iter().map(|pair| (pair.0 - size) * (pair.1 - cost)).sum();
    (count >= 2.0).then(|| common / spread)
}

/// With room for sizes that are not quite what they should have been.
const DECADE: f64 = 10.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_the_exponent_two_and_a_constant_none() {
        let sizes = [1.0, 10.0, 100.0, 1000.0, 10_000.0];
        let of = |cost: fn(f64) -> f64| exponent(&sizes.map(|size| (size, cost(size)))).unwrap();
        assert!((of(|size| 3.0 * size * size) - 2.0).abs() < 1e-9);
        assert!((of(|size| size / 7.0) - 1.0).abs() < 1e-9);
        assert!(of(|_| 5.0).abs() < 1e-9);
    }

    #[test]
    fn only_the_last_decade_counts() {
        // A fixed cost hides the growth of small sizes.
        let points = [1.0, 10.0, 100.0, 1e4, 1e5, 1e6].map(|size| (size, 1e4 + size));
        assert!(exponent(&points).unwrap() > 0.9);
    }

    #[test]
    fn one_size_says_nothing() {
        assert_eq!(exponent(&[]), None);
        assert_eq!(exponent(&[(0.0, 1.0), (10.0, 1.0)]), None);
        assert_eq!(exponent(&[(1.0, 1.0), (100.0, 2.0)]), None);
        assert!(exponent(&[(8.0, 1.0), (16.0, 2.0), (64.0, 3.0)]).is_some());
    }
}
