//! What the types of an endpoint, or of a topic, look like: for the record, and for codecs without
//! names.
//!
//! Both come from how the types are read by serde, once per endpoint or topic and process, when a
//! handler is described, or a call or an event is made for the first time.

mod content_types;
mod describe;
mod fingerprint;
mod shape;
#[cfg(test)]
mod tests;
mod topic;
mod trace;

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use callboard_actors::contain::contain;
use callboard_actors::registry::{EndpointInfo, EndpointKind, Schema};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;

use self::content_types::ContentTypes;
pub(crate) use self::content_types::fingerprint_in;
use self::describe::describe;
use self::fingerprint::{Fnv, fingerprint};
pub use self::topic::TopicSchema;
use self::trace::outline;
use crate::codec::Codec;
use crate::request::Endpoint;
use crate::stream::StreamEndpoint;

/// What the types of an endpoint look like.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(name = "Greeter.Hello", reply = String)]
/// struct Hello { name: String }
///
/// let schema = Hello::schema();
/// assert_eq!(schema.request().values[0].name, "name");
/// assert!(schema.fingerprint().is_some());
/// ```
pub struct EndpointSchema {
    info: EndpointInfo,
    content_types: ContentTypes,
}

impl EndpointSchema {
    /// Looks at the types of an endpoint.
    pub fn of<T: Endpoint>() -> Self {
        let parts = [hash::<T>(), hash::<T::Reply>()];
        Self::new::<T, T::Reply>(T::NAME, EndpointKind::Unary, &parts)
    }

    /// Looks at the types of an endpoint that is a stream.
    pub fn of_stream<T: StreamEndpoint>() -> Self {
        let parts = [hash::<T>(), hash::<T::Reply>(), hash::<T::Item>()];
        Self::new::<T, T::Reply>(T::NAME, EndpointKind::Stream, &parts)
    }

    /// Remembers the schema of each endpoint.
    pub(crate) fn cached<T: Endpoint>() -> &'static Self {
        cached((TypeId::of::<T>(), EndpointKind::Unary), Self::of::<T>)
    }

    /// Remembers the schema of each endpoint that is a stream.
    pub(crate) fn cached_stream<T: StreamEndpoint>() -> &'static Self {
        cached((TypeId::of::<T>(), EndpointKind::Stream), Self::of_stream::<T>)
    }

    /// What the request looks like; of a stream, the opening message.
    pub fn request(&self) -> &Schema {
        &self.info.request
    }

    /// What the reply looks like; of a stream, what its handler sends.
    pub fn reply(&self) -> &Schema {
        &self.info.reply
    }

    /// What is equal where client and server have the same types.
    ///
    /// None where it cannot be told, because a type reads what describes itself (an untagged enum,
    /// `serde_json::Value`) or demands values that nobody could guess.
    #[inline]
    pub fn fingerprint(&self) -> Option<u64> {
        self.content_types.fingerprint()
    }

    /// The endpoint's record.
    pub(crate) fn info(&self) -> EndpointInfo {
        self.info.clone()
    }

    /// What a request says of its body.
    #[inline]
    pub(crate) fn content_type(&'static self, codec: Codec) -> &'static str {
        self.content_types.of(codec)
    }

    fn new<T: DeserializeOwned, R: DeserializeOwned>(
        name: &str,
        kind: EndpointKind,
        parts: &[Option<u64>],
    ) -> Self {
        let own = Fnv::new().text(name).number(u64::from(kind == EndpointKind::Stream));
        let fold = |hash: Fnv, part: &Option<u64>| part.map(|part| hash.number(part));
        let fingerprint = parts.iter().try_fold(own, fold).map(Fnv::finish);
        let mut info = EndpointInfo {
            name: name.to_owned(),
            kind,
            request: schema::<T>(),
            reply: schema::<R>(),
            ..EndpointInfo::default()
        };
        if let Some(fingerprint) = fingerprint {
            info.metadata.insert(EndpointInfo::FINGERPRINT.into(), format!("{fingerprint:016x}"));
        }
        Self { info, content_types: ContentTypes::new(fingerprint) }
    }
}

fn hash<T: DeserializeOwned>() -> Option<u64> {
    // The user's `Deserialize` may panic when it is given what nobody would send.
    contain(|| outline::<T>(false)).ok()?.ok().map(|outline| fingerprint(&outline))
}

fn schema<T: DeserializeOwned>() -> Schema {
    let name = type_name::<T>();
    match contain(|| outline::<T>(true)) {
        Ok(Ok(outline)) => describe(&outline, &name),
        _ => Schema::from(name),
    }
}

/// The last part of a type's path, e.g. `Hello` of `greeter::Hello`.
pub(crate) fn type_name<T>() -> String {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    name[start..].to_owned()
}

fn cached(key: Key, look: impl FnOnce() -> EndpointSchema) -> &'static EndpointSchema {
    if let Some(known) = KNOWN.read().get(&key) {
        return known;
    }
    // Whoever comes second meanwhile finds the same; there are as many as endpoints in the program.
    let schema = look();
    KNOWN.write().entry(key).or_insert_with(|| Box::leak(Box::new(schema)))
}

type Key = (TypeId, EndpointKind);

static KNOWN: LazyLock<RwLock<HashMap<Key, &'static EndpointSchema>>> =
    LazyLock::new(RwLock::default);

impl fmt::Debug for EndpointSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSchema")
            .field("info", &self.info)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}
