//! The bars of the other programs: within a process, and growth. Pure.

use callboard_benches::figure::Figure;

use super::{Bar, Demand};
use crate::number::thousands;

/// All of them, measured or not.
pub(super) fn bars(figures: &[Figure]) -> Vec<Bar> {
    ELSEWHERE.iter().flat_map(|elsewhere| elsewhere.bars(figures)).collect()
}

/// A demand that another program measures.
struct Elsewhere {
    subject: &'static str,
    /// How the name of its figures' group ends.
    group: &'static str,
    /// For when there is no figure.
    demand: f64,
    unit: &'static str,
}

impl Elsewhere {
    /// One bar for each demand that figures of the group state; of each the worst.
    fn bars(&self, figures: &[Figure]) -> Vec<Bar> {
        let mut bars: Vec<Bar> = Vec::new();
        for figure in figures.iter().filter(|figure| figure.group.ends_with(self.group)) {
            let Some(limit) = figure.bar else { continue };
            let bar = self.bar(figure, limit);
            let same =
                bars.iter_mut().find(|other| other.demand == bar.demand && other.unit == bar.unit);
            match same {
                Some(other) if other.measured < bar.measured => *other = bar,
                Some(_) => {}
                None => bars.push(bar),
            }
        }
        if bars.is_empty() {
            bars.push(Bar {
                subject: self.subject.into(),
                demand: Demand::AtMost(self.demand),
                unit: self.unit.into(),
                measured: None,
                remark: String::new(),
                yardstick: None,
                is_added: false,
            });
        }
        bars
    }

    fn bar(&self, figure: &Figure, limit: f64) -> Bar {
        let Figure { group, name, varied, parameter, unit, ratio_to, .. } = figure;
        let unit = ratio_to.as_ref().map_or_else(|| unit.clone(), |other| format!("x {other}"));
        Bar {
            subject: self.subject.into(),
            demand: Demand::AtMost(limit),
            unit,
            measured: Some(figure.ratio.unwrap_or(figure.value)),
            remark: match group.strip_suffix(GROWTH) {
                Some(subject) => format!("{subject}: {name}"),
                None => format!("{name}, {} {varied}", thousands(*parameter as f64)),
            },
            yardstick: None,
            is_added: false,
        }
    }
}

/// How the names of groups end that say how a cost grows.
const GROWTH: &str = ", exponents";

const ELSEWHERE: [Elsewhere; 7] = [
    Elsewhere {
        subject: "in-process ask, same arbiter",
        group: "ask, same arbiter",
        demand: 1.3,
        unit: "x actix `Addr::send`",
    },
    Elsewhere {
        subject: "in-process ask, across arbiters",
        group: "ask, across arbiters",
        demand: 1.2,
        unit: "x actix `Addr::send`",
    },
    Elsewhere {
        subject: "an idle connection, both sides together",
        group: "connections",
        demand: 24.0 * 1024.0,
        unit: "bytes each",
    },
    Elsewhere {
        subject: "an idle supervised actor beyond actix's own",
        group: "idle actors",
        demand: 1.5 * 1024.0,
        unit: "bytes each",
    },
    Elsewhere {
        subject: "supervision, per message",
        group: "a message to a supervised actor",
        demand: 10.0,
        unit: "ns",
    },
    Elsewhere { subject: "a pick, 10 to 10,000 nodes", group: "picks", demand: 200.0, unit: "ns" },
    Elsewhere {
        subject: "growth, exponent over the size",
        group: GROWTH,
        demand: 1.3,
        unit: "(1 is linear)",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_figures_with_the_same_demand_the_worst_counts() {
        let figure = |name: &str, value: f64, bar: f64| {
            Figure::new("picks", name, ("nodes", 10_000)).value(value, "ns").bar(bar)
        };
        let figures = [
            figure("random", 20.0, 200.0),
            figure("p2c", 210.0, 200.0),
            figure("hash", 90.0, 400.0),
        ];
        let bars = bars(&figures);
        let picks: Vec<_> = bars.iter().filter(|bar| bar.subject.contains("pick")).collect();
        assert_eq!(
            picks.iter().map(|bar| bar.is_met()).collect::<Vec<_>>(),
            [Some(false), Some(true)]
        );
        assert_eq!(picks[0].remark, "p2c, 10,000 nodes");
    }
}
