//! The future of a call.
//!
//! The two kinds of calls that nearly all are live in the future itself: one to a handler in the
//! same process, and one whose first attempt can be sent at once and is answered. Every other one
//! is boxed, which costs one allocation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callboard_actors::client::{Attempt, CallError, CallOptions};
use tokio::time::Instant;

use super::call::CallBuilder;
use super::local::LocalCall;
use super::prepared::{Prepared, decode, request, with_timeout};
use crate::handler::LocalFailure;
use crate::request::Endpoint;

/// Resolves to the reply of a call, or to why there is none.
///
/// # Cancellation
/// Dropping it cancels the call: a request that has not been started is not started, and an
/// asynchronous handler is dropped.
///
/// ```
/// use std::future::IntoFuture;
///
/// use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
///
/// fn begin(greeter: &ServiceRef) -> callboard::client::CallFuture<Hello> {
///     greeter.send(Hello { name: "John".into() }).into_future()
/// }
/// ```
#[must_use = "a call is made when its future is polled"]
pub struct CallFuture<T: Endpoint> {
    state: State<T>,
}

#[allow(clippy::large_enum_variant, reason = "the large ones are those that are common")]
enum State<T: Endpoint> {
    New(CallBuilder<T>),
    /// The options are for making the call elsewhere, should the handler not take it.
    Local(LocalCall<T>, CallOptions),
    Sent(Attempt, Prepared<T>),
    Boxed(Pin<Box<dyn Future<Output = Result<T::Reply, CallError>> + Send>>),
    Over,
}

// Nothing in it is pinned in place: what must not move is boxed.
impl<T: Endpoint> Unpin for CallFuture<T> {}

impl<T: Endpoint> CallFuture<T> {
    pub(super) fn new(call: CallBuilder<T>) -> Self {
        Self { state: State::New(call) }
    }

    /// Leaves the present state.
    fn begin(&mut self, cx: &Context<'_>) -> Result<(), CallError> {
        let State::New(call) = std::mem::replace(&mut self.state, State::Over) else {
            return Ok(());
        };
        let now = Instant::now();
        let call = call.prepare(now);
        self.state = if !call.service.system().client_middleware().is_empty() {
            State::Boxed(Box::pin(call.run()))
        } else if let Some(local) = call.local() {
            call.options.check()?;
            let Prepared { service, message, options, .. } = call;
            let request = request(message, &options, &service);
            State::Local(LocalCall::new(local, request, &options, service, now), options)
        } else {
            match call.begin(cx, now)? {
                Some(attempt) => State::Sent(attempt, call),
                None => State::Boxed(Box::pin(call.run())),
            }
        };
        Ok(())
    }

    /// The handler in this process did not take the message.
    fn go_elsewhere(&mut self, message: T) {
        if let State::Local(local, options) = std::mem::replace(&mut self.state, State::Over) {
            let service = local.service.clone();
            let call = Prepared { service, message, options, may_be_local: false };
            self.state = State::Boxed(Box::pin(call.run()));
        }
    }
}

impl<T: Endpoint> Future for CallFuture<T> {
    type Output = Result<T::Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                State::New(_) => {
                    self.begin(cx)?;
                    // The connection knows the waker already.
                    if matches!(self.state, State::Sent(..)) {
                        return Poll::Pending;
                    }
                }
                State::Sent(attempt, _) => match ready!(attempt.poll_reply(cx)) {
                    Ok(reply) => return Poll::Ready(decode::<T>(&reply)),
                    Err(failed) => {
                        if let State::Sent(_, call) =
                            std::mem::replace(&mut self.state, State::Over)
                        {
                            self.state = State::Boxed(Box::pin(call.go_on(failed)));
                        }
                    }
                },
                State::Boxed(call) => return call.as_mut().poll(cx),
                State::Local(call, options) => match ready!(Pin::new(call).poll(cx)) {
                    Err(LocalFailure::Refused(refusal, Some(message)))
                        if refusal.is_retryable() && options.retries > 0 =>
                    {
                        self.go_elsewhere(message);
                    }
                    result => {
                        let timeout = options.timeout;
                        return Poll::Ready(result.map_err(|error| with_timeout(error, timeout)));
                    }
                },
                State::Over => unreachable!("polled after it had resolved with an error"),
            }
        }
    }
}

impl<T: Endpoint> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
