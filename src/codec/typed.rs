//! Requests and replies of an endpoint, to bytes and back.

use bytes::BytesMut;
use callboard_actors::message::{Alternative, Body};

use super::{Codec, CodecError, NO_SERDE, ProtobufCodec};
use crate::request::Endpoint;
use crate::schema::EndpointSchema;

/// How the request and the reply of a call are encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) codec: Codec,
    /// Where the node does not take that one.
    pub(crate) other: Option<Codec>,
}

impl Form {
    /// In this codec and no other one.
    pub(crate) fn fixed(codec: Codec) -> Self {
        Self { codec, other: None }
    }

    /// In this codec, or else in one that describes itself.
    pub(crate) fn with_fallback(codec: Codec, fallback: Option<Codec>) -> Self {
        let other = fallback.filter(|other| !codec.describes_itself() && *other != codec);
        Self { codec, other }
    }

    /// The codec of a request that was sent.
    pub(crate) fn chosen(self, is_alternative: bool) -> Codec {
        if is_alternative { self.other.unwrap_or(self.codec) } else { self.codec }
    }

    pub(super) fn alternative(self, schema: &'static EndpointSchema) -> Option<Alternative> {
        self.other.map(|other| Alternative {
            content_type: schema.content_type(other),
            fingerprint: schema.fingerprint(),
        })
    }
}

/// A request that is encoded when it is sent.
pub(crate) struct EncodedRequest<'a, T> {
    pub(crate) form: Form,
    pub(crate) value: &'a T,
}

/// The same for one that is sent, perhaps again, later.
pub(crate) struct OwnedRequest<T> {
    pub(crate) form: Form,
    pub(crate) value: T,
}

/// A reply that is encoded when it is sent.
pub(crate) struct EncodedReply<'a, T: Endpoint> {
    pub(crate) codec: Codec,
    pub(crate) value: &'a T::Reply,
}

impl<T: Endpoint> Body for EncodedRequest<'_, T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        encode_request(self.form.codec, self.value, buffer).map_err(|error| error.to_string())
    }

    fn alternative(&self) -> Option<Alternative> {
        self.form.alternative(T::schema())
    }

    fn encode_alternative(&self, buffer: &mut BytesMut) -> Result<(), String> {
        let codec = self.form.chosen(true);
        encode_request(codec, self.value, buffer).map_err(|error| error.to_string())
    }
}

impl<T: Endpoint> Body for OwnedRequest<T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        encode_request(self.form.codec, &self.value, buffer).map_err(|error| error.to_string())
    }

    fn alternative(&self) -> Option<Alternative> {
        self.form.alternative(T::schema())
    }

    fn encode_alternative(&self, buffer: &mut BytesMut) -> Result<(), String> {
        let codec = self.form.chosen(true);
        encode_request(codec, &self.value, buffer).map_err(|error| error.to_string())
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
