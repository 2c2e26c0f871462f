//! Micro benches: what one operation costs within a process.
//!
//! Whatever is compared is measured in turns, round after round, so that a busy machine is unfair
//! to none; figures are medians over the rounds.

pub mod cast;
pub mod local;
pub mod looping;
pub mod picks;
pub mod rounds;
pub mod supervision;
pub mod wire;

use std::time::Duration;

use actix_rt::SystemRunner;

use crate::figure::Figure;

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often each is measured.
    pub rounds: usize,
    /// How long, each time.
    pub time: Duration,
}

/// Measures the groups whose names contain one of `wanted`; all, if none is.
pub fn run(runner: &SystemRunner, plan: Plan, wanted: &[String]) -> Vec<Figure> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let mut figures = Vec::new();
    for (name, measure) in GROUPS.iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("measuring {name}");
        figures.extend(measure(runner, plan));
    }
    figures
}

type Group = (&'static str, fn(&SystemRunner, Plan) -> Vec<Figure>);

const GROUPS: &[Group] = &[
    ("local", local::measure),
    ("picks", picks::measure),
    ("wire", wire::measure),
    ("supervision", supervision::measure),
];
