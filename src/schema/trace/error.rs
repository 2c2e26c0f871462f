//! Why a type cannot be traced.

use std::fmt;

/// Why a pass over a type failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::schema) enum Untraceable {
    /// Two names are of the same field; this is its proper one.
    Duplicate(&'static str),
    Other(String),
}

impl fmt::Display for Untraceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(field) => write!(f, "field {field} has several names"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Untraceable {}

impl serde::de::Error for Untraceable {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Other(reason.to_string())
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Duplicate(field)
    }
}
