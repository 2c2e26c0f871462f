//! Middleware: code around calls, on either side.
//!
//! One trait serves both sides and all kinds: on the client it wraps a call with all its attempts,
//! or the opening of a stream; on the server the handling of one request, or a stream from its
//! opening to its end. Middleware runs in the order in which it was added, the first one outermost.
//! Without any, a call pays nothing for it.
//!
//! [`AttemptMiddleware`] is the one exception: it looks at each attempt of a call on the client,
//! when the node is known.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use callboard_actors::client::{AttemptInfo, AttemptMiddleware};
use callboard_actors::client::{CallError, Executed};
use callboard_actors::{Deadline, Metadata, Status};
use parking_lot::Mutex;

/// Code around calls.
///
/// ```
/// use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
/// use callboard::Status;
///
/// struct RequireToken;
///
/// impl Middleware for RequireToken {
///     fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
///         Box::pin(async move {
///             if call.metadata.value("token") != Some("secret") {
///                 return Err(Status::unauthorized("greeter", "send a token").into());
///             }
///             next.run(call).await
///         })
///     }
/// }
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Handles a call; what it does before and after `next` is up to it.
    ///
    /// Not running `next` means that the call is not made; the caller gets the error instead.
    /// Running `next` without an error makes the reply, which has passed by then, the answer.
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a>;
}

/// What a middleware returns.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'a>>;

/// Which side of a call a middleware is on.
///
/// ```
/// use callboard::middleware::{CallInfo, Side};
///
/// fn is_mine(call: &CallInfo) -> bool {
///     call.side == Side::Client
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's.
    Client,
    /// The handler's.
    Server,
}

/// What a middleware wraps.
///
/// ```
/// use callboard::middleware::{CallInfo, CallKind};
///
/// /// Streams take as long as they take.
/// fn is_to_be_timed(call: &CallInfo) -> bool {
///     call.kind == CallKind::Request
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// A request with a reply, or a one-way message.
    Request,
    /// A stream: on the client its opening, on the server all of it.
    Stream,
    /// An event: on the client publishing it, on the server handling it.
    Event,
}

/// A call as middleware sees it.
///
/// ```
/// use std::time::Duration;
///
/// use callboard::Deadline;
/// use callboard::middleware::CallInfo;
///
/// /// Leaves the call no more than a second.
/// fn hurry(call: &mut CallInfo) {
///     call.deadline = Some(Deadline::within(Duration::from_secs(1)).earlier(call.deadline));
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallInfo {
    /// Which side this is.
    pub side: Side,
    /// What it is.
    pub kind: CallKind,
    /// The service that is called.
    pub service: String,
    /// The endpoint that is called.
    pub endpoint: &'static str,
    /// Pairs beside the body; what is changed here travels on.
    pub metadata: Metadata,
    /// When the answer is of no use any more.
    pub deadline: Option<Deadline>,
    /// The node on the other side; empty on the client, where it has not been picked yet.
    pub peer: String,
}

/// What a middleware wraps: the others after it, and the call itself.
///
/// ```
/// use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
///
/// /// Says what was called, and how it ended.
/// struct Log;
///
/// impl Middleware for Log {
///     fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
///         Box::pin(async move {
///             let endpoint = call.endpoint;
///             let result = next.run(call).await;
///             println!("{endpoint}: {result:?}");
///             result
///         })
///     }
/// }
/// ```
pub struct Next<'a> {
    rest: &'a [Arc<dyn Middleware>],
    last: &'a mut (dyn FnMut(&CallInfo) -> Outcome<'static> + Send),
}

impl<'a> Next<'a> {
    /// Goes on with the call.
    ///
    /// # Cancellation
    /// Dropping the future drops the call.
    pub fn run(self, call: &'a mut CallInfo) -> Outcome<'a> {
        match self.rest.split_first() {
            Some((first, rest)) => first.call(call, Next { rest, last: self.last }),
            None => (self.last)(call),
        }
    }
}

/// Runs a chain around `last`, whose value it returns.
///
/// `last` is given what the middleware has made of the call.
pub(crate) async fn run_chain<V, F>(
    chain: &[Arc<dyn Middleware>],
    mut call: CallInfo,
    last: impl FnOnce(&CallInfo) -> F + Send,
) -> Result<V, CallError>
where
    V: Send + 'static,
    F: Future<Output = Result<V, CallError>> + Send + 'static,
{
    let (side, endpoint) = (call.side, call.endpoint);
    let value = Arc::new(Mutex::new(None));
    let mut once = Some(last);
    let mut last = |call: &CallInfo| -> Outcome<'static> {
        let Some(last) = once.take() else {
            let error = misused(side, endpoint, "a middleware ran `next` twice", Executed::Maybe);
            return Box::pin(std::future::ready(Err(error)));
        };
        let (future, value) = (last(call), Arc::clone(&value));
        Box::pin(async move {
            *value.lock() = Some(future.await?);
            Ok(())
        })
    };
    Next { rest: chain, last: &mut last }.run(&mut call).await?;
    let value = value.lock().take();
    value.ok_or_else(|| {
        let detail = "a middleware succeeded without running `next`";
        misused(side, endpoint, detail, Executed::No)
    })
}

/// What a middleware makes of a call that it does not handle as it must.
fn misused(side: Side, endpoint: &'static str, detail: &str, executed: Executed) -> CallError {
    match side {
        Side::Client => CallError::Codec { detail: detail.to_owned(), executed },
        Side::Server => Status::internal(endpoint, detail).into(),
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("rest", &self.rest.len()).finish()
    }
}
