//! What has no figure although it was tried.

use crate::point::Point;
use crate::record::Comparison;
use crate::systems::SYSTEMS;

/// What has no figure although it was tried, and why.
pub(super) fn render(comparison: &Comparison) -> String {
    // By what is said of a system, the points of which it is said.
    let mut gaps: Vec<(String, Vec<String>)> = Vec::new();
    for system in SYSTEMS {
        for point in Point::all() {
            let (all, failed) = comparison.attempts(system.name, point);
            let Some(note) = comparison.note(system.name, point).filter(|_| failed > 0) else {
                continue;
            };
            let often =
                if failed < all { format!(" ({failed} of {all} runs)") } else { String::new() };
            let said = format!("{}: {note}{often}", system.name);
            match gaps.iter_mut().find(|(other, _)| *other == said) {
                Some((_, points)) => points.push(point.to_string()),
                None => gaps.push((said, vec![point.to_string()])),
            }
        }
    }
    if gaps.is_empty() {
        return String::new();
    }
    let lines: Vec<_> =
        gaps.iter().map(|(said, points)| format!("- {said} – {}\n", points.join("; "))).collect();
    format!("## What has no figure\n\n{}\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::comparison;

    #[test]
    fn the_same_of_several_points_is_said_once() {
        let mut this = comparison(Point::InFlight(1), &[("tarpc", &[0.0]), ("tonic", &[1.0, 0.0])]);
        this.runs.extend(comparison(Point::OneWay, &[("tarpc", &[0.0])]).runs);
        let lines = "- tarpc: it broke – 1 in flight; one-way\n\
                     - tonic: it broke (1 of 2 runs) – 1 in flight\n";
        assert_eq!(render(&this), format!("## What has no figure\n\n{lines}\n"));
        assert_eq!(render(&comparison(Point::OneWay, &[("tarpc", &[1.0])])), "");
    }
}
