//! What the type of an event looks like.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use callboard_actors::broker::OtherForm;
use callboard_actors::contain::contain;
use callboard_actors::message::BodyForm;
use callboard_actors::registry::Schema;
use parking_lot::{Mutex, RwLock};

use super::content_types::ContentTypes;
use super::fingerprint::Fnv;
use super::{hash, schema};
use crate::codec::{Codec, Form};
use crate::event::{self, Topic};

/// What the type of a topic's events looks like.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Topic)]
/// #[topic(name = "user.created")]
/// struct UserCreated { name: String }
///
/// let schema = UserCreated::schema();
/// assert_eq!(schema.event().values[0].name, "name");
/// assert!(schema.fingerprint().is_some());
/// ```
pub struct TopicSchema {
    event: Schema,
    content_types: ContentTypes,
    /// Ways from one codec to another; as many as there are pairs that systems were given.
    others: Mutex<Vec<((Codec, Codec), &'static OtherForm)>>,
}

impl TopicSchema {
    /// Looks at the type of an event.
    pub fn of<T: Topic>() -> Self {
        // The name is left out: publisher and subscriber may agree on another topic.
        let fingerprint = hash::<T>().map(|hash| Fnv::new().text("event").number(hash).finish());
        let content_types = ContentTypes::new(fingerprint);
        Self { event: schema::<T>(), content_types, others: Mutex::default() }
    }

    /// Remembers the schema of each type of events.
    pub(crate) fn cached<T: Topic>() -> &'static Self {
        let key = TypeId::of::<T>();
        if let Some(known) = KNOWN.read().get(&key) {
            return known;
        }
        // Whoever comes second meanwhile finds the same; there are as many as types in the program.
        let schema = Self::of::<T>();
        KNOWN.write().entry(key).or_insert_with(|| Box::leak(Box::new(schema)))
    }

    /// What an event looks like.
    pub fn event(&self) -> &Schema {
        &self.event
    }

    /// What is equal where publisher and subscriber have the same type.
    ///
    /// None where it cannot be told; see [`EndpointSchema::fingerprint`](super::EndpointSchema).
    pub fn fingerprint(&self) -> Option<u64> {
        self.content_types.fingerprint()
    }

    /// What an event says of its body.
    #[inline]
    pub(crate) fn content_type(&'static self, codec: Codec) -> &'static str {
        self.content_types.of(codec)
    }

    /// What a reader must have for types, where the codec needs it.
    pub(crate) fn types(&self, codec: Codec) -> Option<u64> {
        if codec.describes_itself() { None } else { self.fingerprint() }
    }

    /// How an event that has been encoded is encoded otherwise, for those who have another type.
    pub(crate) fn other_form<T: Topic>(&self, form: Form) -> Option<&'static OtherForm> {
        let pair = (form.codec, form.further(BodyForm::PREFERRED.next())?);
        let mut others = self.others.lock();
        if let Some((_, other)) = others.iter().find(|(known, _)| *known == pair) {
            return Some(other);
        }
        let (from, to) = pair;
        let form = |to: Codec| {
            OtherForm::new(to.content_type(), move |body: &[u8]| convert::<T>(from, to, body))
        };
        let mut other = form(to);
        // For subscribers that know nothing else.
        if to != Codec::Json {
            other = other.or(form(Codec::Json));
        }
        if to != Codec::Protobuf && T::protobuf().is_some() {
            other = other.or(form(Codec::Protobuf));
        }
        let other: &OtherForm = Box::leak(Box::new(other));
        others.push((pair, other));
        Some(other)
    }
}

/// Only the publisher has the type with which the body was written, so it can read it again.
fn convert<T: Topic>(from: Codec, to: Codec, body: &[u8]) -> Result<Bytes, String> {
    let converted = contain(|| {
        let value: T = event::decode(from, body)?;
        let mut buffer = BytesMut::new();
        event::encode(to, &value, &mut buffer).map(|()| buffer.freeze())
    });
    converted.map_err(|_| "encoding it panicked".to_owned())?.map_err(|error| error.to_string())
}

static KNOWN: LazyLock<RwLock<HashMap<TypeId, &'static TopicSchema>>> =
    LazyLock::new(RwLock::default);

impl fmt::Debug for TopicSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicSchema")
            .field("event", &self.event)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}
