//! How bodies become bytes and back: the content type decides.

mod envelope;
pub mod json_rpc;
pub mod proto_rpc;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bytes::BytesMut;
use callboard_actors::message::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::envelope::{EnvelopeError, RequestEnvelope, ResponseEnvelope};
pub use crate::transport::Generation;

/// A way to encode bodies.
///
/// ```
/// use callboard::codec::Codec;
///
/// assert_eq!(Codec::named("application/x-bincode"), Some(Codec::Bincode));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// `application/x-bincode`: bincode 2 with variable-length integers, the default between
    /// callboard nodes. Compact and fast; both sides must agree on the types.
    #[default]
    Bincode,
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
    /// The codec of a content type.
    pub fn named(content_type: &str) -> Option<Self> {
        (content_type == Self::Bincode.content_type()).then_some(Self::Bincode)
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Bincode => "application/x-bincode",
        }
    }

    /// Appends the encoded value.
    ///
    /// # Errors
    /// The value's own `Serialize` failed.
    pub fn encode<T: Serialize>(self, value: &T, buffer: &mut BytesMut) -> Result<(), CodecError> {
        match self {
            Self::Bincode => bincode::serde::encode_into_writer(value, Append(buffer), BINCODE)
                .map_err(|error| self.error(&error)),
        }
    }

    /// Decodes a value that takes all of `body`.
    ///
    /// Never allocates more than [`BODY_MOST`] bytes for what a length in the body claims.
    ///
    /// # Errors
    /// The body is not such a value, or there is something left.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::Bincode => {
                let decoded = bincode::serde::decode_from_slice(body, BINCODE);
                let (value, length) = decoded.map_err(|error| self.error(&error))?;
                if length < body.len() {
                    let reason = format!("{} bytes too many", body.len() - length);
                    return Err(CodecError { content_type: self.content_type(), reason });
                }
                Ok(value)
            }
        }
    }

    fn error(self, error: &dyn std::error::Error) -> CodecError {
        CodecError { content_type: self.content_type(), reason: error.to_string() }
    }
}

/// Bytes a decoded body may take at most: 64 MiB, more than any frame.
pub const BODY_MOST: usize = 64 * 1024 * 1024;

const BINCODE: Configuration<LittleEndian, Varint, Limit<BODY_MOST>> =
    bincode::config::standard().with_limit::<BODY_MOST>();

/// Lets bincode write into a buffer that grows.
struct Append<'a>(&'a mut BytesMut);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A value that is encoded when it is sent.
pub(crate) struct Encoded<'a, T> {
    pub(crate) codec: Codec,
    pub(crate) value: &'a T,
}

impl<T: Serialize> Body for Encoded<'_, T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.codec.encode(self.value, buffer).map_err(|error| error.to_string())
    }
}

/// The same for a value that is sent, perhaps again, later.
pub(crate) struct OwnedBody<T> {
    pub(crate) codec: Codec,
    pub(crate) value: T,
}

impl<T: Serialize> Body for OwnedBody<T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.codec.encode(&self.value, buffer).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_lies_is_refused_before_it_is_believed() {
        let claim = [253, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(Codec::Bincode.decode::<Vec<u8>>(&claim).is_err());
        assert!(Codec::Bincode.decode::<Vec<String>>(&claim).is_err());
    }

    #[test]
    fn what_is_left_over_is_refused() {
        let mut buffer = BytesMut::new();
        Codec::Bincode.encode(&7_u32, &mut buffer).unwrap();
        assert_eq!(Codec::Bincode.decode::<u32>(&buffer), Ok(7));
        buffer.extend_from_slice(&[0]);
        let error = Codec::Bincode.decode::<u32>(&buffer).unwrap_err();
        assert_eq!(error.to_string(), "application/x-bincode: 1 bytes too many");
    }
}
