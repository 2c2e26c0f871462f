//! The future of a call.
//!
//! A call to a handler in the same process, the cheapest kind, lives in the future itself; every
//! other one is boxed, which costs one allocation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use callboard_actors::client::{CallError, CallOptions, Executed, Expiry, RemoteService};
use callboard_actors::{Deadline, Status};

use super::call::{CallBuilder, with_timeout};
use crate::handler::{LocalAnswer, LocalCancel, LocalEndpoint, LocalFailure};
use crate::request::{Endpoint, Request};
use crate::system::ServiceSystem;

/// Resolves to the reply of a call, or to why there is none.
///
/// # Cancellation
/// Dropping it cancels the call: a request that has not been started is not started, and an
/// asynchronous handler is dropped.
#[must_use = "a call is made when its future is polled"]
pub struct CallFuture<T: Endpoint> {
    state: State<T>,
}

enum State<T: Endpoint> {
    New(Option<CallBuilder<T>>),
    Local(LocalCall<T>, Fallback),
    Boxed(Pin<Box<dyn Future<Output = Result<T::Reply, CallError>> + Send>>),
}

/// What is needed to make a call elsewhere that the handler in this process did not take.
struct Fallback {
    system: ServiceSystem,
    service: Arc<RemoteService>,
    options: CallOptions,
}

// Nothing in it is pinned in place: what must not move is boxed.
impl<T: Endpoint> Unpin for CallFuture<T> {}

impl<T: Endpoint> CallFuture<T> {
    pub(super) fn new(call: CallBuilder<T>) -> Self {
        Self { state: State::New(Some(call)) }
    }
}

impl<T: Endpoint> State<T> {
    fn of(call: CallBuilder<T>) -> Self {
        if call.may_be_local()
            && call.system.client_middleware().is_empty()
            && let Some(local) = call.system.local::<T>(call.service.name())
        {
            let CallBuilder { system, service, message, options, .. } = call;
            let waiting = LocalCall::new(&local, message, &options, &system);
            return Self::Local(waiting, Fallback { system, service, options });
        }
        Self::Boxed(Box::pin(call.run()))
    }
}

impl<T: Endpoint> Future for CallFuture<T> {
    type Output = Result<T::Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match &mut self.state {
                State::New(call) => {
                    State::of(call.take().expect("this state is left as soon as it is polled"))
                }
                State::Boxed(call) => return call.as_mut().poll(cx),
                State::Local(call, fallback) => match std::task::ready!(Pin::new(call).poll(cx)) {
                    Err(LocalFailure::Refused(refusal, Some(message)))
                        if refusal.is_retryable() && fallback.options.retries > 0 =>
                    {
                        let Fallback { system, service, options } = fallback;
                        State::New(Some(CallBuilder {
                            system: system.clone(),
                            service: Arc::clone(service),
                            message,
                            options: options.clone(),
                            is_local: Some(false),
                        }))
                    }
                    result => {
                        let timeout = fallback.options.timeout;
                        return Poll::Ready(result.map_err(|error| with_timeout(error, timeout)));
                    }
                },
            };
            self.state = next;
        }
    }
}

/// A call to a handler in this process.
pub(super) struct LocalCall<T: Endpoint> {
    answer: LocalAnswer<T>,
    cancel: LocalCancel<T>,
    deadline: Deadline,
    options_timeout: std::time::Duration,
    expiry: Arc<Expiry>,
    /// Its entry there, once it had to wait.
    alarm: Option<usize>,
}

impl<T: Endpoint> LocalCall<T> {
    pub(super) fn new(
        local: &Arc<LocalEndpoint<T>>,
        message: T,
        options: &CallOptions,
        system: &ServiceSystem,
    ) -> Self {
        let request: Request<T> = CallBuilder::request(message, options, system);
        let (answer, cancel) = local.send(request);
        Self {
            answer,
            cancel,
            deadline: options.deadline,
            options_timeout: options.timeout,
            expiry: Arc::clone(system.caller().expiry()),
            alarm: None,
        }
    }
}

impl<T: Endpoint> Future for LocalCall<T> {
    type Output = Result<T::Reply, LocalFailure<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(cx) {
            self.cancel.disarm();
            return Poll::Ready(answer.unwrap_or_else(|_| {
                let detail = "the handler ended without an answer";
                Err(LocalFailure::Status(Status::internal(T::NAME, detail)))
            }));
        }
        match self.alarm {
            None => {
                let alarm = self.expiry.insert(self.deadline.instant(), cx.waker().clone());
                self.alarm = Some(alarm);
            }
            Some(_) if self.deadline.has_passed() => {
                return Poll::Ready(Err(LocalFailure::TimedOut(CallError::Timeout {
                    endpoint: T::NAME,
                    timeout: self.options_timeout,
                    executed: Executed::Maybe,
                })));
            }
            Some(alarm) => self.expiry.update(alarm, cx.waker()),
        }
        Poll::Pending
    }
}

impl<T: Endpoint> Drop for LocalCall<T> {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm {
            self.expiry.remove(alarm);
        }
    }
}

impl<T: Endpoint> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
