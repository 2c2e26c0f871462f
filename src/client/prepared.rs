//! A call whose time runs: all that is needed to make it, whichever way it goes.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use callboard_actors::client::{
    Attempt, CallError, CallOptions, CallTarget, EncodedReply, Executed, FailedAttempt,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ServiceRef;
use super::local::LocalCall;
use crate::codec::{Codec, Encoded, OwnedBody};
use crate::handler::{LocalEndpoint, LocalFailure};
use crate::middleware::{CallInfo, Outcome, Side, run_chain};
use crate::request::{Endpoint, Request, RequestContext};

/// A call that has begun.
pub(super) struct Prepared<T> {
    pub(super) service: ServiceRef,
    pub(super) message: T,
    pub(super) options: CallOptions,
    /// Whether a handler in this process may take it.
    pub(super) may_be_local: bool,
}

impl<T: Endpoint> Prepared<T> {
    /// The handler in this process that takes the call.
    pub(super) fn local(&self) -> Option<Arc<LocalEndpoint<T>>> {
        if !self.may_be_local {
            return None;
        }
        self.service.system().local::<T>(self.service.name())
    }

    /// Sends the request to a node, if that can be done at once.
    pub(super) fn begin(
        &self,
        cx: &Context<'_>,
        now: Instant,
    ) -> Result<Option<Attempt>, CallError> {
        let body = Encoded { codec: Codec::Bincode, value: &self.message };
        let (caller, service) = (self.service.system().caller(), self.service.remote());
        caller.begin(service, target::<T>(), &body, &self.options, (cx.waker(), now))
    }

    /// Goes on after a first attempt that failed.
    pub(super) async fn go_on(self, failed: FailedAttempt) -> Result<T::Reply, CallError> {
        let Self { service, message, options, .. } = self;
        let body = OwnedBody { codec: Codec::Bincode, value: message };
        let (caller, remote) = (service.system().caller(), service.remote());
        let reply = caller.go_on(remote, target::<T>(), body, &options, failed).await?;
        decode::<T>(&reply)
    }

    /// The whole call, as it is made when there is no shorter way.
    pub(super) async fn run(self) -> Result<T::Reply, CallError> {
        let service = self.service.clone();
        let chain = service.system().client_middleware();
        if chain.is_empty() {
            return self.run_bare().await;
        }
        let mut info = CallInfo {
            side: Side::Client,
            service: service.name().to_owned(),
            endpoint: T::NAME,
            metadata: self.options.metadata.clone(),
            deadline: Some(self.options.deadline),
            peer: String::new(),
        };
        let reply = Arc::new(Mutex::new(None));
        let mut once = Some(self);
        let mut last = |info: &CallInfo| -> Outcome<'static> {
            let Some(mut call) = once.take() else {
                let detail = "a middleware ran `next` twice".to_owned();
                return Box::pin(std::future::ready(Err(codec(detail, Executed::Maybe))));
            };
            call.options.metadata = info.metadata.clone();
            call.options.deadline = call.options.deadline.earlier(info.deadline);
            let reply = Arc::clone(&reply);
            Box::pin(async move {
                *reply.lock() = Some(call.run_bare().await?);
                Ok(())
            })
        };
        run_chain(chain, &mut info, &mut last).await?;
        let reply = reply.lock().take();
        reply.ok_or_else(|| {
            codec("a middleware succeeded without running `next`".into(), Executed::No)
        })
    }

    async fn run_bare(mut self) -> Result<T::Reply, CallError> {
        if let Some(local) = self.local() {
            self.options.check()?;
            let timeout = self.options.timeout;
            let Self { service, message, options, .. } = self;
            let request = request(message, &options, &service);
            let waiting = LocalCall::new(local, request, &options, service.clone(), Instant::now());
            match waiting.await {
                Err(LocalFailure::Refused(refusal, Some(message)))
                    if refusal.is_retryable() && options.retries > 0 =>
                {
                    self = Self { service, message, options, may_be_local: false };
                }
                other => return other.map_err(|failure| with_timeout(failure, timeout)),
            }
        }
        self.run_remote().await
    }

    async fn run_remote(self) -> Result<T::Reply, CallError> {
        let Self { service, message, options, .. } = self;
        let body = OwnedBody { codec: Codec::Bincode, value: message };
        let caller = service.system().caller();
        let reply = caller.call(service.remote(), target::<T>(), body, &options).await?;
        decode::<T>(&reply)
    }

    /// Hands the request over, if that can be done at once; else it comes back.
    pub(super) fn post(self) -> Result<Option<Self>, CallError> {
        if !self.service.system().client_middleware().is_empty() {
            return Ok(Some(self));
        }
        let now = Instant::now();
        if let Some(local) = self.local() {
            self.options.check()?;
            let request = request(self.message, &self.options, &self.service);
            let (_, mut cancel) = local.send(request, now);
            cancel.disarm();
            return Ok(None);
        }
        let body = Encoded { codec: Codec::Bincode, value: &self.message };
        let (caller, service) = (self.service.system().caller(), self.service.remote());
        let is_sent = caller.post(service, target::<T>(), &body, &self.options, now)?;
        Ok((!is_sent).then_some(self))
    }

    /// Hands the request over without waiting for an answer.
    pub(super) async fn run_one_way(self) -> Result<(), CallError> {
        if !self.service.system().client_middleware().is_empty() || self.local().is_some() {
            return self.run().await.map(drop);
        }
        let Self { service, message, options, .. } = self;
        let body = OwnedBody { codec: Codec::Bincode, value: message };
        let caller = service.system().caller();
        caller.send_one_way(service.remote(), target::<T>(), body, &options).await
    }
}

/// What the handler in this process is given.
pub(super) fn request<T: Endpoint>(
    message: T,
    options: &CallOptions,
    service: &ServiceRef,
) -> Request<T> {
    let context = RequestContext {
        endpoint: T::NAME,
        metadata: options.metadata.clone(),
        deadline: Some(options.deadline),
        peer: service.system().hello(),
    };
    Request::new(message, context)
}

/// What the caller is given.
pub(super) fn decode<T: Endpoint>(reply: &EncodedReply) -> Result<T::Reply, CallError> {
    Codec::Bincode.decode(&reply.body).map_err(|error| {
        let node = reply.node();
        codec(format!("the reply of {node} is not what {} says: {error}", T::NAME), Executed::Yes)
    })
}

/// A local call that expired in the queue says how long it had.
pub(super) fn with_timeout<T: Endpoint>(failure: LocalFailure<T>, given: Duration) -> CallError {
    match failure.into_call_error() {
        CallError::Timeout { endpoint, executed, .. } => {
            CallError::Timeout { endpoint, timeout: given, executed }
        }
        error => error,
    }
}

fn target<T: Endpoint>() -> CallTarget {
    CallTarget {
        endpoint: T::NAME,
        content_type: Codec::Bincode.content_type(),
        is_idempotent: T::IDEMPOTENT,
    }
}

fn codec(detail: String, executed: Executed) -> CallError {
    CallError::Codec { detail, executed }
}
