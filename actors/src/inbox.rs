//! The second inbox of an actor: requests that connections and local callers bring.
//!
//! An actix mailbox carries messages of any type, one allocation, one wake-up and one reply
//! channel each. Requests come in batches, have deadlines, and their answers go straight into a
//! connection's send queue. So they have an inbox of their own: bounded, one wake-up per batch, it
//! knows how long its head has waited, and drops what has expired or was cancelled.

mod apart;
mod cancels;
mod due;
mod entry;
mod options;
mod queue;
mod receiver;
mod spares;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::LocalBoxActorFuture;
use actix::prelude::Actor;
use tokio::time::Instant;

use crate::contain::Panic;
use crate::deadline::Deadline;
use crate::message::Refusal;

pub use self::due::DueTurns;
pub use self::options::{InboxOptions, Overflow};
pub use self::queue::Inbox;
pub(crate) use self::receiver::{InboxReceiver, Next};

/// Identifies a request among all those of a process: its origin and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobKey {
    /// The connection, or the local caller, it came from.
    pub origin: u64,
    /// Its number there.
    pub id: u64,
}

/// A request on its way to an actor; it holds the decoded body and the way back.
///
/// Exactly one of [`run`](Self::run), [`refuse`](Self::refuse) is called, once for each filling;
/// [`panicked`](Self::panicked) follows a `run` that panicked, and [`finish`](Self::finish) one that
/// did not, unless the request is [handled at once](Inbox::run_at_once) and so belongs to the caller
/// still. Once `run` has returned, the future in its [`Progress`] owns the answer.
pub trait Job<A: Actor>: Send {
    /// Who asked.
    fn key(&self) -> JobKey;

    /// When it stops being worth running; `None` as well while its time has not begun.
    fn deadline(&self) -> Option<Deadline>;

    /// Has its time run from `now` on, unless it runs already; to be called of those that were
    /// [queued fresh](Inbox::push_fresh). Nothing by default.
    fn begin(&mut self, now: Instant) {
        let _ = now;
    }

    /// Which endpoint's limits apply: an index into [`InboxOptions::concurrency`].
    fn endpoint(&self) -> usize;

    /// Lets the actor handle the request; answers it unless the answer takes time.
    fn run(&mut self, actor: &mut A, ctx: &mut A::Context) -> Progress<A>;

    /// Lets go of it after `run`, and answers it if that is [done](Progress::Done) and left the
    /// answer here. Drops it by default. Not called of what is handled
    /// [at once](Inbox::run_at_once), which must have answered by then.
    ///
    /// Memory that one thread takes and another one gives back is dear: the C library locks what it
    /// came from, and both threads meet there. So what came from another thread may go back there,
    /// with the answer. What is returned is kept to be [filled anew](Self::spare), for the same
    /// [endpoint](Self::endpoint), and so must hold nothing any more.
    fn finish(self: Box<Self>) -> Option<Box<dyn Job<A>>> {
        None
    }

    /// The request itself, to be filled anew by those who know its type; none by default.
    fn spare(self: Box<Self>) -> Option<Box<dyn Any>> {
        None
    }

    /// Answers that handling it panicked.
    fn panicked(&mut self, panic: &Panic);

    /// Answers that it was not run.
    fn refuse(&mut self, refusal: Refusal);
}

/// How far running a request got.
///
/// A future is dropped unfinished when it panics, when its request is cancelled, when the inbox
/// closes and, if it needs the actor, when the actor ends: what it owns must answer when dropped.
pub enum Progress<A: Actor> {
    /// It has been answered.
    Done,
    /// This answers it, and does not need the actor.
    Free(Pin<Box<dyn Future<Output = ()>>>),
    /// This answers it, and needs the actor.
    Actor(LocalBoxActorFuture<A, ()>),
}

impl<A: Actor> std::fmt::Debug for Progress<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Free(_) => "Free",
            Self::Actor(_) => "Actor",
        })
    }
}

/// What an inbox needs of the outside to be watched and drained.
pub trait InboxStatus: Send + Sync {
    /// Requests queued and not started.
    fn queued(&self) -> usize;

    /// Requests queued or being handled.
    fn pending(&self) -> usize;

    /// How long the oldest request has waited that the actor could have taken.
    fn head_age(&self, now: Instant) -> Option<Duration>;

    /// Whether the actor lives on the present thread, as far as is known.
    fn is_here(&self) -> bool;

    /// Has the time of those queued that were [fresh](Inbox::push_fresh) run from `now` on, unless
    /// it does already.
    fn begin(&self, now: Instant);

    /// Drops what came from `origin` and, when `id` is given, is that request.
    fn cancel(&self, origin: u64, id: Option<u64>);

    /// A future that resolves once nothing is pending.
    fn idle(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
