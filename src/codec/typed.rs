//! Requests and replies of an endpoint, to bytes and back.

use bytes::BytesMut;
use callboard_actors::message::Body;

use super::{Codec, CodecError, NO_SERDE, ProtobufCodec};
use crate::request::Endpoint;

/// A request that is encoded when it is sent.
pub(crate) struct EncodedRequest<'a, T> {
    pub(crate) codec: Codec,
    pub(crate) value: &'a T,
}

/// The same for one that is sent, perhaps again, later.
pub(crate) struct OwnedRequest<T> {
    pub(crate) codec: Codec,
    pub(crate) value: T,
}

/// A reply that is encoded when it is sent.
pub(crate) struct EncodedReply<'a, T: Endpoint> {
    pub(crate) codec: Codec,
    pub(crate) value: &'a T::Reply,
}

impl<T: Endpoint> Body for EncodedRequest<'_, T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        encode_request(self.codec, self.value, buffer).map_err(|error| error.to_string())
    }
}

impl<T: Endpoint> Body for OwnedRequest<T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        encode_request(self.codec, &self.value, buffer).map_err(|error| error.to_string())
    }
}

impl<T: Endpoint> Body for EncodedReply<'_, T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        let encoded = match self.codec {
            Codec::Protobuf => protobuf::<T>().map(|codec| {
                (codec.encode_reply)(self.value, buffer);
            }),
            codec => codec.encode(self.value, buffer),
        };
        encoded.map_err(|error| error.to_string())
    }
}

fn encode_request<T: Endpoint>(
    codec: Codec,
    value: &T,
    buffer: &mut BytesMut,
) -> Result<(), CodecError> {
    match codec {
        Codec::Protobuf => {
            (protobuf::<T>()?.encode_request)(value, buffer);
            Ok(())
        }
        codec => codec.encode(value, buffer),
    }
}

/// Decodes a request.
///
/// # Errors
/// As [`Codec::decode`].
pub(crate) fn decode_request<T: Endpoint>(codec: Codec, body: &[u8]) -> Result<T, CodecError> {
    match codec {
        Codec::Protobuf => {
            (protobuf::<T>()?.decode_request)(body).map_err(|reason| codec.error(reason))
        }
        codec => codec.decode(body),
    }
}

/// Decodes a reply.
///
/// # Errors
/// As [`Codec::decode`].
pub(crate) fn decode_reply<T: Endpoint>(codec: Codec, body: &[u8]) -> Result<T::Reply, CodecError> {
    match codec {
        Codec::Protobuf => {
            (protobuf::<T>()?.decode_reply)(body).map_err(|reason| codec.error(reason))
        }
        codec => codec.decode(body),
    }
}

fn protobuf<T: Endpoint>() -> Result<ProtobufCodec<T>, CodecError> {
    T::protobuf().ok_or_else(|| Codec::Protobuf.error(NO_SERDE.to_owned()))
}
