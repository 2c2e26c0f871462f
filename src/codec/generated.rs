//! What generated code needs; see the crate `callboard-build`.
//!
//! Hand-written code has use for [`Proto`] only.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::BytesMut;
#[doc(hidden)]
pub use pbjson;
#[doc(hidden)]
pub use pbjson_types;
#[doc(hidden)]
pub use prost;
#[doc(hidden)]
pub use serde;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A protobuf message as a body of any codec.
///
/// In JSON it is what proto3 says; in every other codec the bytes of its protobuf form.
///
/// ```
/// use callboard::codec::Proto;
///
/// // A message that a crate defines already: `google.protobuf.StringValue`.
/// let name = Proto::from("John".to_owned());
/// let mut bytes = bytes::BytesMut::new();
/// name.encode(&mut bytes);
/// assert_eq!(Proto::<String>::decode(&bytes), Ok(name));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Proto<M>(pub M);

impl<M: prost::Message + Default> Proto<M> {
    /// Appends the protobuf form.
    pub fn encode(&self, buffer: &mut BytesMut) {
        // A buffer that grows has room for every message.
        let _ = self.0.encode(buffer);
    }

    /// Reads the protobuf form.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        M::decode(bytes).map(Self).map_err(|error| error.to_string())
    }
}

impl<M> Proto<M> {
    /// The message itself.
    pub fn into_inner(self) -> M {
        self.0
    }
}

impl<M> From<M> for Proto<M> {
    fn from(message: M) -> Self {
        Self(message)
    }
}

impl<M> Deref for Proto<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> DerefMut for Proto<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M: fmt::Debug> fmt::Debug for Proto<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: Serialize + prost::Message> Serialize for Proto<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.serialize(serializer)
        } else {
            serializer.serialize_bytes(&self.0.encode_to_vec())
        }
    }
}

impl<'de, M: Deserialize<'de> + prost::Message + Default> Deserialize<'de> for Proto<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return M::deserialize(deserializer).map(Self);
        }
        let bytes = deserializer.deserialize_byte_buf(ByteBuffer)?;
        Self::decode(&bytes).map_err(D::Error::custom)
    }
}

struct ByteBuffer;

impl Visitor<'_> for ByteBuffer {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a protobuf message")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// Includes what `callboard-build` generated for a package, e.g. `include_proto!("greeter")`.
///
/// Belongs into a module of its own, named like the package: types of other packages are looked for
/// beside it.
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        #[allow(unused_imports)]
        use $crate::codec::generated::{pbjson, prost, serde};
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
