//! Waiting for a handler in the same process.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use callboard_actors::client::{CallError, CallOptions, Executed};
use callboard_actors::message::Refusal;
use callboard_actors::waiting::{RoomAlarm, WaitingRoom};
use callboard_actors::{Deadline, Status};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::ServiceRef;
use super::own::Own;
use super::prepared::Prepared;
use crate::handler::{
    LocalAnswer, LocalEndpoint, LocalFailure, LocalOutcome, LocalResult, LocalSent, expired,
};
use crate::request::{Annotated, Due, Endpoint, Peer, Request, RequestContext};

/// What became of a message that was handed to a handler in this process.
#[allow(clippy::large_enum_variant, reason = "the large one is common")]
pub(super) enum Sent<T: Endpoint> {
    /// It was handled at once.
    Answered(Result<Annotated<T::Reply>, CallError>),
    /// Its answer is waited for.
    Waits(Waiting<T>),
}

/// A message whose answer is waited for.
pub(super) struct Waiting<T: Endpoint> {
    answer: LocalAnswer<Request<T>>,
    /// By which it is cancelled, until it has been answered.
    number: Option<u64>,
    /// Unknown until somebody has to wait, and so its time begins.
    deadline: Option<Deadline>,
    /// Where its task waits, if what answers it wakes that.
    room: Option<WaitingRoom>,
}

/// A call to a handler in this process.
pub(super) struct LocalCall<T: Endpoint> {
    sent: Waiting<T>,
    service: ServiceRef,
    own: Own,
    wait: Wait,
}

/// How far waiting for the answer has come.
enum Wait {
    None,
    /// It is woken by the answer, and at its deadline by this alarm.
    Room(RoomAlarm),
    /// It gave way once.
    Turn,
    /// A shard wakes it at its deadline; its entry there.
    Alarm {
        shard: usize,
        entry: usize,
    },
}

impl<T: Endpoint> Sent<T> {
    /// Hands a message to its handler, for a task that waits for the answer if it has to.
    pub(super) fn new(
        handler: &LocalEndpoint<Request<T>>,
        message: T,
        (options, service): (&CallOptions, &ServiceRef),
        task: Option<&Waker>,
    ) -> Result<Self, CallError> {
        let (request, now) = request(handler, message, options, service)?;
        let sent = handler.call(request, now, task);
        Ok(match sent.outcome {
            LocalOutcome::Answered(result) => {
                Self::Answered(result.map_err(LocalFailure::into_call_error))
            }
            LocalOutcome::Later(answer) => {
                let LocalSent { number, deadline, room, .. } = sent;
                Self::Waits(Waiting { answer, number: Some(number), deadline, room })
            }
        })
    }
}

impl<T: Endpoint> LocalCall<T> {
    /// Waits for the answer.
    pub(super) fn new(sent: Waiting<T>, service: ServiceRef, own: Own) -> Self {
        Self { sent, service, own, wait: Wait::None }
    }

    fn options(&self) -> &CallOptions {
        self.own.options(self.service.system().caller())
    }

    /// Whether a call that was refused like this may be made to another node.
    pub(super) fn may_go(&self, refusal: Refusal) -> bool {
        refusal.is_retryable() && self.options().retries > 0
    }

    /// The same call to another node.
    pub(super) fn elsewhere(&mut self, message: T) -> Prepared<T> {
        Prepared {
            service: self.service.clone(),
            message,
            own: self.own.clone(),
            deadline: self.begin(),
            may_be_local: false,
        }
    }

    /// What the caller is told; one that expired in the queue says how long it had.
    pub(super) fn explain(&self, failure: LocalFailure<Request<T>>) -> CallError {
        match failure.into_call_error() {
            CallError::Timeout { endpoint, executed, .. } => {
                CallError::Timeout { endpoint, timeout: self.options().timeout, executed }
            }
            error => error,
        }
    }

    fn timed_out(&self) -> LocalFailure<Request<T>> {
        LocalFailure::TimedOut(CallError::Timeout {
            endpoint: T::NAME,
            timeout: self.options().timeout,
            executed: Executed::Maybe,
        })
    }

    /// Has its time run; the deadline.
    fn begin(&mut self) -> Deadline {
        let Self { sent, own, service, .. } = self;
        *sent.deadline.get_or_insert_with(|| {
            let now = Instant::now();
            if let Some(handler) = handler::<T>(service) {
                handler.begin(now);
            }
            own.options(service.system().caller()).deadline_at(now)
        })
    }

    /// Has the task woken at the deadline; over when that has passed.
    fn wait(&mut self, cx: &Context<'_>) -> Poll<LocalResult<Request<T>>> {
        let deadline = self.begin();
        let caller = self.service.system().caller();
        match self.wait {
            Wait::None | Wait::Turn | Wait::Room(_) => {
                let shard = caller.shard_index();
                let entry = caller.expiry(shard).insert(deadline.instant(), cx.waker().clone());
                self.wait = Wait::Alarm { shard, entry };
            }
            Wait::Alarm { .. } if deadline.has_passed() => {
                return Poll::Ready(Err(self.timed_out()));
            }
            Wait::Alarm { shard, entry } => caller.expiry(shard).update(entry, cx.waker()),
        }
        Poll::Pending
    }

    /// Waits in the room of its arbiter, from the poll in which it was sent until it is answered;
    /// nothing when it has to wait elsewhere.
    fn wait_in_room(&mut self, cx: &Context<'_>) -> Option<Poll<LocalResult<Request<T>>>> {
        if let Wait::Room(alarm) = &self.wait {
            return match self.sent.answer.try_recv() {
                Ok(end) => Some(Poll::Ready(self.ended(Some(end.result)))),
                Err(TryRecvError::Closed) => Some(Poll::Ready(self.ended(None))),
                // Woken for something else, or at the deadline.
                Err(TryRecvError::Empty) if alarm.wakes(cx.waker()) => {
                    let is_over = self.begin().has_passed();
                    Some(if is_over { Poll::Ready(Err(self.timed_out())) } else { Poll::Pending })
                }
                // The task is another one than that which is woken.
                Err(TryRecvError::Empty) => None,
            };
        }
        let room = self.sent.room.take()?;
        self.wait = Wait::Room(room.alarm(self.begin(), cx.waker())?);
        Some(Poll::Pending)
    }

    /// Whether its time is over, by a clock read a moment before or after.
    fn is_about_over(&self) -> bool {
        let limit = Instant::now() + CLOCKS_APART;
        self.sent.deadline.is_none_or(|deadline| deadline.instant() <= limit)
    }

    /// What came of it; nothing when the way back was dropped.
    fn ended(&mut self, answer: Option<LocalResult<Request<T>>>) -> LocalResult<Request<T>> {
        self.sent.number = None;
        match answer {
            // The handler was cut short at the deadline, by a clock read a moment before or after
            // the one of this side.
            Some(Err(LocalFailure::Status(status)))
                if status.code == 408 && status == expired(T::NAME) && self.is_about_over() =>
            {
                Err(self.timed_out())
            }
            Some(answer) => answer,
            None => {
                let detail = "the handler ended without an answer";
                Err(LocalFailure::Status(Status::internal(T::NAME, detail)))
            }
        }
    }
}

impl<T: Endpoint> Future for LocalCall<T> {
    type Output = LocalResult<Request<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(poll) = self.wait_in_room(cx) {
            return poll;
        }
        if matches!(self.wait, Wait::None) {
            // An actor on this thread, woken a moment ago, has its turn before this task has it
            // again, and then the answer is there without anybody having been asked to tell.
            self.wait = Wait::Turn;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.sent.answer).poll(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(answer) => Poll::Ready(self.ended(answer.ok().map(|end| end.result))),
        }
    }
}

impl<T: Endpoint> Drop for LocalCall<T> {
    fn drop(&mut self) {
        if let Wait::Alarm { shard, entry } = self.wait {
            self.service.system().caller().expiry(shard).remove(entry);
        }
        if let (Some(number), Some(handler)) = (self.sent.number, handler::<T>(&self.service)) {
            handler.cancel(number);
        }
    }
}

/// Time by which two readings of the clock may differ that mean the same deadline.
const CLOCKS_APART: Duration = Duration::from_millis(20);

/// Hands over a message that nobody waits for.
pub(super) fn post<T: Endpoint>(
    handler: &LocalEndpoint<Request<T>>,
    message: T,
    options: &CallOptions,
    service: &ServiceRef,
) -> Result<(), CallError> {
    let (request, now) = request(handler, message, options, service)?;
    handler.post(request, now);
    Ok(())
}

/// The handler in this process, which was found before.
fn handler<T: Endpoint>(service: &ServiceRef) -> Option<&LocalEndpoint<Request<T>>> {
    service.system().handler()
}

/// What the handler is given, and the present, unless it is of no account yet.
fn request<T: Endpoint>(
    handler: &LocalEndpoint<Request<T>>,
    message: T,
    options: &CallOptions,
    service: &ServiceRef,
) -> Result<(Request<T>, Option<Instant>), CallError> {
    options.check()?;
    // Where there is little time left, or none, the time begins now.
    let is_plain = options.limit.is_none() && !options.timeout.is_zero();
    let now = (!is_plain).then(Instant::now);
    let due = match now {
        None => Due::within(options.timeout),
        Some(now) => Due::At(Some(options.deadline_at(now))),
    };
    let own = || Peer::of(service.system().hello());
    let peer = handler.is_wrapped().then(own).unwrap_or_default();
    let metadata = options.metadata.clone();
    let context = RequestContext { endpoint: T::NAME, metadata, due, peer };
    Ok((Request::new(message, context), now))
}
