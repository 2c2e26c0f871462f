//! Why an actor ended, and whether it is to be restarted.
//!
//! Pure.

use std::time::Duration;

use crate::contain::Panic;

/// Why an incarnation of an actor ended.
///
/// ```
/// use callboard_actors::supervisor::{Exit, Restart};
///
/// assert!(Restart::Permanent.applies_to(&Exit::Normal));
/// assert!(!Restart::Transient.applies_to(&Exit::Normal));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exit {
    /// It stopped itself.
    #[error("stopped itself")]
    Normal,
    /// Its supervisor stopped it.
    #[error("was stopped by its supervisor")]
    Shutdown,
    /// It gave up and says why; see [`Context::exit`](crate::Context::exit).
    #[error("failed: {0}")]
    Failed(String),
    /// The factory or `started` panicked.
    #[error("panicked while starting: {0}")]
    StartFailed(Panic),
    /// It panicked in a message, a future, a timer, or while stopping.
    #[error("panicked: {0}")]
    Panicked(Panic),
    /// It panicked in a request, whose caller has been told.
    #[error("panicked in a request: {0}")]
    RequestPanicked(Panic),
    /// It did not stop within its deadline and was dropped as it was.
    #[error("did not stop within its deadline and was abandoned")]
    Abandoned,
    /// The arbiter it ran on, or was to run on, is gone, and its mailbox with it.
    ///
    /// It cannot be restarted; where it would have to be, its supervisor gives up.
    #[error("lost its arbiter")]
    ArbiterGone,
    /// It is a supervisor one of whose children failed too often, or cannot be restarted.
    #[error("gave up on {child}, which {last}: {restarts} restarts within {within:?} were allowed")]
    GaveUp {
        /// The child's name.
        child: String,
        /// The restarts that were allowed.
        restarts: u32,
        /// In this time.
        within: Duration,
        /// How the child ended last.
        last: Box<Exit>,
    },
}

impl Exit {
    /// Whether this is how an actor is meant to end.
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }
}

/// When a child is restarted, as in Erlang/OTP.
///
/// ```
/// use callboard_actors::supervisor::{Exit, Restart};
///
/// let failed = Exit::Failed("out of tea".into());
/// assert!(Restart::Transient.applies_to(&failed));
/// assert!(!Restart::Temporary.applies_to(&failed));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// After a failure, not after it stopped itself.
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    /// Whether a child that ended like this is restarted.
    pub fn applies_to(self, exit: &Exit) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => !exit.is_normal(),
            Self::Temporary => false,
        }
    }
}

/// Which children are restarted when one fails, as in Erlang/OTP.
///
/// ```
/// use callboard_actors::supervisor::RestartStrategy;
///
/// assert_eq!(RestartStrategy::default(), RestartStrategy::OneForOne);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RestartStrategy {
    /// That one.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// That one and those started after it.
    RestForOne,
}
