//! Waiting for a handler in the same process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use callboard_actors::client::{CallError, CallOptions, Executed};
use callboard_actors::{Deadline, Status};
use tokio::time::Instant;

use super::ServiceRef;
use crate::handler::{LocalAnswer, LocalCancel, LocalEndpoint, LocalFailure};
use crate::request::{Endpoint, Request};

/// A call to a handler in this process.
pub(super) struct LocalCall<T: Endpoint> {
    answer: LocalAnswer<T>,
    cancel: LocalCancel<T>,
    deadline: Deadline,
    timeout: Duration,
    pub(super) service: ServiceRef,
    /// Which shard wakes it at its deadline, and its entry there, once it had to wait.
    alarm: Option<(usize, usize)>,
}

impl<T: Endpoint> LocalCall<T> {
    pub(super) fn new(
        local: Arc<LocalEndpoint<T>>,
        request: Request<T>,
        options: &CallOptions,
        service: ServiceRef,
        now: Instant,
    ) -> Self {
        let (answer, cancel) = local.send(request, now);
        let (deadline, timeout) = (options.deadline, options.timeout);
        Self { answer, cancel, deadline, timeout, service, alarm: None }
    }

    fn timed_out(&self) -> LocalFailure<T> {
        LocalFailure::TimedOut(CallError::Timeout {
            endpoint: T::NAME,
            timeout: self.timeout,
            executed: Executed::Maybe,
        })
    }

    fn wait(&mut self, cx: &Context<'_>) -> Poll<Result<T::Reply, LocalFailure<T>>> {
        let caller = self.service.system().caller();
        match self.alarm {
            None => {
                let shard = caller.shard_index();
                let entry =
                    caller.expiry(shard).insert(self.deadline.instant(), cx.waker().clone());
                self.alarm = Some((shard, entry));
            }
            Some(_) if self.deadline.has_passed() => return Poll::Ready(Err(self.timed_out())),
            Some((shard, entry)) => caller.expiry(shard).update(entry, cx.waker()),
        }
        Poll::Pending
    }
}

impl<T: Endpoint> Future for LocalCall<T> {
    type Output = Result<T::Reply, LocalFailure<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.answer).poll(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(answer) => {
                self.cancel.disarm();
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
        if let Some((shard, entry)) = self.alarm {
            self.service.system().caller().expiry(shard).remove(entry);
        }
    }
}
