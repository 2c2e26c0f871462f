//! The part of a client that lives on one arbiter.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_rt::ArbiterHandle;
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::expiry::Expiry;
use crate::deadline::Deadline;
use crate::selector::Mark;
use crate::supervisor::SupervisorRef;
use crate::transport::{Hello, KeepaliveOptions, Transport};

/// Connections and timers of one arbiter.
pub(crate) struct Shard {
    pub(crate) arbiter: ArbiterHandle,
    /// The pool: supervises the connections of this arbiter.
    pub(crate) pool: SupervisorRef,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) hello: Arc<Hello>,
    pub(crate) marks: actix::Recipient<Mark>,
    pub(crate) options: ConnectionOptions,
    pub(crate) expiry: Arc<Expiry>,
}

/// Limits of outgoing connections.
///
/// ```
/// use std::time::Duration;
///
/// use callboard_actors::client::ConnectionOptions;
///
/// let options = ConnectionOptions { dial_timeout: Duration::from_secs(1), ..Default::default() };
/// assert_eq!(options.idle_time, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ConnectionOptions {
    /// Time to connect and greet; default 5 s.
    pub dial_timeout: Duration,
    /// A connection without calls for this long is closed, and an address that a call names is not
    /// dialled again after it has not been reached for so long; default 60 s.
    pub idle_time: Duration,
    /// Calls in flight on one connection; further callers wait. Default 1,024, and never more
    /// than the node accepts.
    pub max_in_flight: u32,
    /// How silent nodes are found.
    pub keepalive: KeepaliveOptions,
    /// Upper bound of the delay before the second attempt to connect; default 100 ms.
    pub backoff_first: Duration,
    /// Upper bound of every delay between attempts; default 5 s.
    pub backoff_max: Duration,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_secs(5),
            idle_time: Duration::from_secs(60),
            max_in_flight: Hello::DEFAULT_MAX_IN_FLIGHT,
            keepalive: KeepaliveOptions::default(),
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
        }
    }
}

impl Shard {
    /// Awaits `future` until `deadline`; `None` when that passes first.
    ///
    /// Callers may run on any executor, so the timer lives on this shard's arbiter.
    pub(crate) async fn within<T>(
        &self,
        deadline: Deadline,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let alarm = self.alarm(deadline);
        match select(pin!(future), alarm).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// Resolves at `deadline`, or when the arbiter is gone.
    pub(crate) async fn sleep(&self, deadline: Deadline) {
        // Either way the time for waiting is over.
        let _ = self.alarm(deadline).await;
    }

    fn alarm(&self, deadline: Deadline) -> oneshot::Receiver<()> {
        let (mut alarm, ring) = oneshot::channel::<()>();
        self.arbiter.spawn(async move {
            // Ends early when nobody listens any more.
            if timeout_at(deadline.instant(), alarm.closed()).await.is_err() {
                // The listener may have gone in this very moment.
                let _ = alarm.send(());
            }
        });
        ring
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("transport", &self.transport.name()).finish_non_exhaustive()
    }
}

/// A number of the present thread, stable for its life: which shard it uses.
pub fn thread_hint() -> usize {
    HINT.with(|hint| {
        hint.get().unwrap_or_else(|| {
            let number = NEXT_HINT.fetch_add(1, Ordering::Relaxed);
            hint.set(Some(number));
            number
        })
    })
}

/// Makes the present thread use the shard of this index.
pub fn use_shard(index: usize) {
    HINT.with(|hint| hint.set(Some(index)));
}

/// Counts the present thread's calls, for those who take turns.
pub(super) fn next_turn() -> usize {
    TURN.with(|turn| turn.replace(turn.get().wrapping_add(1)))
}

static NEXT_HINT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HINT: Cell<Option<usize>> = const { Cell::new(None) };
    static TURN: Cell<usize> = const { Cell::new(0) };
}
