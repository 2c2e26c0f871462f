//! `application/protobuf`: for endpoints whose types know their protobuf form.

use std::fmt;

use bytes::BytesMut;

use crate::request::Endpoint;

/// How an endpoint's request and reply are written in protobuf.
///
/// Serde knows names and protobuf numbers, so a type must say more than its `Serialize`: see
/// [`Endpoint::protobuf`]. Generated types do.
///
/// ```
/// use callboard::codec::ProtobufCodec;
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Ping;
///
/// impl callboard::Endpoint for Ping {
///     type Reply = ();
///     const NAME: &'static str = "Debug.Ping";
///
///     fn protobuf() -> Option<ProtobufCodec<Self>> {
///         // Two messages without fields.
///         Some(ProtobufCodec {
///             encode_request: |_, _| {},
///             decode_request: |_| Ok(Ping),
///             encode_reply: |(), _| {},
///             decode_reply: |_| Ok(()),
///         })
///     }
/// }
/// ```
pub struct ProtobufCodec<T: Endpoint> {
    /// Appends a request.
    pub encode_request: fn(&T, &mut BytesMut),
    /// Reads a request, or says what is wrong with it.
    pub decode_request: fn(&[u8]) -> Result<T, String>,
    /// Appends a reply.
    pub encode_reply: fn(&T::Reply, &mut BytesMut),
    /// Reads a reply, or says what is wrong with it.
    pub decode_reply: fn(&[u8]) -> Result<T::Reply, String>,
}

impl<T: Endpoint> fmt::Debug for ProtobufCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufCodec").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
