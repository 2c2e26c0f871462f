//! Calls that are made together: their answers are gathered in one place, and whoever waits for
//! them is woken once.
//!
//! Pure.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::Failure;

/// Where the answers to calls that were made together are gathered.
///
/// Told while the connection's table is locked, so it must neither block nor ask the table.
pub(crate) trait Gathering: Send + Sync {
    /// A call was answered with a value; whom to wake, if anybody waited for just this.
    fn replied(&self, body: &[u8]) -> Option<Waker>;

    /// The call of this number ended otherwise; whom to wake.
    fn failed(&self, number: u32, failure: Box<Failure>) -> Option<Waker>;
}

/// A call whose answer is gathered with others.
#[derive(Clone)]
pub(crate) struct Gathered {
    pub(crate) gathering: Arc<dyn Gathering>,
    /// Tells the calls apart.
    pub(crate) number: u32,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Who learns how a call ended.
#[derive(Debug)]
pub(super) enum Told {
    /// Whoever holds its ticket; woken, if it has been polled.
    Caller(Option<Waker>),
    Gathering(Gathered),
}
