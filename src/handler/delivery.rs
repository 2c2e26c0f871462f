//! What requests and streams have in common on their way to an actor.

use std::sync::Arc;

use actix::Message;
use bytes::Bytes;
use callboard_actors::contain::contain;
use callboard_actors::message::Refusal;
use callboard_actors::server::{Arrival, ReplySlot};
use callboard_actors::stream::StreamSide;
use callboard_actors::{Metadata, Status};

use crate::codec::{Codec, EncodedReply, decode_request};
use crate::middleware::CallKind;
use crate::request::{Due, Endpoint, Peer, Request, RequestContext};

/// A message as a handler gets it: what was sent, and what came with it.
pub(crate) trait Delivery:
    Message<Result = Result<<Self as Delivery>::Value, Status>> + Send + 'static
{
    /// What was sent; a caller in this process gets it back when it is refused.
    type Payload: Send + 'static;

    /// What the handler returns on success.
    type Value: Send + 'static;

    /// What its endpoint settles for all of its messages.
    type Terms: Copy + Send + Sync + 'static;

    /// Lives from when the message is queued until it has been answered.
    type Stay: Stay;

    /// What middleware is told that it is.
    const KIND: CallKind;

    /// The name of the endpoint.
    const ENDPOINT: &'static str;

    /// Whether its client sends anything after this.
    fn takes_items() -> bool {
        true
    }

    /// Reads what was sent.
    ///
    /// # Errors
    /// The text says what is wrong with it.
    fn decode(codec: Codec, body: &Bytes) -> Result<Self::Payload, String>;

    /// Puts what was sent together with what came with it.
    ///
    /// # Errors
    /// The text says what is missing.
    fn arrived(
        payload: Self::Payload,
        codec: Codec,
        context: RequestContext,
        stream: Option<Arc<StreamSide>>,
    ) -> Result<Self, String>
    where
        Self: Sized;

    fn context_mut(&mut self) -> &mut RequestContext;

    /// Without having its time begin.
    fn context_ref(&self) -> &RequestContext;

    fn into_payload(self) -> Self::Payload;

    fn stay(&self, terms: Self::Terms) -> Self::Stay;

    /// Answers a caller on another node with a value, and pairs beside it.
    fn reply(slot: &mut ReplySlot, codec: Codec, reply: (&Self::Value, &Metadata));
}

/// What is to be done around the handling of a message.
pub(crate) trait Stay: Send + 'static {
    /// The actor is about to handle it.
    fn begin(&self) {}
}

impl Stay for () {}

/// Decodes straight from the receive buffer; refuses what cannot be decoded.
#[allow(clippy::inline_always, reason = "else the message is moved twice more on its way")]
#[inline(always)]
pub(super) fn decode<M: Delivery>(codec: Codec, arrival: Arrival) -> Option<(M, ReplySlot)> {
    let Arrival { mut reply, deadline, metadata, body, stream } = arrival;
    // The user's `Deserialize` may panic; the connection must not.
    let failure = match contain(|| M::decode(codec, &body)) {
        Ok(Ok(payload)) => {
            let (due, peer) = (Due::At(deadline), Peer::default());
            let context = RequestContext { endpoint: M::ENDPOINT, metadata, due, peer };
            match M::arrived(payload, codec, context, stream) {
                Ok(message) => return Some((message, reply)),
                Err(missing) => missing,
            }
        }
        Ok(Err(error)) => error,
        Err(_) => "decoding it panicked".to_owned(),
    };
    reply.refuse(Refusal::Undecodable, Some(&failure));
    None
}

impl<T: Endpoint> Delivery for Request<T> {
    type Payload = T;
    type Value = T::Reply;
    type Terms = ();
    type Stay = ();

    const KIND: CallKind = CallKind::Request;

    const ENDPOINT: &'static str = T::NAME;

    fn decode(codec: Codec, body: &Bytes) -> Result<T, String> {
        decode_request::<T>(codec, body).map_err(|error| error.to_string())
    }

    fn arrived(
        message: T,
        _: Codec,
        context: RequestContext,
        _: Option<Arc<StreamSide>>,
    ) -> Result<Self, String> {
        Ok(Self::new(message, context))
    }

    fn context_mut(&mut self) -> &mut RequestContext {
        self.context_mut()
    }

    fn context_ref(&self) -> &RequestContext {
        self.context_unread()
    }

    fn into_payload(self) -> T {
        self.into_inner()
    }

    fn stay(&self, (): ()) {}

    fn reply(slot: &mut ReplySlot, codec: Codec, (value, metadata): (&T::Reply, &Metadata)) {
        slot.reply(metadata, &EncodedReply::<T> { codec, value });
    }
}
