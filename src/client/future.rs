//! The future of a call.
//!
//! The two kinds of calls that nearly all are live in the future itself: one to a handler in the
//! same process, and one whose first attempt can be sent at once and is answered. Every other one
//! is boxed, which costs one allocation.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callboard_actors::Metadata;
use callboard_actors::client::{Attempt, CallError, ReplyBuffer};

use super::call::CallBuilder;
use super::local::{LocalCall, Sent};
use super::prepared::{Prepared, unreadable};
use crate::codec::decode_reply;
use crate::handler::LocalFailure;
use crate::request::{Annotated, Endpoint};

/// Resolves to the reply of a call, or to why there is none.
///
/// # Cancellation
/// Dropping it cancels the call: a request that has not been started is not started, and an
/// asynchronous handler is dropped.
///
/// # Panics
/// When it is polled after it has resolved.
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
    stage: Stage<T>,
}

#[allow(clippy::large_enum_variant, reason = "the large ones are common")]
enum Stage<T: Endpoint> {
    /// Not begun, or under way to a node. The call stays where it is meanwhile, and is borrowed
    /// only.
    Remote {
        call: CallBuilder<T>,
        sent: Option<Attempt>,
    },
    Local(LocalCall<T>),
    Boxed(Pin<Box<dyn Future<Output = Answer<T>> + Send>>),
    Over,
}

type Answer<T> = Result<Annotated<<T as Endpoint>::Reply>, CallError>;

// Nothing in it is pinned in place: what must not move is boxed.
impl<T: Endpoint> Unpin for CallFuture<T> {}

impl<T: Endpoint> CallFuture<T> {
    pub(super) fn new(call: CallBuilder<T>) -> Self {
        Self { stage: Stage::Remote { call, sent: None } }
    }

    /// Has the call begin; the reply, if it is there at once.
    fn begin(&mut self, cx: &Context<'_>) -> Result<Option<Annotated<T::Reply>>, CallError> {
        let Stage::Remote { call, .. } = &self.stage else { return Ok(None) };
        if call.service.system().client_middleware().is_empty() {
            if call.is_own()
                && let Some(call) = self.take()
            {
                // Looked for once: that costs a good part of what such a call does.
                if let Some(handler) = call.service.system().handler() {
                    let sent = Sent::new(
                        handler,
                        call.message,
                        (call.own.options(call.service.system().caller()), &call.service),
                        Some(cx.waker()),
                    )?;
                    let waiting = match sent {
                        Sent::Answered(answer) => return answer.map(Some),
                        Sent::Waits(waiting) => waiting,
                    };
                    let local = LocalCall::new(waiting, call.service, call.own);
                    self.stage = Stage::Local(local);
                    return Ok(None);
                }
                self.stage = Stage::Remote { call, sent: None };
            }
            if let Stage::Remote { call, sent } = &mut self.stage {
                call.begin(cx, sent)?;
                if sent.is_some() {
                    return Ok(None);
                }
            }
        }
        self.go_on(Prepared::run);
        Ok(None)
    }

    /// Takes the call that is not begun, or whose first attempt is over.
    fn take(&mut self) -> Option<CallBuilder<T>> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Remote { call, .. } => Some(call),
            _ => None,
        }
    }

    /// Goes on in a future of its own.
    fn go_on<F>(&mut self, run: impl FnOnce(Prepared<T>) -> F)
    where
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        if let Some(call) = self.take() {
            self.stage = Stage::Boxed(Box::pin(run(call.prepare())));
        }
    }

    #[inline]
    fn poll_as<G: Given<T::Reply>>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<G::Output, CallError>> {
        let given = |reply: Annotated<T::Reply>| {
            let (value, metadata) = reply.into_parts();
            G::given(value, metadata)
        };
        loop {
            match &mut self.stage {
                Stage::Remote { call, sent: Some(attempt) } => {
                    let mut reply = ReplyBuffer::new();
                    match ready!(attempt.poll_reply(cx, &mut reply)) {
                        Ok(()) => {
                            let codec = call.form().chosen(attempt.form());
                            let decoded = decode_reply::<T>(codec, reply.body());
                            return Poll::Ready(match decoded {
                                Ok(value) => {
                                    self.stage = Stage::Over;
                                    Ok(G::given(value, reply.take_metadata()))
                                }
                                Err(error) => {
                                    let error = unreadable::<T>(attempt.node(), &error);
                                    self.stage = Stage::Over;
                                    Err(error)
                                }
                            });
                        }
                        Err(failed) => self.go_on(|call| call.go_on(failed)),
                    }
                }
                Stage::Remote { .. } => {
                    let begun = self.begin(cx).inspect_err(|_| self.stage = Stage::Over)?;
                    if let Some(reply) = begun {
                        return Poll::Ready(Ok(given(reply)));
                    }
                    // The connection knows the waker already.
                    if matches!(self.stage, Stage::Remote { .. }) {
                        return Poll::Pending;
                    }
                }
                Stage::Boxed(call) => return call.as_mut().poll(cx).map_ok(given),
                Stage::Local(call) => match ready!(Pin::new(&mut *call).poll(cx)) {
                    Err(LocalFailure::Refused(refusal, Some(message))) if call.may_go(refusal) => {
                        let elsewhere = call.elsewhere(message);
                        self.stage = Stage::Boxed(Box::pin(elsewhere.run()));
                    }
                    result => {
                        let result = result.map(given);
                        return Poll::Ready(result.map_err(|error| call.explain(error)));
                    }
                },
                Stage::Over => unreachable!("polled after it had resolved"),
            }
        }
    }
}

/// What a caller is given of a reply. A type and no closure: that would be a call of its own, and the
/// reply be moved for it.
trait Given<R> {
    type Output;

    fn given(value: R, metadata: Metadata) -> Self::Output;
}

/// The value alone.
struct Plain;

/// The value, and the pairs beside it.
struct WithPairs;

impl<R> Given<R> for Plain {
    type Output = R;

    #[allow(
        clippy::inline_always,
        reason = "it is nothing but a move, which then need not be made"
    )]
    #[inline(always)]
    fn given(value: R, _: Metadata) -> R {
        value
    }
}

impl<R> Given<R> for WithPairs {
    type Output = Annotated<R>;

    #[allow(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn given(value: R, metadata: Metadata) -> Annotated<R> {
        Annotated::from_parts(value, metadata)
    }
}

impl<T: Endpoint> Future for CallFuture<T> {
    type Output = Result<T::Reply, CallError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_as::<Plain>(cx)
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
        self.0.poll_as::<WithPairs>(cx)
    }
}

impl<T: Endpoint> fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
