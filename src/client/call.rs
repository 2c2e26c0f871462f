//! One call, before it is made.

use std::fmt;
use std::future::IntoFuture;
use std::task::Context;
use std::time::Duration;

use callboard_actors::client::{Attempt, CallError, CallOptions, Choice};
use callboard_actors::selector::{Filter, Strategy};
use tokio::time::Instant;

use super::ServiceRef;
use super::future::CallFuture;
use super::local::LocalCall;
use super::prepared::{Prepared, target};
use crate::codec::{Codec, EncodedRequest, Form};
use crate::handler::LocalEndpoint;
use crate::request::{Endpoint, RequestContext};

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
    pub(super) service: ServiceRef,
    pub(super) message: T,
    pub(super) options: CallOptions,
    is_local: Option<bool>,
    pub(super) form: Form,
}

impl<T: Endpoint> CallBuilder<T> {
    pub(super) fn new(service: ServiceRef, message: T) -> Self {
        let caller = service.system().caller();
        let options = caller.call_options(caller.options().timeout);
        let form = service.system().form();
        Self { service, message, options, is_local: None, form }
    }

    /// Time for the call, all attempts included, from when it is sent; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Attempts after the first; default 1. They are made for what was refused for overload, and
    /// for what may have been executed if the endpoint is idempotent. What was certainly not
    /// executed is tried on other nodes in any case.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// Also retries what this says of an error, and of the number of attempts so far.
    ///
    /// It is asked about failures that would be final, those of the handler included, and as long as
    /// [`retries`](Self::retries), the retry budget and the time allow. Such a call is not answered
    /// within the process unless [`local`](Self::local) says so, and is not retried there.
    pub fn retry(
        mut self,
        retry: impl Fn(&CallError, u32) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rule = self.options.rule.take().unwrap_or_default();
        self.options.rule = Some(Box::new(rule.retry(retry)));
        self
    }

    /// Waits so long before a retry that [`retry`](Self::retry) asked for, given the number of
    /// attempts so far; default a random time that grows from 10 ms to 1 s.
    pub fn backoff(mut self, backoff: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        let rule = self.options.rule.take().unwrap_or_default();
        self.options.rule = Some(Box::new(rule.backoff(backoff)));
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
        let choice = self.choice();
        choice.key = Some(key.into());
        choice.strategy.get_or_insert(Strategy::ConsistentHash);
        self
    }

    /// Chooses among the nodes like this, for this call.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.choice().strategy = Some(strategy);
        self
    }

    /// Calls only nodes that the filter wants; may be repeated, and then all of them count.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.choice().filters.push(filter);
        self
    }

    /// Calls the node at this address, whatever the registry says.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.choice().node = Some(address.into());
        self
    }

    /// Encodes request and reply like this and not otherwise; default that of the system, which is
    /// bincode, or JSON where the node's types are not those of this side.
    ///
    /// The node must know the codec, and for one without field names have the same types, or refuses
    /// as [`CallError::Codec`]. A call within the process encodes nothing.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.form = Form::fixed(codec);
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
        inherit(&mut self.options, request.as_ref());
        self
    }

    fn choice(&mut self) -> &mut Choice {
        self.options.choice.get_or_insert_default()
    }

    /// Makes the call without waiting for it; see [`ServiceRef::do_send`](super::ServiceRef).
    pub fn detach(self) {
        let service = self.service.clone();
        let warn = move |error: &dyn std::fmt::Display| {
            let service = service.name();
            tracing::warn!(service, endpoint = T::NAME, %error, "a message was not delivered");
        };
        let call = match self.post() {
            Ok(None) => return,
            Ok(Some(call)) => call.prepare(),
            Err(error) => return warn(&error),
        };
        let system = call.service.system().clone();
        let Some(place) = system.detached_place() else {
            return warn(&"too many messages wait for a connection");
        };
        system.spawn(async move {
            let _place = place;
            if let Err(error) = call.run_one_way().await {
                warn(&error);
            }
        });
    }

    fn may_be_local(&self) -> bool {
        let is_plain = self.options.choice.is_none() && self.options.rule.is_none();
        self.is_local.unwrap_or(is_plain)
    }

    /// The handler in this process that takes the call.
    pub(super) fn handler(&self) -> Option<&LocalEndpoint<T>> {
        if self.may_be_local() {
            self.service.system().local::<T>(self.service.name())
        } else {
            None
        }
    }

    /// Sends the request to a node, if that can be done at once.
    pub(super) fn begin(&self, cx: &Context<'_>) -> Result<Option<Attempt>, CallError> {
        let body = EncodedRequest { form: self.form, value: &self.message };
        let (caller, service) = (self.service.system().caller(), self.service.remote());
        caller.begin(service, target::<T>(self.form.codec), &body, &self.options, cx.waker())
    }

    /// Hands the request over, if that can be done at once; else it comes back.
    fn post(self) -> Result<Option<Self>, CallError> {
        if !self.service.system().client_middleware().is_empty() {
            return Ok(Some(self));
        }
        if self.handler().is_some() {
            LocalCall::post(self.message, &self.options, &self.service)?;
            return Ok(None);
        }
        let body = EncodedRequest { form: self.form, value: &self.message };
        let (caller, service) = (self.service.system().caller(), self.service.remote());
        let is_sent = caller.post(service, target::<T>(self.form.codec), &body, &self.options)?;
        Ok((!is_sent).then_some(self))
    }

    /// The call as it goes on when there is no shorter way; its time runs from now on.
    pub(super) fn prepare(self) -> Prepared<T> {
        let may_be_local = self.may_be_local();
        let Self { service, message, options, form, .. } = self;
        let deadline = options.deadline_at(Instant::now());
        Prepared { service, message, options, deadline, may_be_local, form }
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
            .field("timeout", &self.options.timeout)
            .finish_non_exhaustive()
    }
}

/// Passes on the deadline of a request that is being served, and its trace.
pub(crate) fn inherit(options: &mut CallOptions, context: &RequestContext) {
    let CallOptions { limit, metadata, .. } = options;
    *limit = match (*limit, context.deadline) {
        (Some(limit), other) => Some(limit.earlier(other)),
        (None, other) => other,
    };
    for name in TRACE {
        if let (Some(value), None) = (context.metadata.value(name), metadata.value(name)) {
            metadata.insert(*name, value);
        }
    }
}

/// Names that are passed on from a request to the calls made within it: W3C Trace Context and
/// Baggage.
const TRACE: &[&str] = &["traceparent", "tracestate", "baggage"];
