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
    let figure = |name: &str, nanos: f64| Figure::new(GROUP, name, varied).value(nanos / 1e3, "µs");
    figures.push(figure("all are told of again", repeat(WHOLES, |_| field.publish_all())));
    figures.push(figure("one node changes", repeat(UPDATES, |_| field.publish_one())));
    let another = repeat(UPDATES, |_| field.publish_another());
    figures.push(figure("one node comes or goes", another));
    // The ring is made by the first call that needs it, and from then on it follows.
    figures.push(figure_of_ring(&field, varied));
    let one = repeat(UPDATES, |_| field.publish_one());
    figures.push(figure("one node changes, with a hash ring", one));
    let another = repeat(UPDATES, |_| field.publish_another());
    figures.push(figure("one node comes or goes, with a hash ring", another));
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
const UPDATES: u64 = 200;
const WHOLES: u64 = 10;
