//! Code around each attempt of a call, at the node that it goes to.

use std::fmt;
use std::sync::Arc;

use super::error::CallError;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::registry::NodeInfo;
use crate::selector::Candidate;

/// Code around each attempt of a call, or of the opening of a stream: the node is known by then.
///
/// The first one added is outermost: its [`before`](Self::before) comes first, its
/// [`after`](Self::after) last. A panic in either ends the call, and nothing else.
///
/// ```
/// use callboard_actors::client::{AttemptInfo, AttemptMiddleware, CallError};
///
/// /// Says which node was asked, and how that ended.
/// struct Log;
///
/// impl AttemptMiddleware for Log {
///     fn after(&self, attempt: &AttemptInfo, result: Result<(), &CallError>) {
///         println!("{} at {}: {result:?}", attempt.endpoint, attempt.address);
///     }
/// }
/// ```
pub trait AttemptMiddleware: Send + Sync + 'static {
    /// The request is about to be sent; what is changed in the attempt's metadata is sent with it.
    ///
    /// # Errors
    /// The call ends with the error; nothing is sent, and no other node is tried.
    fn before(&self, attempt: &mut AttemptInfo) -> Result<(), CallError> {
        let _ = attempt;
        Ok(())
    }

    /// The attempt has been answered or has failed; whether there will be another one is not
    /// decided here.
    ///
    /// Comes once after each `before` that succeeded: with [`CallError::Cancelled`] where the call
    /// was dropped, and with the error where one further inwards refused.
    fn after(&self, attempt: &AttemptInfo, result: Result<(), &CallError>) {
        let _ = (attempt, result);
    }
}

/// One attempt of a call.
///
/// ```
/// use callboard_actors::client::AttemptInfo;
///
/// fn zone(attempt: &AttemptInfo) -> Option<&str> {
///     attempt.node()?.metadata.get("zone").map(String::as_str)
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttemptInfo {
    /// The service that is called.
    pub service: String,
    /// The endpoint that is called.
    pub endpoint: &'static str,
    /// Where the node listens.
    pub address: String,
    /// 1 for the first attempt of a call.
    pub number: u32,
    /// When the call is over, with all its attempts.
    pub deadline: Deadline,
    /// Pairs beside the body: those of the call, and what is changed here for this attempt.
    pub metadata: Metadata,
    pub(super) candidate: Option<Arc<Candidate>>,
}

impl AttemptInfo {
    /// The node's record; none when it is called by its address.
    pub fn node(&self) -> Option<&NodeInfo> {
        self.candidate.as_ref().map(|candidate| candidate.node())
    }
}

/// What is run around attempts, the outermost first; cheap to clone.
///
/// ```
/// use std::sync::Arc;
///
/// use callboard_actors::client::{AttemptChain, AttemptMiddleware};
///
/// struct Nothing;
///
/// impl AttemptMiddleware for Nothing {}
///
/// let mut chain = AttemptChain::default();
/// chain.push(Arc::new(Nothing));
/// assert!(!chain.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct AttemptChain(Vec<Arc<dyn AttemptMiddleware>>);

impl AttemptChain {
    /// Adds one, innermost.
    pub fn push(&mut self, middleware: Arc<dyn AttemptMiddleware>) {
        self.0.push(middleware);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins an attempt.
    pub(super) fn enter(&self, info: AttemptInfo) -> Result<Entered, CallError> {
        let mut entered = Entered { chain: self.clone(), depth: 0, info };
        for middleware in &self.0 {
            if let Err(error) = middleware.before(&mut entered.info) {
                entered.leave(Err(&error));
                return Err(error);
            }
            entered.depth += 1;
        }
        Ok(entered)
    }
}

impl fmt::Debug for AttemptChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AttemptChain").field(&self.0.len()).finish()
    }
}

/// An attempt that has begun; dropping it ends it as cancelled.
pub(super) struct Entered {
    chain: AttemptChain,
    /// How many of the chain it has passed.
    depth: usize,
    pub(super) info: AttemptInfo,
}

impl Entered {
    /// Ends it.
    pub(super) fn leave(mut self, result: Result<(), &CallError>) {
        self.unwind(result);
    }

    fn unwind(&mut self, result: Result<(), &CallError>) {
        while let Some(depth) = self.depth.checked_sub(1) {
            // Before it runs: should it panic, it is not run again.
            self.depth = depth;
            self.chain.0[depth].after(&self.info, result);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // None of a user's code runs during unwinding: a second panic there ends the process.
        if self.depth > 0 && !std::thread::panicking() {
            let endpoint = self.info.endpoint;
            self.unwind(Err(&CallError::Cancelled { endpoint }));
        }
    }
}
