//! One call, before it is made.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Deadline;
use callboard_actors::client::{CallError, CallOptions, CallTarget, Executed, RemoteService};
use callboard_actors::selector::{Filter, Strategy};
use parking_lot::Mutex;

use super::future::CallFuture;
use crate::codec::{Codec, OwnedBody};
use crate::handler::LocalFailure;
use crate::middleware::{CallInfo, Outcome, Side, run_chain};
use crate::request::{Endpoint, Request, RequestContext};
use crate::system::ServiceSystem;

/// A call that has not been made; awaiting it makes it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// # #[endpoint(name = "Greeter.Hello", reply = String)]
/// # struct Hello { name: String }
/// # async fn example(greeter: ServiceRef) -> Result<(), callboard::Error> {
/// let reply = greeter
///     .send(Hello { name: "John".into() })
///     .timeout(Duration::from_millis(200))
///     .retries(2)
///     .metadata("trace", "1")
///     .key("user-42")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct CallBuilder<T: Endpoint> {
    pub(super) system: ServiceSystem,
    pub(super) service: Arc<RemoteService>,
    pub(super) message: T,
    pub(super) options: CallOptions,
    pub(super) is_local: Option<bool>,
}

impl<T: Endpoint> CallBuilder<T> {
    pub(super) fn new(system: ServiceSystem, service: Arc<RemoteService>, message: T) -> Self {
        let options = system.caller().call_options(system.caller().options().timeout);
        Self { system, service, message, options, is_local: None }
    }

    /// Time for the call, all attempts included; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self.options.deadline = Deadline::within(timeout);
        self
    }

    /// Attempts after the first; default 1. They are made for what was refused for overload, and
    /// for what may have been executed if the endpoint is idempotent. What was certainly not
    /// executed is tried on other nodes in any case.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// Adds a pair that travels beside the message.
    pub fn metadata(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.options.metadata.insert(name, value);
        self
    }

    /// Sends calls with equal keys to the same node, with the strategy `hash` unless another one
    /// is set on the call.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.options.key = Some(key.into());
        self.options.strategy.get_or_insert(Strategy::ConsistentHash);
        self
    }

    /// Chooses among the nodes like this, for this call.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.options.strategy = Some(strategy);
        self
    }

    /// Calls only nodes that the filter wants; may be repeated, and then all of them count.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.options.filters.push(filter);
        self
    }

    /// Calls the node at this address, whatever the registry says.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.options.node = Some(address.into());
        self
    }

    /// Whether a handler in this process may take the call; by default it does, unless a key, a
    /// strategy, a filter or a node is set.
    pub fn local(mut self, is_local: bool) -> Self {
        self.is_local = Some(is_local);
        self
    }

    /// Makes the call on behalf of a request that is being served: its deadline, if earlier, and
    /// its trace apply to the call too.
    pub fn within(mut self, request: &impl AsRef<RequestContext>) -> Self {
        let context = request.as_ref();
        self.options.deadline = self.options.deadline.earlier(context.deadline);
        for name in TRACE {
            if let (Some(value), None) =
                (context.metadata.value(name), self.options.metadata.value(name))
            {
                self.options.metadata.insert(*name, value);
            }
        }
        self
    }

    /// Makes the call without waiting for it; see [`ServiceRef::do_send`](super::ServiceRef).
    pub fn detach(self) {
        let system = self.system.clone();
        system.spawn(async move {
            let service = self.service.name().to_owned();
            if let Err(error) = self.run_one_way().await {
                tracing::warn!(service, endpoint = T::NAME, %error, "a message was not delivered");
            }
        });
    }

    pub(super) fn may_be_local(&self) -> bool {
        let options = &self.options;
        self.is_local.unwrap_or_else(|| {
            options.key.is_none()
                && options.strategy.is_none()
                && options.filters.is_empty()
                && options.node.is_none()
        })
    }

    /// The whole call, as it is made when there is no shorter way.
    pub(super) async fn run(self) -> Result<T::Reply, CallError> {
        let chain = self.system.client_middleware();
        if chain.is_empty() {
            return self.run_bare().await;
        }
        let mut info = CallInfo {
            side: Side::Client,
            service: self.service.name().to_owned(),
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
        run_chain(&chain, &mut info, &mut last).await?;
        let reply = reply.lock().take();
        reply.ok_or_else(|| {
            codec("a middleware succeeded without running `next`".into(), Executed::No)
        })
    }

    async fn run_bare(mut self) -> Result<T::Reply, CallError> {
        if self.may_be_local()
            && let Some(local) = self.system.local::<T>(self.service.name())
        {
            let timeout = self.options.timeout;
            let waiting =
                super::future::LocalCall::new(&local, self.message, &self.options, &self.system);
            match waiting.await {
                Err(LocalFailure::Refused(refusal, Some(message))) if refusal.is_retryable() => {
                    self.message = message;
                    self.is_local = Some(false);
                }
                other => return other.map_err(|failure| with_timeout(failure, timeout)),
            }
        }
        self.run_remote().await
    }

    async fn run_remote(self) -> Result<T::Reply, CallError> {
        let body = OwnedBody { codec: Codec::Bincode, value: self.message };
        let caller = self.system.caller();
        let reply = caller.call(&self.service, target::<T>(), body, &self.options).await?;
        Codec::Bincode.decode(&reply.body).map_err(|error| {
            codec(
                format!("the reply of {} is not what {} says: {error}", reply.node, T::NAME),
                Executed::Yes,
            )
        })
    }

    async fn run_one_way(self) -> Result<(), CallError> {
        if !self.system.client_middleware().is_empty()
            || self.may_be_local() && self.system.local::<T>(self.service.name()).is_some()
        {
            return self.run().await.map(drop);
        }
        let body = OwnedBody { codec: Codec::Bincode, value: self.message };
        let caller = self.system.caller();
        caller.send_one_way(&self.service, target::<T>(), body, &self.options).await
    }

    /// What the handler in this process is given.
    pub(super) fn request(message: T, options: &CallOptions, system: &ServiceSystem) -> Request<T> {
        let context = RequestContext {
            endpoint: T::NAME,
            metadata: options.metadata.clone(),
            deadline: Some(options.deadline),
            peer: system.hello(),
        };
        Request::new(message, context)
    }
}

impl<T: Endpoint> IntoFuture for CallBuilder<T> {
    type Output = Result<T::Reply, CallError>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture::new(self)
    }
}

impl<T: Endpoint> fmt::Debug for CallBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder")
            .field("service", &self.service.name())
            .field("endpoint", &T::NAME)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
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

/// Names that are passed on from a request to the calls made within it: W3C Trace Context and
/// Baggage.
const TRACE: &[&str] = &["traceparent", "tracestate", "baggage"];
