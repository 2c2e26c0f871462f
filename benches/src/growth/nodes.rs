//! Nodes per service: what a pick costs, and what it costs when one node changes.

use std::time::Instant;

use super::Subject;
use crate::figure::Figure;
use crate::micro::looping::repeat;
use crate::micro::picks::{Field, picks};

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "nodes", sizes: &[1, 10, 100, 1_000, 10_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    let mut figures = picks(GROUP, ROUNDS, count);
    let varied = ("nodes", count);
    let field = Field::new(count);
    let update = |field: &Field| repeat(UPDATES, |_| field.publish()) / 1e3;
    let figure = Figure::new(GROUP, "one node changes", varied);
    figures.push(figure.value(update(&field), "µs"));
    // The ring is made by the first call that needs it, and from then on it follows.
    figures.push(figure_of_ring(&field, varied));
    let figure = Figure::new(GROUP, "one node changes, with a hash ring", varied);
    figures.push(figure.value(update(&field), "µs"));
    figures
}

fn figure_of_ring(field: &Field, varied: (&str, u64)) -> Figure {
    let begun = Instant::now();
    field.make_ring();
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    Figure::new(GROUP, "the first pick by hash makes the ring", varied).value(micros, "µs for all")
}

const GROUP: &str = "nodes per service";
const ROUNDS: usize = 5;
const UPDATES: u64 = 50;
