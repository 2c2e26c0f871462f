//! A stream, before it is opened.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use callboard_actors::client::{
    CallError, CallOptions, CallTarget, Choice, Executed, StreamOptions,
};
use callboard_actors::selector::{Filter, Strategy};
use callboard_actors::stream::StreamWindow;
use tokio::time::Instant;

use super::{CODEC, StreamCall, StreamEndpoint};
use crate::client::{ServiceRef, inherit};
use crate::codec::OwnedBody;
use crate::middleware::{CallInfo, Outcome, Side, run_chain};
use crate::request::RequestContext;
use crate::schema::EndpointSchema;

/// A stream that has not been opened; awaiting it opens it.
///
/// Until a node has taken it, it is tried on others like a call, within the time of a request.
///
/// ```no_run
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(stream, name = "Example.Double", item = u64, reply = u64)]
/// struct Double;
///
/// # async fn example(example: ServiceRef) -> Result<(), callboard::Error> {
/// let mut call = example.stream(Double).metadata("trace", "1").key("user-42").await?;
/// call.send(21).await?;
/// assert_eq!(call.recv().await?, Some(42));
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream is opened when it is awaited"]
pub struct StreamBuilder<T> {
    service: ServiceRef,
    opening: T,
    options: CallOptions,
    timeout: Option<Duration>,
    window: StreamWindow,
}

impl<T: StreamEndpoint> StreamBuilder<T> {
    pub(crate) fn new(service: ServiceRef, opening: T) -> Self {
        let caller = service.system().caller();
        let options = caller.call_options(caller.options().timeout);
        Self { service, opening, options, timeout: None, window: StreamWindow::default() }
    }

    /// Time for the whole stream, from when it is opened; default as long as it takes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Time until a node has taken it, all attempts included; default that of a call, 5 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// What the node may send ahead of what is received; default 32 items, and 1 MiB.
    pub fn window(mut self, window: StreamWindow) -> Self {
        self.window = window;
        self
    }

    /// Adds a pair that travels beside the opening message.
    pub fn metadata(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.options.metadata.insert(name, value);
        self
    }

    /// Opens streams with equal keys at the same node, with the strategy `hash` unless another one
    /// is set.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let choice = self.choice();
        choice.key = Some(key.into());
        choice.strategy.get_or_insert(Strategy::ConsistentHash);
        self
    }

    /// Chooses among the nodes like this.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.choice().strategy = Some(strategy);
        self
    }

    /// Considers only nodes that the filter wants; may be repeated, and then all of them count.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.choice().filters.push(filter);
        self
    }

    /// Opens it at the node at this address, whatever the registry says.
    pub fn node(mut self, address: impl Into<String>) -> Self {
        self.choice().node = Some(address.into());
        self
    }

    /// Opens it on behalf of a request that is being served: its deadline, if earlier, and its
    /// trace apply to the stream too.
    pub fn within(mut self, request: &impl AsRef<RequestContext>) -> Self {
        inherit(&mut self.options, request.as_ref());
        self
    }

    fn choice(&mut self) -> &mut Choice {
        self.options.choice.get_or_insert_default()
    }

    async fn open(self) -> Result<StreamCall<T>, CallError> {
        let service = self.service.clone();
        let chain = service.system().client_middleware();
        if chain.is_empty() {
            return self.open_bare().await;
        }
        let mut info = CallInfo {
            side: Side::Client,
            service: service.name().to_owned(),
            endpoint: T::NAME,
            metadata: self.options.metadata.clone(),
            deadline: self.options.limit,
            peer: String::new(),
        };
        let opened = std::sync::Arc::new(parking_lot::Mutex::new(None));
        let mut once = Some(self);
        let mut last = |info: &CallInfo| -> Outcome<'static> {
            let Some(mut stream) = once.take() else {
                let error = codec("a middleware ran `next` twice", Executed::Maybe);
                return Box::pin(std::future::ready(Err(error)));
            };
            stream.options.metadata = info.metadata.clone();
            stream.options.limit = info.deadline;
            let opened = std::sync::Arc::clone(&opened);
            Box::pin(async move {
                *opened.lock() = Some(stream.open_bare().await?);
                Ok(())
            })
        };
        run_chain(chain, &mut info, &mut last).await?;
        let opened = opened.lock().take();
        opened.ok_or_else(|| codec("a middleware succeeded without running `next`", Executed::No))
    }

    async fn open_bare(self) -> Result<StreamCall<T>, CallError> {
        let Self { service, opening, options, timeout, window } = self;
        options.check()?;
        let now = Instant::now();
        let whole = timeout.map(|timeout| callboard_actors::Deadline::after(now, timeout));
        let deadline = match (whole, options.limit) {
            (Some(whole), limit) => Some(whole.earlier(limit)),
            (None, limit) => limit,
        };
        let opened_by = options.deadline_at(now).earlier(deadline);
        let body = OwnedBody { codec: CODEC, value: opening };
        let target = CallTarget {
            endpoint: T::NAME,
            content_type: EndpointSchema::cached_stream::<T>().content_type(CODEC),
            is_idempotent: false,
        };
        let stream = StreamOptions { deadline, window };
        let caller = service.system().caller();
        let options = (&options, opened_by);
        let opened = caller.open_stream(service.remote(), target, body, options, stream).await?;
        Ok(StreamCall::new(opened))
    }
}

impl<T: StreamEndpoint> IntoFuture for StreamBuilder<T> {
    type Output = Result<StreamCall<T>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<T: StreamEndpoint> fmt::Debug for StreamBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBuilder")
            .field("service", &self.service.name())
            .field("endpoint", &T::NAME)
            .finish_non_exhaustive()
    }
}

fn codec(detail: &str, executed: Executed) -> CallError {
    CallError::Codec { detail: detail.to_owned(), executed }
}
