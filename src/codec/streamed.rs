//! Openings, items and replies of streams, to bytes and back.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use bytes::BytesMut;
use callboard_actors::message::{Body, BodyForm};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError, Form};
use crate::schema::EndpointSchema;
use crate::stream::StreamEndpoint;

/// How one type is written in protobuf.
///
/// ```
/// use callboard::codec::ProtobufMessage;
///
/// // A message without fields.
/// let empty = ProtobufMessage::<()> { encode: |(), _| {}, decode: |_| Ok(()) };
/// assert_eq!((empty.decode)(b""), Ok(()));
/// ```
pub struct ProtobufMessage<M> {
    /// Appends a value.
    pub encode: fn(&M, &mut BytesMut),
    /// Reads a value, or says what is wrong with it.
    pub decode: fn(&[u8]) -> Result<M, String>,
}

/// How a stream's opening, items and replies are written in protobuf.
///
/// Serde knows names and protobuf numbers, so a type must say more than its `Serialize`: see
/// [`StreamEndpoint::protobuf`]. Generated types do.
///
/// ```
/// use callboard::codec::{ProtobufMessage, StreamProtobufCodec};
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Ticks;
///
/// impl callboard::StreamEndpoint for Ticks {
///     type Item = ();
///     type Reply = ();
///     const NAME: &'static str = "Clock.Ticks";
///
///     fn protobuf() -> Option<StreamProtobufCodec<Self>> {
///         // Three messages without fields.
///         Some(StreamProtobufCodec {
///             opening: ProtobufMessage { encode: |_, _| {}, decode: |_| Ok(Ticks) },
///             item: ProtobufMessage { encode: |(), _| {}, decode: |_| Ok(()) },
///             reply: ProtobufMessage { encode: |(), _| {}, decode: |_| Ok(()) },
///         })
///     }
/// }
/// ```
pub struct StreamProtobufCodec<T: StreamEndpoint> {
    /// The opening message.
    pub opening: ProtobufMessage<T>,
    /// What the client sends.
    pub item: ProtobufMessage<T::Item>,
    /// What the handler sends.
    pub reply: ProtobufMessage<T::Reply>,
}

/// A codec as the streams of one endpoint use it.
pub(crate) struct StreamCodec<T> {
    codec: Codec,
    types: PhantomData<fn() -> T>,
}

/// The message that opens a stream, in any of its forms.
pub(crate) struct Opening<T> {
    pub(crate) form: Form,
    pub(crate) value: T,
}

/// A part of a stream that is encoded when it is sent.
pub(crate) struct Part<V, M> {
    codec: Codec,
    value: V,
    protobuf: Option<ProtobufMessage<M>>,
}

impl<T: StreamEndpoint> StreamCodec<T> {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, types: PhantomData }
    }

    pub(crate) fn content_type(self) -> &'static str {
        EndpointSchema::cached_stream::<T>().content_type(self.codec)
    }

    pub(crate) fn opening(self, value: &T) -> Part<&T, T> {
        self.part(value, |codec| codec.opening)
    }

    pub(crate) fn item(self, value: &T::Item) -> Part<&T::Item, T::Item> {
        self.part(value, |codec| codec.item)
    }

    pub(crate) fn reply(self, value: &T::Reply) -> Part<&T::Reply, T::Reply> {
        self.part(value, |codec| codec.reply)
    }

    pub(crate) fn decode_opening(self, body: &[u8]) -> Result<T, CodecError> {
        let decoded = self.decode(body, |codec| codec.opening);
        // Go Micro opens a stream with a message without fields, which serde may know as a unit.
        match decoded {
            Err(error) if self.codec == Codec::Json && body.trim_ascii() == b"{}" => {
                self.codec.decode(b"null").map_err(|_| error)
            }
            decoded => decoded,
        }
    }

    pub(crate) fn decode_item(self, body: &[u8]) -> Result<T::Item, CodecError> {
        self.decode(body, |codec| codec.item)
    }

    pub(crate) fn decode_reply(self, body: &[u8]) -> Result<T::Reply, CodecError> {
        self.decode(body, |codec| codec.reply)
    }

    fn part<V, M>(
        self,
        value: V,
        of: fn(StreamProtobufCodec<T>) -> ProtobufMessage<M>,
    ) -> Part<V, M> {
        Part { codec: self.codec, value, protobuf: self.protobuf(of) }
    }

    fn decode<M: DeserializeOwned>(
        self,
        body: &[u8],
        of: fn(StreamProtobufCodec<T>) -> ProtobufMessage<M>,
    ) -> Result<M, CodecError> {
        match self.protobuf(of) {
            Some(message) => (message.decode)(body).map_err(|reason| self.codec.error(reason)),
            None => self.codec.decode(body),
        }
    }

    /// How a part is written, where that is not what serde says.
    fn protobuf<M>(
        self,
        of: fn(StreamProtobufCodec<T>) -> ProtobufMessage<M>,
    ) -> Option<ProtobufMessage<M>> {
        if self.codec == Codec::Protobuf { T::protobuf().map(of) } else { None }
    }
}

impl<T: StreamEndpoint> Opening<T> {
    /// Appends it as it was sent.
    pub(crate) fn write(&self, form: BodyForm, buffer: &mut BytesMut) -> Result<(), String> {
        StreamCodec::<T>::new(self.form.chosen(form)).opening(&self.value).encode(buffer)
    }
}

impl<T: StreamEndpoint> Body for Opening<T> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        self.write(BodyForm::PREFERRED, buffer)
    }

    fn types(&self) -> Option<u64> {
        self.form.types(EndpointSchema::cached_stream::<T>())
    }

    fn alternative(&self, form: BodyForm) -> Option<&'static str> {
        self.form.alternative(form, EndpointSchema::cached_stream::<T>())
    }

    fn encode_as(&self, form: BodyForm, buffer: &mut BytesMut) -> Result<(), String> {
        self.write(form, buffer)
    }
}

impl<V: Borrow<M>, M: Serialize> Body for Part<V, M> {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), String> {
        let value = self.value.borrow();
        match &self.protobuf {
            Some(message) => {
                (message.encode)(value, buffer);
                Ok(())
            }
            None => self.codec.encode(value, buffer).map_err(|error| error.to_string()),
        }
    }
}

impl<T> Clone for StreamCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StreamCodec<T> {}

impl<M> fmt::Debug for ProtobufMessage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufMessage").finish_non_exhaustive()
    }
}

impl<T: StreamEndpoint> fmt::Debug for StreamProtobufCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProtobufCodec").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
