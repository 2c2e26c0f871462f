//! One call, before it is made.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use callboard_actors::client::{CallError, CallOptions};
use callboard_actors::selector::{Filter, Strategy};
use callboard_actors::{Deadline, Metadata};
use tokio::time::Instant;

use super::ServiceRef;
use super::future::CallFuture;
use super::prepared::Prepared;
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
    service: ServiceRef,
    message: T,
    timeout: Duration,
    retries: u32,
    /// Of the request on whose behalf the call is made.
    limit: Option<Deadline>,
    metadata: Metadata,
    /// Boxed, because few calls have one and all are moved around.
    choice: Option<Box<Choice>>,
    is_local: Option<bool>,
}

/// What the caller says about the node.
#[derive(Default)]
struct Choice {
    key: Option<String>,
    filters: Vec<Filter>,
    strategy: Option<Strategy>,
    node: Option<String>,
}

impl<T: Endpoint> CallBuilder<T> {
    pub(super) fn new(service: ServiceRef, message: T) -> Self {
        let options = service.system().caller().options();
        let (timeout, retries) = (options.timeout, options.retries);
        Self {
            service,
            message,
            timeout,
            retries,
            limit: None,
            metadata: Metadata::new(),
            choice: None,
            is_local: None,
        }
    }

    /// Time for the call, all attempts included, from when it is first polled; default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Attempts after the first; default 1. They are made for what was refused for overload, and
    /// for what may have been executed if the endpoint is idempotent. What was certainly not
    /// executed is tried on other nodes in any case.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Adds a pair that travels beside the message.
    pub fn metadata(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Sends calls with equal keys to the same node, with the strategy `hash` unless another one
    /// is set on the call.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let choice = self.choice.get_or_insert_default();
        choice.key = Some(key.into());
        choice.strategy.get_or_insert(Strategy::ConsistentHash);
        self
    }

    /// Chooses among the nodes like this, for this call.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.choice.get_or_insert_default().strategy = Some(strategy);
        self
    }

    /// Calls only nodes that the filter wants; may be repeated, and then all of them count.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.choice.get_or_insert_default().filters.push(filter);
        self
    }

    /// Calls the node at this address, whatever the registry says.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.choice.get_or_insert_default().node = Some(address.into());
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
        self.limit = match (self.limit, context.deadline) {
            (Some(limit), other) => Some(limit.earlier(other)),
            (None, other) => other,
        };
        for name in TRACE {
            if let (Some(value), None) = (context.metadata.value(name), self.metadata.value(name)) {
                self.metadata.insert(*name, value);
            }
        }
        self
    }

    /// Makes the call without waiting for it; see [`ServiceRef::do_send`](super::ServiceRef).
    pub fn detach(self) {
        let call = self.prepare(Instant::now());
        let service = call.service.clone();
        let warn = move |error: &dyn std::fmt::Display| {
            let service = service.name();
            tracing::warn!(service, endpoint = T::NAME, %error, "a message was not delivered");
        };
        let call = match call.post() {
            Ok(None) => return,
            Ok(Some(call)) => call,
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

    /// The call as it begins at `now`.
    pub(super) fn prepare(self, now: Instant) -> Prepared<T> {
        let Self { service, message, timeout, retries, limit, metadata, choice, is_local } = self;
        let deadline = Deadline::after(now, timeout).earlier(limit);
        let timeout = timeout.min(deadline.time_left_at(now));
        let Choice { key, filters, strategy, node } = choice.map_or_else(Choice::default, |it| *it);
        let is_bound = key.is_some() || strategy.is_some() || !filters.is_empty() || node.is_some();
        let options =
            CallOptions { deadline, timeout, retries, metadata, key, filters, strategy, node };
        let may_be_local = is_local.unwrap_or(!is_bound);
        Prepared { service, message, options, may_be_local }
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
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Names that are passed on from a request to the calls made within it: W3C Trace Context and
/// Baggage.
const TRACE: &[&str] = &["traceparent", "tracestate", "baggage"];
