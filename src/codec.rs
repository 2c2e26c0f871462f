//! How bodies become bytes and back: the content type decides.
//!
//! | content type | codec | feature |
//! |---|---|---|
//! | `application/x-bincode` | [`Codec::Bincode`], the default between callboard nodes | |
//! | `application/json` | [`Codec::Json`] | |
//! | `application/protobuf` | [`Codec::Protobuf`], for types that say how | |
//! | `application/msgpack` | `msgpack::MSGPACK` | `msgpack` |
//! | `application/bson` | `bson::BSON` | `bson` |
//! | `application/x-postcard` | `postcard::POSTCARD` | `postcard` |
//! | any other | your own [`Format`], [added](crate::SystemBuilder::codec) to the system | |
//!
//! A reply is encoded like its request. JSON-RPC, PROTO-RPC and BSON-RPC are envelopes around JSON,
//! protobuf and BSON, see [`json_rpc`], [`proto_rpc`] and [`bson_rpc`].
//!
//! Codecs without field names need both sides to have the same types. Where these are known to
//! differ a call goes in [another codec](crate::SystemBuilder::client_fallback), or fails; see
//! [`schema`](crate::schema).

mod bincode;
#[cfg(feature = "bson")]
pub mod bson;
pub mod bson_rpc;
mod depth;
mod document;
mod envelope;
#[cfg(feature = "protobuf")]
pub mod generated;
mod json;
pub mod json_rpc;
mod media_type;
#[cfg(feature = "msgpack")]
pub mod msgpack;
#[cfg(feature = "postcard")]
pub mod postcard;
#[cfg(test)]
mod properties;
pub mod proto_rpc;
mod protobuf;
mod streamed;
mod table;
#[cfg(test)]
mod tests;
mod typed;

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::BytesMut;
pub use erased_serde;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::bincode::BODY_MOST;
pub(crate) use self::bincode::length;
pub use self::depth::DEPTH_MOST;
pub use self::envelope::{EnvelopeError, RequestEnvelope, ResponseEnvelope};
#[cfg(feature = "protobuf")]
pub use self::generated::Proto;
pub use self::media_type::{MediaType, MediaTypeError};
pub use self::protobuf::ProtobufCodec;
pub(crate) use self::streamed::{Opening, StreamCodec};
pub use self::streamed::{ProtobufMessage, StreamProtobufCodec};
pub(crate) use self::table::Codecs;
pub(crate) use self::typed::{
    EncodedReply, EncodedRequest, Form, Forms, decode_reply, decode_request,
};
pub use crate::transport::Generation;

/// A way to encode bodies.
///
/// ```
/// use callboard::codec::Codec;
///
/// assert_eq!(Codec::named("application/x-bincode"), Some(Codec::Bincode));
/// assert_eq!(Codec::named("Application/JSON; charset=utf-8"), Some(Codec::Json));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// `application/x-bincode`: bincode 2 with variable-length integers, the default between
    /// callboard nodes. Compact and fast; both sides must agree on the types.
    #[default]
    Bincode,
    /// `application/json`.
    Json,
    /// `application/protobuf`, for endpoints that have a [`ProtobufCodec`].
    Protobuf,
    /// Another one.
    Other(OtherCodec),
}

/// A codec that is not built in: yours, or one of a feature.
///
/// ```
/// use callboard::codec::erased_serde::{Deserializer, Error, Serialize};
/// use callboard::codec::{Codec, Format};
///
/// /// JSON that a person likes to read.
/// struct PrettyJson;
///
/// impl Format for PrettyJson {
///     fn content_type(&self) -> &'static str {
///         "application/x-pretty-json"
///     }
///
///     fn describes_itself(&self) -> bool {
///         true
///     }
///
///     fn encode(&self, value: &dyn Serialize, buffer: &mut Vec<u8>) -> Result<(), String> {
///         serde_json::to_writer_pretty(buffer, value).map_err(|error| error.to_string())
///     }
///
///     fn decode(
///         &self,
///         body: &[u8],
///         read: &mut dyn FnMut(&mut dyn Deserializer<'_>) -> Result<(), Error>,
///     ) -> Result<(), String> {
///         let mut deserializer = serde_json::Deserializer::from_slice(body);
///         read(&mut <dyn Deserializer<'_>>::erase(&mut deserializer)).map_err(|e| e.to_string())
///     }
/// }
///
/// const PRETTY: Codec = Codec::custom(&PrettyJson);
/// # let mut buffer = bytes::BytesMut::new();
/// # PRETTY.encode(&[1_u8], &mut buffer).unwrap();
/// # assert_eq!(PRETTY.decode::<Vec<u8>>(&buffer), Ok(vec![1]));
/// ```
#[derive(Clone, Copy)]
pub struct OtherCodec(&'static dyn Format);

/// What a codec of your own does.
///
/// The example is at [`OtherCodec`].
pub trait Format: Send + Sync + 'static {
    /// Names it, in lower case and without parameters; it must not be that of another codec.
    fn content_type(&self) -> &'static str;

    /// Further names under which requests may come.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether bodies say by themselves which field is which, as those of JSON do; default no.
    ///
    /// Those of other formats can be read only with the types with which they were written. So a
    /// request in such a format is refused where the types differ, instead of read as something else.
    fn describes_itself(&self) -> bool {
        false
    }

    /// Appends the encoded value.
    ///
    /// # Errors
    /// The text says what could not be encoded; what was appended is dropped.
    fn encode(
        &self,
        value: &dyn erased_serde::Serialize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), String>;

    /// Has `read` read a value that takes all of `body`.
    ///
    /// Bodies come from strangers: how deep they are nested, and how much is allocated for what a
    /// length claims, must be bounded here.
    ///
    /// # Errors
    /// The text says what is wrong with the body.
    fn decode(
        &self,
        body: &[u8],
        read: &mut dyn FnMut(
            &mut dyn erased_serde::Deserializer<'_>,
        ) -> Result<(), erased_serde::Error>,
    ) -> Result<(), String>;
}

/// A body cannot be encoded or decoded.
///
/// ```
/// use callboard::codec::Codec;
///
/// let error = Codec::Bincode.decode::<u8>(&[1, 2]).unwrap_err();
/// assert_eq!(error.to_string(), "application/x-bincode: 1 bytes too many");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{content_type}: {reason}")]
pub struct CodecError {
    /// Of the codec.
    pub content_type: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl Codec {
    /// Makes a codec of a format of your own.
    pub const fn custom(format: &'static dyn Format) -> Self {
        Self::Other(OtherCodec(format))
    }

    /// The codec of a content type, among those that are compiled in.
    ///
    /// The type is read as RFC 9110 says: case does not matter, `charset=utf-8` is accepted, other
    /// parameters are ignored.
    pub fn named(content_type: &str) -> Option<Self> {
        Codecs::default().find(content_type).map(|(_, codec)| codec)
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Bincode => "application/x-bincode",
            Self::Json => "application/json",
            Self::Protobuf => "application/protobuf",
            Self::Other(OtherCodec(format)) => format.content_type(),
        }
    }

    /// Whether bodies say by themselves which field is which.
    ///
    /// Those of other codecs can be read only with the types with which they were written.
    pub fn describes_itself(self) -> bool {
        match self {
            Self::Bincode => false,
            Self::Json | Self::Protobuf => true,
            Self::Other(OtherCodec(format)) => format.describes_itself(),
        }
    }

    /// Appends the encoded value.
    ///
    /// # Errors
    /// The value's own `Serialize` failed, or the codec cannot express it. Protobuf needs more than
    /// serde: it always fails here, see [`ProtobufCodec`] and [`StreamProtobufCodec`].
    pub fn encode<T: Serialize>(self, value: &T, buffer: &mut BytesMut) -> Result<(), CodecError> {
        // The error is made in each arm: behind them all each result would be copied once more.
        let error = |reason| self.error(reason);
        match self {
            Self::Bincode => bincode::encode(value, buffer).map_err(error),
            Self::Json => json::encode(value, buffer).map_err(error),
            Self::Protobuf => Err(error(NO_SERDE.to_owned())),
            Self::Other(OtherCodec(format)) => {
                let mut bytes = Vec::new();
                format.encode(&value, &mut bytes).map_err(error)?;
                buffer.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// Decodes a value that takes all of `body`.
    ///
    /// Never allocates more than [`BODY_MOST`] bytes for what a length in the body claims, and
    /// goes no deeper than [`DEPTH_MOST`] into what is nested.
    ///
    /// # Errors
    /// The body is not such a value, or there is something left.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, CodecError> {
        // As in `encode`.
        let error = |reason| self.error(reason);
        match self {
            Self::Bincode => bincode::decode(body).map_err(error),
            Self::Json => json::decode(body).map_err(error),
            Self::Protobuf => Err(error(NO_SERDE.to_owned())),
            Self::Other(OtherCodec(format)) => {
                let mut value = None;
                let mut read = |deserializer: &mut dyn erased_serde::Deserializer<'_>| {
                    value = Some(erased_serde::deserialize(deserializer)?);
                    Ok(())
                };
                format.decode(body, &mut read).map_err(error)?;
                value.ok_or_else(|| error("nothing was read".to_owned()))
            }
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Bincode | Self::Json => &[],
            Self::Protobuf => &["application/x-protobuf"],
            Self::Other(OtherCodec(format)) => format.aliases(),
        }
    }

    fn error(self, reason: String) -> CodecError {
        CodecError { content_type: self.content_type(), reason }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.content_type())
    }
}

impl fmt::Debug for OtherCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtherCodec").field(&self.0.content_type()).finish()
    }
}

impl PartialEq for OtherCodec {
    fn eq(&self, other: &Self) -> bool {
        self.0.content_type() == other.0.content_type()
    }
}

impl Eq for OtherCodec {}

impl Hash for OtherCodec {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.content_type().hash(state);
    }
}

const NO_SERDE: &str = "the type does not say how it is written in protobuf";
