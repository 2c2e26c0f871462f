//! What is demanded of a number. Pure.

use crate::number::digits;

/// What a number must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Demand {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
    Below(f64),
}

impl Demand {
    /// Whether a number is as good as is demanded.
    pub(super) fn is_met_by(self, number: f64) -> bool {
        match self {
            Self::AtLeast(bar) => number >= bar,
            Self::AtMost(bar) => number <= bar,
            Self::Above(bar) => number > bar,
            Self::Below(bar) => number < bar,
        }
    }

    /// Whether of two numbers the first is better.
    pub(super) fn prefers(self, one: f64, other: f64) -> bool {
        match self {
            Self::AtLeast(_) | Self::Above(_) => one > other,
            Self::AtMost(_) | Self::Below(_) => one < other,
        }
    }

    /// As tables have it.
    pub(super) fn text(self) -> String {
        let (words, bar) = match self {
            Self::AtLeast(bar) => ("at least", bar),
            Self::AtMost(bar) => ("at most", bar),
            Self::Above(bar) => ("more than", bar),
            Self::Below(bar) => ("less than", bar),
        };
        format!("{words} {}", digits(bar))
    }
}
