//! The future of a call.
//!
//! The two kinds of calls that nearly all are live in the future itself: one to a handler in the
//! same process, and one whose first attempt can be sent at once and is answered. Every other one
//! is boxed, which costs one allocation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callboard_actors::client::{Attempt, CallError};

use super::call::CallBuilder;
use super::local::{LocalCall, Sent};
use super::prepared::{Prepared, decode};
use crate::codec::Codec;
use crate::handler::LocalFailure;
use crate::request::{Annotated, Endpoint};

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
    /// Stays here while the request is under way to a node, and is borrowed only.
    call: Option<CallBuilder<T>>,
    /// The first attempt while it is under way to a node; beside the state, because taking its
    /// place costs what it takes to drop any of the others.
    sent: Option<Attempt>,
    state: State<T>,
}

#[allow(clippy::large_enum_variant, reason = "the large one is common")]
enum State<T: Endpoint> {
    /// Not begun, or [sent](CallFuture::sent); without a call it is over.
    New,
    Local(LocalCall<T>),
    Boxed(Pin<Box<dyn Future<Output = Answer<T>> + Send>>),
}

type Answer<T> = Result<Annotated<<T as Endpoint>::Reply>, CallError>;

// Nothing in it is pinned in place: what must not move is boxed.
impl<T: Endpoint> Unpin for CallFuture<T> {}

impl<T: Endpoint> CallFuture<T> {
    pub(super) fn new(call: CallBuilder<T>) -> Self {
        Self { call: Some(call), sent: None, state: State::New }
    }

    /// Leaves the state `New`, or sends the first attempt; the reply, if it is there at once.
    fn begin(&mut self, cx: &Context<'_>) -> Result<Option<Annotated<T::Reply>>, CallError> {
        let Some(call) = &self.call else { unreachable!("polled after it had resolved") };
        if call.service.system().client_middleware().is_empty() {
            if call.is_own()
                && let Some(call) = self.call.take()
            {
                // Looked for once: that costs a good part of what such a call does.
                if let Some(handler) = call.service.system().handler() {
                    match Sent::new(
                        handler,
                        call.message,
                        (&call.options, &call.service),
                        Some(cx.waker()),
                    )? {
                        Sent::Answered(answer) => return answer.map(Some),
                        Sent::Waits(sent) => {
                            let local = LocalCall::new(sent, call.service, call.options, call.form);
                            self.state = State::Local(local);
                        }
                    }
                    return Ok(None);
                }
                self.call = Some(call);
            }
            let Some(call) = &self.call else { return Ok(None) };
            self.sent = call.begin(cx)?;
            if self.sent.is_some() {
                return Ok(None);
            }
        }
        self.go_on(Prepared::run);
        Ok(None)
    }

    /// Goes on in a future of its own.
    fn go_on<F>(&mut self, run: impl FnOnce(Prepared<T>) -> F)
    where
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        if let Some(call) = self.call.take() {
            self.state = State::Boxed(Box::pin(run(call.prepare())));
        }
    }

    fn poll_annotated(&mut self, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        let this = self;
        loop {
            if let Some(attempt) = &mut this.sent {
                match ready!(attempt.poll_reply(cx)) {
                    Ok(reply) => {
                        // The call stays while it is under way.
                        let form = this.call.as_ref().map(|call| call.form);
                        let codec =
                            form.map_or(Codec::default(), |form| form.chosen(attempt.form()));
                        return Poll::Ready(decode::<T>(codec, reply, || attempt.node()));
                    }
                    Err(failed) => {
                        this.sent = None;
                        this.go_on(|call| call.go_on(failed));
                    }
                }
            }
            match &mut this.state {
                State::New => {
                    let begun = this.begin(cx).inspect_err(|_| this.call = None)?;
                    if let Some(reply) = begun {
                        return Poll::Ready(Ok(reply));
                    }
                    // The connection knows the waker already.
                    if this.sent.is_some() {
                        return Poll::Pending;
                    }
                }
                State::Boxed(call) => return call.as_mut().poll(cx),
                State::Local(call) => match ready!(Pin::new(&mut *call).poll(cx)) {
                    Err(LocalFailure::Refused(refusal, Some(message))) if call.may_go(refusal) => {
                        let elsewhere = call.elsewhere(message);
                        this.state = State::Boxed(Box::pin(elsewhere.run()));
                    }
                    result => {
                        return Poll::Ready(result.map_err(|error| call.explain(error)));
                    }
                },
            }
        }
    }
}

impl<T: Endpoint> Future for CallFuture<T> {
    type Output = Result<T::Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_annotated(cx).map_ok(Annotated::into_inner)
    }
}

/// Resolves to the reply of a call and the pairs beside it; otherwise a [`CallFuture`].
///
/// ```
/// use callboard::client::AnnotatedCallFuture;
/// use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
///
/// fn begin(greeter: &ServiceRef) -> AnnotatedCallFuture<Hello> {
///     greeter.send(Hello { name: "John".into() }).annotated()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a call is made when its future is polled"]
pub struct AnnotatedCallFuture<T: Endpoint>(CallFuture<T>);

impl<T: Endpoint> AnnotatedCallFuture<T> {
    pub(super) fn new(call: CallBuilder<T>) -> Self {
        Self(CallFuture::new(call))
    }
}

impl<T: Endpoint> Future for AnnotatedCallFuture<T> {
    type Output = Result<Annotated<T::Reply>, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_annotated(cx)
    }
}

impl<T: Endpoint> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
