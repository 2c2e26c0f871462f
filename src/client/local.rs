//! Waiting for a handler in the same process.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use callboard_actors::client::{CallError, CallOptions, Executed};
use callboard_actors::message::Refusal;
use callboard_actors::{Deadline, Status};
use tokio::time::Instant;

use super::ServiceRef;
use super::prepared::Prepared;
use crate::codec::Form;
use crate::handler::{LocalAnswer, LocalEndpoint, LocalFailure, LocalResult};
use crate::request::{Endpoint, Request, RequestContext};

/// A call to a handler in this process.
pub(super) struct LocalCall<T: Endpoint> {
    answer: LocalAnswer<Request<T>>,
    /// By which it is cancelled, until it has been answered.
    number: Option<u64>,
    service: ServiceRef,
    options: CallOptions,
    deadline: Deadline,
    /// For another node, should it go there.
    form: Form,
    wait: Wait,
}

/// How far waiting for the answer has come.
#[derive(Clone, Copy)]
enum Wait {
    None,
    /// It gave way once.
    Turn,
    /// A shard wakes it at its deadline; its entry there.
    Alarm {
        shard: usize,
        entry: usize,
    },
}

impl<T: Endpoint> LocalCall<T> {
    /// Hands a message to the handler.
    pub(super) fn new(
        message: T,
        options: CallOptions,
        service: ServiceRef,
        form: Form,
    ) -> Result<Self, CallError> {
        let now = Instant::now();
        let deadline = options.deadline_at(now);
        let request = request(message, &options, deadline, &service)?;
        let (answer, number) = handler(&service)?.send(request, now);
        let number = Some(number);
        Ok(Self { answer, number, service, options, deadline, form, wait: Wait::None })
    }

    /// The same for a message that nobody waits for.
    pub(super) fn post(
        message: T,
        options: &CallOptions,
        service: &ServiceRef,
    ) -> Result<(), CallError> {
        let now = Instant::now();
        let request = request(message, options, options.deadline_at(now), service)?;
        handler(service)?.send(request, now);
        Ok(())
    }

    /// Whether a call that was refused like this may be made to another node.
    pub(super) fn may_go(&self, refusal: Refusal) -> bool {
        refusal.is_retryable() && self.options.retries > 0
    }

    /// The same call to another node.
    pub(super) fn elsewhere(&self, message: T) -> Prepared<T> {
        Prepared {
            service: self.service.clone(),
            message,
            options: self.options.clone(),
            deadline: self.deadline,
            may_be_local: false,
            form: self.form,
        }
    }

    /// What the caller is told; one that expired in the queue says how long it had.
    pub(super) fn explain(&self, failure: LocalFailure<Request<T>>) -> CallError {
        match failure.into_call_error() {
            CallError::Timeout { endpoint, executed, .. } => {
                CallError::Timeout { endpoint, timeout: self.options.timeout, executed }
            }
            error => error,
        }
    }

    fn timed_out(&self) -> LocalFailure<Request<T>> {
        LocalFailure::TimedOut(CallError::Timeout {
            endpoint: T::NAME,
            timeout: self.options.timeout,
            executed: Executed::Maybe,
        })
    }

    /// Has the task woken at the deadline; over when that has passed.
    fn wait(&mut self, cx: &Context<'_>) -> Poll<LocalResult<Request<T>>> {
        let caller = self.service.system().caller();
        match self.wait {
            Wait::None | Wait::Turn => {
                let shard = caller.shard_index();
                let entry =
                    caller.expiry(shard).insert(self.deadline.instant(), cx.waker().clone());
                self.wait = Wait::Alarm { shard, entry };
            }
            Wait::Alarm { .. } if self.deadline.has_passed() => {
                return Poll::Ready(Err(self.timed_out()));
            }
            Wait::Alarm { shard, entry } => caller.expiry(shard).update(entry, cx.waker()),
        }
        Poll::Pending
    }
}

impl<T: Endpoint> Future for LocalCall<T> {
    type Output = LocalResult<Request<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if matches!(self.wait, Wait::None) {
            // An actor on this thread, woken a moment ago, has its turn before this task has it
            // again, and then the answer is there without anybody having been asked to tell.
            self.wait = Wait::Turn;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.answer).poll(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(answer) => {
                self.number = None;
                Poll::Ready(match answer {
                    // The handler was cut short at the very deadline at which this gives up.
                    Ok(Err(LocalFailure::Status(status)))
                        if status.code == 408 && self.deadline.has_passed() =>
                    {
                        Err(self.timed_out())
                    }
                    Ok(answer) => answer,
                    Err(_) => {
                        let detail = "the handler ended without an answer";
                        Err(LocalFailure::Status(Status::internal(T::NAME, detail)))
                    }
                })
            }
        }
    }
}

impl<T: Endpoint> Drop for LocalCall<T> {
    fn drop(&mut self) {
        if let Wait::Alarm { shard, entry } = self.wait {
            self.service.system().caller().expiry(shard).remove(entry);
        }
        if let (Some(number), Ok(handler)) = (self.number, handler::<T>(&self.service)) {
            handler.cancel(number);
        }
    }
}

/// The handler in this process, which whoever gets here has looked for.
fn handler<T: Endpoint>(service: &ServiceRef) -> Result<&LocalEndpoint<Request<T>>, CallError> {
    service.system().handler().ok_or_else(|| CallError::UnknownEndpoint {
        node: "this node".to_owned(),
        endpoint: T::NAME,
    })
}

/// What the handler is given.
fn request<T: Endpoint>(
    message: T,
    options: &CallOptions,
    deadline: Deadline,
    service: &ServiceRef,
) -> Result<Request<T>, CallError> {
    options.check()?;
    let context = RequestContext {
        endpoint: T::NAME,
        metadata: options.metadata.clone(),
        deadline: Some(deadline),
        peer: service.system().hello(),
    };
    Ok(Request::new(message, context))
}
