//! Measuring several ways in turns.

use std::fmt;

use crate::figure::Figure;
use crate::ratio::{median, ratio};

/// One of the ways that are compared.
pub struct Way<'a> {
    name: String,
    measure: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Way<'a> {
    /// Creates a way; `measure` returns the cost of one operation, and is run once per round.
    pub fn new(name: impl Into<String>, measure: impl FnMut() -> f64 + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Measures it once more.
    pub fn measure(&mut self) -> f64 {
        (self.measure)()
    }
}

/// What was measured of one way, round by round.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The way's name.
    pub name: String,
    /// One value per round.
    pub values: Vec<f64>,
}

/// Measures each way once per round, in turns.
pub fn interleave(rounds: usize, mut ways: Vec<Way<'_>>) -> Vec<Samples> {
    let mut all: Vec<Samples> =
        ways.iter().map(|way| Samples { name: way.name.clone(), values: Vec::new() }).collect();
    for _ in 0..rounds {
        for (way, samples) in ways.iter_mut().zip(&mut all) {
            samples.values.push(way.measure());
        }
    }
    all
}

/// Figures in nanoseconds, without comparison.
///
/// # Panics
/// When there was no round.
pub fn figures(group: &str, varied: (&str, u64), all: &[Samples]) -> Vec<Figure> {
    all.iter()
        .map(|samples| {
            let values = samples.values.iter().copied();
            let figure = Figure::new(group, &samples.name, varied);
            let (low, high) = (values.clone().reduce(f64::min), values.reduce(f64::max));
            let median = median(&samples.values).expect("there is a round at least");
            Figure { low, high, ..figure.value(median, "ns") }
        })
        .collect()
}

/// Figures in nanoseconds, each with the median ratio to the first within a round.
///
/// # Panics
/// When there was no round.
pub fn compared(group: &str, varied: (&str, u64), all: &[Samples], bar: f64) -> Vec<Figure> {
    let mut figures = figures(group, varied, all);
    for (figure, samples) in figures.iter_mut().zip(all).skip(1) {
        figure.ratio = ratio(&samples.values, &all[0].values);
        figure.ratio_to = Some(all[0].name.clone());
        figure.bar = Some(bar).filter(|bar| bar.is_finite());
    }
    figures
}

impl fmt::Debug for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn ways_are_measured_in_turns() {
        let order = RefCell::new(Vec::new());
        let way = |name: &'static str| {
            let order = &order;
            Way::new(name, move || {
                order.borrow_mut().push(name);
                1.0
            })
        };
        let samples = interleave(2, vec![way("a"), way("b")]);
        assert_eq!(*order.borrow(), ["a", "b", "a", "b"]);
        assert_eq!(samples[1], Samples { name: "b".into(), values: vec![1.0, 1.0] });
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // A machine that becomes slower changes both, and not how they compare.
        let samples =
            |name: &str, values: [f64; 3]| Samples { name: name.into(), values: values.into() };
        let all = [samples("first", [10.0, 20.0, 40.0]), samples("other", [15.0, 30.0, 60.0])];
        let figures = compared("group", ("in flight", 1), &all, 2.0);
        assert_eq!((figures[0].ratio, figures[1].ratio), (None, Some(1.5)));
        assert_eq!((figures[1].low, figures[1].high), (Some(15.0), Some(60.0)));
        assert_eq!(figures[1].is_met(), Some(true));
    }
}
