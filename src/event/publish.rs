//! Publishing an event.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use callboard_actors::broker::{BrokerError, EncodedEvent, Published, Publisher, TOPIC_PREFIX};
use callboard_actors::client::CallError;
use callboard_actors::{Deadline, Metadata, Status};
use tokio::sync::oneshot;

use super::{Topic, encode};
use crate::codec::{Codec, Form};
use crate::middleware::{CallInfo, CallKind, Side, run_chain};
use crate::system::ServiceSystem;

/// A topic, for those who publish often; cheap to clone.
///
/// ```no_run
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Topic)]
/// # #[topic(name = "user.created")]
/// # struct UserCreated { name: String }
/// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
/// let users = system.topic::<UserCreated>();
/// for name in ["John", "Jane"] {
///     users.publish(&UserCreated { name: name.into() }).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct TopicRef<T> {
    system: ServiceSystem,
    name: Arc<str>,
    publisher: Arc<dyn Publisher>,
    event: PhantomData<fn(T)>,
}

impl<T: Topic> TopicRef<T> {
    pub(crate) fn new(system: ServiceSystem, name: &str) -> Self {
        let publisher = system.publisher(name);
        Self { system, name: name.into(), publisher, event: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins to publish an event; see [`ServiceSystem::publish`].
    pub fn publish<'a>(&self, event: &'a T) -> PublishBuilder<'a, T> {
        PublishBuilder {
            event,
            form: *self.system.form(T::schema().fingerprint()),
            timeout: self.system.caller().options().timeout,
            metadata: Metadata::new(),
            topic: self.clone(),
        }
    }
}

/// An event that has not been published; awaiting it publishes it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use callboard::prelude::*;
/// # #[derive(Debug, Serialize, Deserialize, Topic)]
/// # #[topic(name = "user.created")]
/// # struct UserCreated { name: String }
/// # async fn example(system: ServiceSystem) -> Result<(), callboard::Error> {
/// let published = system
///     .publish(&UserCreated { name: "John".into() })
///     .metadata("trace", "1")
///     .timeout(Duration::from_millis(200))
///     .await?;
/// if !published.is_complete() {
///     println!("{} of {} missed it", published.refused, published.subscribers());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "an event is published when it is awaited"]
pub struct PublishBuilder<'a, T: Topic> {
    topic: TopicRef<T>,
    event: &'a T,
    form: Form,
    timeout: Duration,
    metadata: Metadata,
}

impl<T: Topic> PublishBuilder<'_, T> {
    /// Publishes it under another topic; default that of its type.
    pub fn topic(mut self, name: &str) -> Self {
        self.topic = TopicRef::new(self.topic.system, name);
        self
    }

    /// Adds a pair that travels beside the event.
    pub fn metadata(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Time for all subscribers to answer; default that of calls, 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Encodes the event like this, for every subscriber; default that of the system's calls, which
    /// is bincode, and their [fallback](crate::SystemBuilder::client_fallback) for subscribers of
    /// whom it is known that they have another type, and where the type has no fingerprint. Go Micro's
    /// subscribers get JSON or protobuf by default; see the [manual](crate::manual::events).
    pub fn codec(mut self, codec: Codec) -> Self {
        self.form = Form::fixed(codec);
        self
    }

    fn encoded(&self) -> Result<EncodedEvent, BrokerError> {
        let (codec, mut body) = (self.form.codec, BytesMut::new());
        encode(codec, self.event, &mut body)
            .map_err(|error| BrokerError::Invalid { reason: error.to_string() })?;
        let schema = T::schema();
        Ok(EncodedEvent {
            metadata: Metadata::new(),
            content_type: schema.content_type(codec),
            types: schema.types(codec),
            body: body.freeze(),
            other: schema.other_form::<T>(self.form),
        })
    }
}

/// What publishing resolves to.
type Publishing = Pin<Box<dyn Future<Output = Result<Published, BrokerError>> + Send>>;

impl<T: Topic> IntoFuture for PublishBuilder<'_, T> {
    type Output = Result<Published, BrokerError>;
    type IntoFuture = Publishing;

    fn into_future(self) -> Publishing {
        let mut event = match self.encoded() {
            Ok(event) => event,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let Self { topic, timeout, metadata, .. } = self;
        event.metadata = metadata;
        let system = topic.system.clone();
        let publishing = if system.client_middleware().is_empty() {
            topic.publisher.publish(event, timeout)
        } else {
            Box::pin(wrapped(topic, event, Deadline::within(timeout)))
        };
        if tokio::runtime::Handle::try_current().is_ok() {
            return publishing;
        }
        // Brokers wait with tokio's timers, and this executor has none.
        let (done, published) = oneshot::channel();
        system.spawn(async move {
            // Whoever waited may have gone.
            let _ = done.send(publishing.await);
        });
        Box::pin(async { published.await.unwrap_or(Err(BrokerError::Stopped)) })
    }
}

/// Publishes inside the system's client middleware.
async fn wrapped<T: Topic>(
    topic: TopicRef<T>,
    event: EncodedEvent,
    deadline: Deadline,
) -> Result<Published, BrokerError> {
    let info = CallInfo {
        side: Side::Client,
        kind: CallKind::Event,
        service: format!("{TOPIC_PREFIX}{}", topic.name),
        endpoint: T::NAME,
        metadata: event.metadata.clone(),
        deadline: Some(deadline),
        peer: String::new(),
    };
    let publisher = Arc::clone(&topic.publisher);
    let service = info.service.clone();
    let last = |info: &CallInfo| {
        let event = EncodedEvent { metadata: info.metadata.clone(), ..event };
        let deadline = info.deadline.unwrap_or(deadline);
        async move {
            let counts = publisher.publish(event, deadline.time_left()).await;
            counts.map_err(|error| for_middleware(error, service))
        }
    };
    run_chain(topic.system.client_middleware(), info, last).await.map_err(BrokerError::Call)
}

/// Middleware knows the errors of calls.
fn for_middleware(error: BrokerError, service: String) -> CallError {
    match error {
        BrokerError::Call(error) => error,
        BrokerError::Registry(source) => CallError::Registry { service, source },
        BrokerError::Stopped => CallError::Stopped,
        error => CallError::Status(Status::new("callboard", 503, error.to_string())),
    }
}

impl<T> Clone for TopicRef<T> {
    fn clone(&self) -> Self {
        let (system, name) = (self.system.clone(), Arc::clone(&self.name));
        Self { system, name, publisher: Arc::clone(&self.publisher), event: PhantomData }
    }
}

impl<T> fmt::Debug for TopicRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicRef").field(&self.name).finish()
    }
}

impl<T: Topic> fmt::Debug for PublishBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBuilder")
            .field("topic", &self.topic.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
