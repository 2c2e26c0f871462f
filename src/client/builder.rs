//! What a call and the opening of a stream have in common, before they are made.

use std::fmt;

use callboard_actors::client::{CallOptions, Choice};
use callboard_actors::selector::{Filter, Strategy};

use super::ServiceRef;
use super::own::Own;
use crate::codec::{Codec, Form};
use crate::request::RequestContext;

/// A request that has not been made; awaiting it makes it.
///
/// `K` says what it is: one call, see [`CallBuilder`](crate::CallBuilder), or a stream, see
/// [`StreamBuilder`](crate::stream::StreamBuilder). Here is what holds for both.
///
/// ```
/// use callboard::Filter;
/// use callboard::client::RequestBuilder;
///
/// /// What the requests of this program have in common.
/// fn ours<T, K>(request: RequestBuilder<T, K>) -> RequestBuilder<T, K> {
///     request.metadata("team", "blue").filter(Filter::label("zone", "north"))
/// }
/// ```
#[must_use = "a request is made when it is awaited"]
pub struct RequestBuilder<T, K> {
    pub(crate) service: ServiceRef,
    pub(crate) message: T,
    pub(crate) own: Own,
    pub(crate) kind: K,
}

impl<T, K> RequestBuilder<T, K> {
    #[inline]
    pub(crate) fn new(service: ServiceRef, message: T, kind: K) -> Self {
        Self { service, message, own: Own::default(), kind }
    }

    /// Attempts after the first; default 1. They are made for what was refused for overload, and
    /// for what may have been executed if the endpoint is idempotent. What was certainly not
    /// executed is tried on other nodes in any case.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options().retries = retries;
        self
    }

    /// Adds a pair that travels beside the message.
    pub fn metadata(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.options().metadata.insert(name, value);
        self
    }

    /// Sends requests with equal keys to the same node, with the strategy `hash` unless another
    /// one is set on the request.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let choice = self.choice();
        choice.key = Some(key.into());
        choice.strategy.get_or_insert(Strategy::ConsistentHash);
        self
    }

    /// Chooses among the nodes like this, for this request.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.choice().strategy = Some(strategy);
        self
    }

    /// Considers only nodes that the filter wants; may be repeated, and then all of them count.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.choice().filters.push(filter);
        self
    }

    /// Goes to the node at this address, whatever the registry says.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.choice().node = Some(address.into());
        self
    }

    /// Encodes what goes either way like this and not otherwise; default that of the system, which
    /// is bincode, or, for calls, JSON where the node's types are not those of this side.
    ///
    /// The node must know the codec, and for one without field names have the same types, or refuses
    /// as [`CallError::Codec`](crate::CallError::Codec). A request within the process encodes nothing.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.own.say(&self.service).form = Some(Form::fixed(codec));
        self
    }

    /// Whether a handler in this process may take the request; by default it does, unless a key, a
    /// strategy, a filter or a node is set.
    pub fn local(mut self, is_local: bool) -> Self {
        self.own.say(&self.service).is_local = Some(is_local);
        self
    }

    /// Makes the request on behalf of one that is being served: its deadline, if earlier, and its
    /// trace apply to this one too.
    pub fn within(mut self, request: &impl AsRef<RequestContext>) -> Self {
        inherit(self.options(), request.as_ref());
        self
    }

    /// As [`within`](Self::within), and passes on all metadata of that request that this one does
    /// not set itself by then.
    ///
    /// ```no_run
    /// # use callboard::prelude::*;
    /// # #[derive(Debug, Serialize, Deserialize, Endpoint)]
    /// # #[endpoint(name = "Greeter.Hello", reply = String)]
    /// # struct Hello { name: String }
    /// # async fn example(request: Request<Hello>, names: ServiceRef) -> Result<String, callboard::Status> {
    /// let call = names.send(Hello { name: "John".into() });
    /// Ok(call.metadata("hop", "2").forwarding(&request).await?)
    /// # }
    /// ```
    pub fn forwarding(mut self, request: &impl AsRef<RequestContext>) -> Self {
        forward(self.options(), request.as_ref());
        self
    }

    fn choice(&mut self) -> &mut Choice {
        let Self { own, service, .. } = self;
        let choice = || Box::new(service.system().caller().choice());
        own.say(service).options.choice.get_or_insert_with(choice)
    }

    /// The options, to be changed.
    pub(crate) fn options(&mut self) -> &mut CallOptions {
        &mut self.own.say(&self.service).options
    }

    #[inline]
    pub(crate) fn may_be_local(&self) -> bool {
        self.own.may_be_local(self.service.system().caller())
    }
}

impl<T, K> fmt::Debug for RequestBuilder<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("service", &self.service.name())
            .field("message", &std::any::type_name::<T>())
            .field("timeout", &self.own.options(self.service.system().caller()).timeout)
            .finish_non_exhaustive()
    }
}

/// Passes on the deadline of a request that is being served, and its trace.
fn inherit(options: &mut CallOptions, context: &RequestContext) {
    let CallOptions { limit, metadata, .. } = options;
    *limit = match (*limit, context.deadline()) {
        (Some(limit), other) => Some(limit.earlier(other)),
        (None, other) => other,
    };
    for name in TRACE {
        if let (Some(value), None) = (context.metadata.value(name), metadata.value(name)) {
            metadata.insert(*name, value);
        }
    }
}

/// Passes on the deadline of a request that is being served, and all that came beside it.
fn forward(options: &mut CallOptions, context: &RequestContext) {
    inherit(options, context);
    for (name, value) in context.metadata.iter() {
        if options.metadata.value(name).is_none() {
            options.metadata.insert(name, value);
        }
    }
}

/// Names that are passed on from a request to the calls made within it: W3C Trace Context and
/// Baggage.
const TRACE: &[&str] = &["traceparent", "tracestate", "baggage"];
