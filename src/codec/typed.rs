//! Requests and replies of an endpoint, to bytes and back.

use std::borrow::Borrow;
use std::marker::PhantomData;

use bytes::BytesMut;
use callboard_actors::message::{Body, BodyForm};

use super::{Codec, CodecError, NO_SERDE, ProtobufCodec};
use crate::request::Endpoint;
use crate::schema::EndpointSchema;

/// How the request and the reply of a call are encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) codec: Codec,
    /// Where the node does not take that one.
    other: Option<Codec>,
    /// Where it takes neither: JSON, which every node speaks.
    or_json: bool,
}

impl Form {
    /// In this codec and no other one.
    pub(crate) fn fixed(codec: Codec) -> Self {
        Self { codec, other: None, or_json: false }
    }

    /// In this codec, or else in one that describes itself, or else in JSON.
    pub(crate) fn with_fallback(codec: Codec, fallback: Option<Codec>) -> Self {
        let other = fallback.filter(|other| *other != codec);
        let or_json = fallback.is_some() && codec != Codec::Json && other != Some(Codec::Json);
        Self { codec, other, or_json }
    }

    /// The same for types without a fingerprint.
    ///
    /// Nobody can tell then whether both sides have the same types, so a codec that needs that is
    /// not begun with, unless it was asked for.
    fn without_fingerprint(self) -> Self {
        if self.codec.describes_itself() {
            return self;
        }
        let other = self.further(BodyForm::PREFERRED.next());
        other.map_or(self, |other| Self::with_fallback(other, Some(other)))
    }

    /// The codec of a request that was sent in this form.
    pub(crate) fn chosen(self, form: BodyForm) -> Codec {
        self.further(form).unwrap_or(self.codec)
    }

    /// The codec of a further form, if there is such a form.
    pub(crate) fn further(self, form: BodyForm) -> Option<Codec> {
        match (form.0, self.other) {
            (1, Some(other)) => Some(other),
            (1, None) | (2, Some(_)) if self.or_json => Some(Codec::Json),
            _ => None,
        }
    }

    pub(super) fn alternative(
        self,
        form: BodyForm,
        schema: &'static EndpointSchema,
    ) -> Option<&'static str> {
        self.further(form).map(|other| schema.content_type(other))
    }

    /// The fingerprint that a node's types must have, unless there is no other form to go in.
    pub(super) fn types(self, schema: &EndpointSchema) -> Option<u64> {
        // What describes itself is read whatever the types are.
        let depends = !self.codec.describes_itself() && (self.other.is_some() || self.or_json);
        schema.fingerprint().filter(|_| depends)
    }
}

/// The forms of what says nothing of it itself.
#[derive(Debug)]
pub(crate) struct Forms {
    usual: Form,
    without_fingerprint: Form,
}

impl Forms {
    pub(crate) fn new(usual: Form) -> Self {
        Self { usual, without_fingerprint: usual.without_fingerprint() }
    }

    /// That for types of this fingerprint.
    #[inline]
    pub(crate) fn of(&self, fingerprint: Option<u64>) -> &Form {
        if fingerprint.is_some() { &self.usual } else { &self.without_fingerprint }
    }
}

/// A request that is encoded when it is sent; of one that is sent again later the value is owned.
pub(crate) struct EncodedRequest<'a, V, T> {
    form: &'a Form,
    value: V,
    endpoint: PhantomData<fn() -> T>,
}

impl<'a, V: Borrow<T>, T: Endpoint> EncodedRequest<'a, V, T> {
    pub(crate) fn new(form: &'a Form, value: V) -> Self {
        Self { form, value, endpoint: PhantomData }
    }
}

/// A reply that is encoded when it is sent.
pub(crate) struct EncodedReply<'a, T: Endpoint> {
    pub(crate) codec: Codec,
    pub(crate) value: &'a T::Reply,
}

impl<V: Borrow<T>, T: Endpoint> Body for EncodedRequest<'_, V, T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.encode_as(BodyForm::PREFERRED, buffer)
    }

    fn types(&self) -> Option<u64> {
        self.form.types(T::schema())
    }

    fn alternative(&self, form: BodyForm) -> Option<&'static str> {
        self.form.alternative(form, T::schema())
    }

    fn encode_as(&self, form: BodyForm, buffer: &mut BytesMut) -> Result<(), String> {
        let (codec, value) = (self.form.chosen(form), self.value.borrow());
        encode_request::<T>(codec, value, buffer).map_err(|error| error.to_string())
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
