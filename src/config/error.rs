//! What can be wrong with settings.
//!
//! Pure.

use std::fmt;

use thiserror::Error;

use crate::config::AddressError;

/// Settings with which a service cannot start.
///
/// Whoever started the process has to change something, so that a program prints it to stderr,
/// causes included, and exits with [`ConfigError::EXIT_CODE`].
///
/// ```
/// use callboard::config::Config;
///
/// let typing_error = ["--client-retrys".to_owned(), "2".to_owned()];
/// let error = Config::resolve(Config::default(), std::iter::empty(), typing_error.into_iter());
/// assert!(error.unwrap_err().to_string().starts_with("unknown flag `--client-retrys`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A flag that does not exist.
    #[error("unknown flag `{}`{}", Shown(flag), Hint(*meant, "--"))]
    UnknownFlag {
        /// As written, without its value.
        flag: String,
        /// The flag that was probably meant.
        meant: Option<&'static str>,
    },
    /// An argument that is not a flag.
    #[error("unexpected argument `{}`; only flags are understood, see `--help`", Shown(argument))]
    UnexpectedArgument {
        /// As written.
        argument: String,
    },
    /// A flag at the end, or one that another flag follows.
    #[error("`--{flag}` needs a value; allowed: {allowed}")]
    MissingValue {
        /// The flag.
        flag: &'static str,
        /// What may follow it.
        allowed: &'static str,
    },
    /// A value for a flag that takes none.
    #[error("`--{flag}` takes no value")]
    UnexpectedValue {
        /// The flag.
        flag: &'static str,
    },
    /// A value that a setting cannot have.
    #[error("`{setting}` cannot be `{}`; allowed: {allowed}{}", Shown(value), Hint(*meant, ""))]
    Invalid {
        /// Where the value stands: a flag, an environment variable, or the name of a setting.
        setting: String,
        /// As written.
        value: String,
        /// What may stand there.
        allowed: &'static str,
        /// The value that was probably meant.
        meant: Option<&'static str>,
        /// What is wrong with it.
        #[source]
        reason: ValueError,
    },
    /// Leases would run out before they are renewed.
    #[error("`register-interval` ({interval}) must be shorter than `register-ttl` ({ttl})")]
    IntervalTooLong {
        /// Time between renewals.
        interval: String,
        /// Time after which the registry forgets the node.
        ttl: String,
    },
    /// A static registry without addresses.
    #[error(
        "`registry` is `static`, which needs `registry-address`: \
         e.g. `greeter=127.0.0.1:9001,127.0.0.1:9002`, or a file"
    )]
    NoAddresses,
    /// A selector by label without labels.
    #[error(
        "`selector` is `label`, which needs `selector-labels`: e.g. `dc=eu-1a,region=eu`, the best first"
    )]
    NoLabels,
}

impl ConfigError {
    /// The exit code of a program that was started with wrong settings: 2, as is usual.
    pub const EXIT_CODE: u8 = 2;
}

/// What is wrong with the text of a setting.
///
/// ```
/// use callboard::config::{Config, ConfigError, ValueError};
///
/// let flags = ["--selector".to_owned(), "best".to_owned()];
/// let error = Config::resolve(Config::default(), std::iter::empty(), flags.into_iter()).unwrap_err();
/// assert!(matches!(error, ConfigError::Invalid { reason: ValueError::UnknownName, .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text is empty.
    #[error("nothing is given")]
    Empty,
    /// No number stands where one is expected.
    #[error("it is not a number")]
    NotANumber,
    /// A number of what?
    #[error("the unit is missing")]
    NoUnit,
    /// A unit that does not exist here.
    #[error("`{}` is not a unit", Shown(unit))]
    UnknownUnit {
        /// As written.
        unit: String,
    },
    /// Too little, too much, too long, or with letters that are not allowed.
    #[error("it is outside of what is allowed")]
    OutOfRange,
    /// A name that is none of the known ones.
    #[error("there is no such name")]
    UnknownName,
    /// Metadata that is not a pair.
    #[error("`{}` is not of the form `name=value`", Shown(entry))]
    NotAPair {
        /// As written.
        entry: String,
    },
    /// An address that cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Text from outside: on one line, and not longer than a line.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        for letter in letters.by_ref().take(SHOWN) {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                write!(f, "{letter}")?;
            }
        }
        if letters.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// What was probably meant, behind its prefix.
struct Hint(Option<&'static str>, &'static str);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(meant, prefix) = self;
        meant.map_or(Ok(()), |meant| write!(f, "; did you mean `{prefix}{meant}`?"))
    }
}

/// Letters of a text that an error repeats.
const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_on_one_short_line() {
        assert_eq!(Shown("a\nb\u{1b}[31m").to_string(), "a\\nb\\u{1b}[31m");
        assert_eq!(Shown(&"ü".repeat(80)).to_string(), "ü".repeat(80));
        assert_eq!(Shown(&"ü".repeat(81)).to_string(), "ü".repeat(80) + "…");
    }
}
