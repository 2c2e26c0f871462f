//! Why a system did not start, or a call failed.

use std::fmt::Write as _;

use callboard_actors::broker::BrokerError;
use callboard_actors::client::CallError;
use callboard_actors::node::NodeError;
use callboard_actors::registry::RegistryError;
use callboard_actors::selector::SelectorOptionsError;

use crate::config::ConfigError;

/// Everything that can go wrong, for `main`.
///
/// Its `Debug` is what `main` prints when it returns it: the text of the error and of its causes,
/// without any trace.
///
/// ```
/// use callboard::{CallError, Error};
///
/// let error = Error::from(CallError::NotFound { service: "greeter".into() });
/// assert!(format!("{error:?}").starts_with("no service is called \"greeter\""));
/// assert_eq!(error.exit_code(), 1);
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    #[error("configuration")]
    Config(#[from] ConfigError),
    /// An option set in the program is wrong.
    #[error("selector options")]
    Selector(#[from] SelectorOptionsError),
    /// The registry cannot be set up.
    #[error("registry")]
    Registry(#[from] RegistryError),
    /// The node did not start, or gave up.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An event was not published.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The threads of the system could not be made.
    #[error("cannot start the system's threads: {0}")]
    Threads(String),
    /// What the program was asked to print cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(String),
}

impl Error {
    /// What a process should exit with: 2 for a wrong setting, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Selector(_) => ConfigError::EXIT_CODE,
            _ => 1,
        }
    }

    /// The text of the error and its causes in one line.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            // Writing to a string does not fail.
            let _ = write!(report, ": {cause}");
            source = cause.source();
        }
        report
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.report())
    }
}
