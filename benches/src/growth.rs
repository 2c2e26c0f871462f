//! Growth: how what something costs grows with how much of it there is.
//!
//! Each size is measured in a fresh process, so that none reuses the memory of another. Of every
//! figure an exponent follows: that of the cost over the last decade of sizes, where 0 is constant,
//! 1 linear and 2 a square; of what each of them costs it is that of all together.

pub mod actors;
pub mod calls;
pub mod connections;
pub mod endpoints;
pub mod exponent;
pub mod futures;
pub mod metadata;
pub mod nodes;
pub mod page;
pub mod pair;
pub mod peer;
pub mod processes;
pub mod series;
pub mod services;
pub mod subscribers;

use crate::alone::Alone;
use crate::figure::Figure;

/// Something that there may be more and more of.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// Names it on the command line.
    pub name: &'static str,
    /// How much of it is measured.
    pub sizes: &'static [u64],
    /// Measures one size.
    pub measure: fn(u64) -> Vec<Figure>,
}

/// All there are.
pub const SUBJECTS: &[Subject] = &[
    connections::SUBJECT,
    calls::SUBJECT,
    nodes::SUBJECT,
    services::SUBJECT,
    actors::SUBJECT,
    futures::SUBJECT,
    metadata::SUBJECT,
    endpoints::SUBJECT,
    subscribers::SUBJECT,
];

/// Finds a subject, or the part of one, by its name.
pub fn subject(name: &str) -> Option<&'static Subject> {
    let mut all = SUBJECTS.iter().chain(&actors::PARTS).chain(&futures::PARTS);
    all.find(|subject| subject.name == name)
}

/// Repeats what one of the subjects does at one size; `None` when it cannot be had alone.
pub fn alone(alone: &Alone) -> Option<Figure> {
    match alone.what.as_str() {
        "nodes" => Some(nodes::alone(alone)),
        "subscribers" => Some(subscribers::alone(alone)),
        _ => None,
    }
}

/// Measures sizes up to `most`, each in a process of its own, and how the figures grow.
pub fn grow(subject: &Subject, most: u64) -> Vec<Figure> {
    let mut figures = Vec::new();
    for size in subject.sizes.iter().filter(|size| **size <= most) {
        eprintln!("measuring {} {size}", subject.name);
        figures.extend(processes::measure(subject.name, *size));
    }
    // Stable, so that the sizes of each stay in order.
    series::by_name(&mut figures);
    let exponents = series::exponents(&figures);
    figures.extend(exponents);
    figures
}
