//! A stream, before it is opened.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_actors::Deadline;
use callboard_actors::client::{CallError, CallTarget, Executed, StreamOptions};
use callboard_actors::message::BodyForm;
use callboard_actors::stream::{Allowance, StreamWindow};
use callboard_actors::transport::TransportError;
use tokio::time::Instant;

use super::local::{Limits, LocalTalk};
use super::side::{CallSide, put};
use super::{StreamCall, StreamEndpoint, Streaming, takes_items};
use crate::client::RequestBuilder;
use crate::codec::{Opening, StreamCodec};
use crate::handler::LocalFailure;
use crate::middleware::{CallInfo, CallKind, Side, run_chain};
use crate::schema::EndpointSchema;
use crate::transport::is_go_micro;

/// A stream that has not been opened; awaiting it opens it.
///
/// Until a node has taken it, it is tried on others like a call, within the time of a request. What
/// holds for calls too, metadata or the choice of a node, is at [`RequestBuilder`].
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
pub type StreamBuilder<T> = RequestBuilder<T, Conversation>;

/// The kind of a request that opens a stream; see [`StreamBuilder`].
///
/// ```
/// use callboard::client::RequestBuilder;
/// use callboard::stream::{Conversation, StreamBuilder};
///
/// fn same<T>(stream: RequestBuilder<T, Conversation>) -> StreamBuilder<T> {
///     stream
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conversation {
    timeout: Option<Duration>,
    window: StreamWindow,
}

impl<T: StreamEndpoint> StreamBuilder<T> {
    /// Time for the whole stream, from when it is opened; default as long as it takes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.kind.timeout = Some(timeout);
        self
    }

    /// Time until a node has taken it, all attempts included; default that of a call, 5 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.options().timeout = timeout;
        self
    }

    /// What the node may send ahead of what is received; default 1,024 items, and 1 MiB.
    pub fn window(mut self, window: StreamWindow) -> Self {
        self.kind.window = window;
        self
    }

    async fn open(self) -> Result<StreamCall<T>, CallError> {
        let service = self.service.clone();
        let chain = service.system().client_middleware();
        if chain.is_empty() {
            return self.open_bare().await;
        }
        let options = self.own.options(service.system().caller());
        let info = CallInfo {
            side: Side::Client,
            kind: CallKind::Stream,
            service: service.name().to_owned(),
            endpoint: T::NAME,
            metadata: options.metadata.clone(),
            deadline: options.limit,
            peer: String::new(),
        };
        let last = |info: &CallInfo| {
            let mut stream = self;
            let options = stream.options();
            options.metadata = info.metadata.clone();
            options.limit = info.deadline;
            stream.open_bare()
        };
        run_chain(chain, info, last).await
    }

    async fn open_bare(self) -> Result<StreamCall<T>, CallError> {
        let may_be_local = self.may_be_local();
        let Self { service, mut message, own, kind } = self;
        let caller = service.system().caller();
        let options = own.options(caller);
        options.check()?;
        let now = Instant::now();
        let whole = match (kind.timeout.map(|it| Deadline::after(now, it)), options.limit) {
            (Some(whole), limit) => Some(whole.earlier(limit)),
            (None, limit) => limit,
        };
        let opened_by = options.deadline_at(now).earlier(whole);
        if may_be_local && service.system().local::<Streaming<T>>(service.name()).is_some() {
            let limits = Limits { opened_by, whole, window: kind.window };
            match LocalTalk::open(message, options, limits, &service).await {
                Ok(talk) => {
                    return Ok(StreamCall::new(CallSide::Local(talk), Allowance::default()));
                }
                Err(LocalFailure::Refused(refusal, Some(refused)))
                    if refusal.is_retryable() && options.retries > 0 =>
                {
                    message = refused;
                }
                Err(failure) => return Err(explain(failure, options.timeout)),
            }
        }
        let fingerprint = EndpointSchema::cached_stream::<T>().fingerprint();
        let form = *own.form(&service, fingerprint);
        let target = CallTarget {
            endpoint: T::NAME,
            content_type: StreamCodec::<T>::new(form.codec).content_type(),
            is_idempotent: false,
        };
        let (opening, options) = (Opening { form, value: message }, (options, opened_by));
        let stream = StreamOptions { deadline: whole, window: kind.window };
        let (opened, opening) =
            caller.open_stream(service.remote(), target, opening, options, stream).await?;
        let mut allowance = Allowance::default();
        if !takes_items::<T>() && is_go_micro(opened.node()) {
            // There the first message only announces a stream, and this one opens it. With the
            // stream came the credit for it.
            put(opened.side(), &mut allowance, &encode(&opening, opened.form())?)?;
        }
        let codec = StreamCodec::new(form.chosen(opened.form()));
        Ok(StreamCall::new(CallSide::Remote(opened, codec), allowance))
    }
}

impl<T: StreamEndpoint> IntoFuture for StreamBuilder<T> {
    type Output = Result<StreamCall<T>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// What the client is told; one that expired in the queue says how long it had.
fn explain<T: StreamEndpoint>(failure: LocalFailure<Streaming<T>>, timeout: Duration) -> CallError {
    match failure.into_call_error() {
        CallError::Timeout { endpoint, executed, .. } => {
            CallError::Timeout { endpoint, timeout, executed }
        }
        error => error,
    }
}

fn encode<T: StreamEndpoint>(opening: &Opening<T>, form: BodyForm) -> Result<Bytes, CallError> {
    let mut buffer = BytesMut::new();
    opening.write(form, &mut buffer).map_err(|reason| CallError::Codec {
        detail: format!("the request was not sent: {}", TransportError::Encode(reason)),
        executed: Executed::No,
    })?;
    Ok(buffer.freeze())
}
