//! Publish and subscribe, as the user's types see it.
//!
//! A subscriber is an actor that handles [`Event`]s of a [`Topic`]; it is added to a system like any
//! handler, and may be one, or [while the system runs](crate::ServiceSystem::subscribe). Whoever has a [`ServiceSystem`](crate::ServiceSystem) publishes.
//!
//! ```no_run
//! use callboard::prelude::*;
//!
//! #[derive(Debug, Serialize, Deserialize, Topic)]
//! #[topic(name = "user.created")]
//! struct UserCreated {
//!     name: String,
//! }
//!
//! #[derive(Default)]
//! struct Mailer;
//!
//! impl Actor for Mailer {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<Event<UserCreated>> for Mailer {
//!     type Result = Result<(), Status>;
//!
//!     fn handle(&mut self, event: Event<UserCreated>, _: &mut Context<Self>) -> Self::Result {
//!         println!("welcome, {}", event.name);
//!         Ok(())
//!     }
//! }
//!
//! # async fn example() -> Result<(), callboard::Error> {
//! let mailer = ServiceSystem::new("mailer")
//!     .handler(Mailer::default, |h| h.event::<UserCreated>().group("mailer"))
//!     .start()
//!     .await?;
//! let published = mailer.publish(&UserCreated { name: "John".into() }).await?;
//! assert_eq!(published.acknowledged, 1);
//! # Ok(())
//! # }
//! ```
//!
//! What a broker guarantees is told in the [manual](crate::manual::events).

mod publish;
mod subscriber;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::BytesMut;
use callboard_actors::{Metadata, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::publish::{PublishBuilder, TopicRef};
pub use self::subscriber::Subscriber;
use crate::codec::{Codec, CodecError};
use crate::schema::TopicSchema;

/// A message that is published under a topic; derived with `#[derive(Topic)]`.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Topic)]
/// #[topic(name = "user.created")]
/// struct UserCreated { name: String }
///
/// assert_eq!(UserCreated::NAME, "user.created");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not published under a topic",
    label = "nobody can subscribe to this",
    note = "add `#[derive(Topic)]` and `#[topic(name = \"user.created\")]` to it"
)]
pub trait Topic: Serialize + DeserializeOwned + Send + 'static {
    /// The topic, unless publisher and subscriber agree on another one.
    const NAME: &'static str;

    /// How it is written in protobuf, for types that can be; none by default.
    fn protobuf() -> Option<ProtobufEvent<Self>>
    where
        Self: Sized,
    {
        None
    }

    /// What it looks like; looked at once.
    fn schema() -> &'static TopicSchema
    where
        Self: Sized,
    {
        TopicSchema::cached::<Self>()
    }
}

/// How an event is written in protobuf.
///
/// ```
/// use callboard::event::ProtobufEvent;
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Tick;
///
/// impl Topic for Tick {
///     const NAME: &'static str = "clock.tick";
///
///     fn protobuf() -> Option<ProtobufEvent<Self>> {
///         // A message without fields.
///         Some(ProtobufEvent { encode: |_, _| {}, decode: |_| Ok(Tick) })
///     }
/// }
/// ```
pub struct ProtobufEvent<T> {
    /// Appends an event.
    pub encode: fn(&T, &mut BytesMut),
    /// Reads an event, or says what is wrong with it.
    pub decode: fn(&[u8]) -> Result<T, String>,
}

impl<T: Topic> fmt::Debug for ProtobufEvent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufEvent").field("topic", &T::NAME).finish_non_exhaustive()
    }
}

/// An event as a subscriber gets it: the message, and what came with it.
///
/// Dereferences to the message. A handler that returns `Ok` acknowledges it; an `Err` or a panic is
/// counted by the publisher as failed.
///
/// The example is at the [module](self).
pub struct Event<T> {
    message: T,
    topic: Arc<str>,
    metadata: Metadata,
}

impl<T> Event<T> {
    pub(crate) fn new(message: T, topic: Arc<str>, metadata: Metadata) -> Self {
        Self { message, topic, metadata }
    }

    pub(crate) fn with(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The message without what came with it.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The topic that it was published under.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Pairs that the publisher sent beside the message.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl<T> Deref for Event<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.message
    }
}

impl<T> DerefMut for Event<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.message
    }
}

impl<T: Topic> actix::Message for Event<T> {
    type Result = Result<(), Status>;
}

impl<T: fmt::Debug> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("message", &self.message)
            .field("topic", &self.topic)
            .field("metadata", &self.metadata)
            .finish()
    }
}

/// Appends an event.
pub(crate) fn encode<T: Topic>(
    codec: Codec,
    value: &T,
    buffer: &mut BytesMut,
) -> Result<(), CodecError> {
    match (codec, T::protobuf()) {
        (Codec::Protobuf, Some(protobuf)) => {
            (protobuf.encode)(value, buffer);
            Ok(())
        }
        (codec, _) => codec.encode(value, buffer),
    }
}

/// Reads an event that takes all of `body`.
pub(crate) fn decode<T: Topic>(codec: Codec, body: &[u8]) -> Result<T, CodecError> {
    match (codec, T::protobuf()) {
        (Codec::Protobuf, Some(protobuf)) => (protobuf.decode)(body)
            .map_err(|reason| CodecError { content_type: codec.content_type(), reason }),
        (codec, _) => codec.decode(body),
    }
}
