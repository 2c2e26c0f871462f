//! Calling: from a service's name to a node's answer.
//!
//! ```text
//! Caller ─▶ snapshot (pick) ─▶ Link ─▶ Outbox ═▶ node ═▶ Outbox ─▶ the caller's future
//!    └─ first call only: Watcher ─▶ Selector
//! ```
//!
//! A call whose service is known and whose connection is open is encoded on the caller's own
//! thread, straight into the connection's send queue, and its future is woken straight from what
//! the connection reads. Everything else (looking up, connecting, waiting) is the slow path.

mod attempt;
mod attempt_middleware;
mod call;
mod caller;
mod connection;
mod direct;
mod error;
mod expiry;
pub(crate) mod link;
mod options;
mod retry;
mod round;
mod rule;
mod shard;

pub use self::attempt::{Attempt, FailedAttempt};
pub use self::attempt_middleware::{AttemptChain, AttemptInfo, AttemptMiddleware};
pub use self::call::StreamOptions;
pub use self::caller::{Caller, CallerParts, RemoteService};
pub use self::direct::DirectNode;
pub use self::error::{CallError, Executed};
pub use self::expiry::Expiry;
pub use self::link::Links;
pub use self::options::{CallOptions, CallTarget, CallerOptions, Choice, EncodedReply, NodeReply};
pub use self::retry::RetryBudgetOptions;
pub(crate) use self::round::Round;
pub use self::rule::RetryRule;
pub use self::shard::{ConnectionOptions, thread_hint, use_shard};
pub use crate::transport::in_flight::ReplyBuffer;
