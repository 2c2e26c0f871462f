//! Streams on their way to an actor, and to their end.

use std::sync::Arc;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::server::ReplySlot;
use callboard_actors::stream::{StreamSide, StreamWindow};

use super::delivery::{Delivery, Stay};
use crate::codec::{Codec, StreamCodec};
use crate::middleware::CallKind;
use crate::request::RequestContext;
use crate::stream::{ItemSide, StreamEndpoint, Streaming, takes_items};

/// A stream as long as its handler has to do with it.
pub(crate) struct StreamStay<T: StreamEndpoint> {
    side: ItemSide<T>,
    /// What its client may send ahead.
    window: StreamWindow,
}

impl<T: StreamEndpoint> Stay for StreamStay<T> {
    fn begin(&self) {
        self.side.accept(self.window);
    }
}

impl<T: StreamEndpoint> Drop for StreamStay<T> {
    /// Whoever still holds the stream sees that it is over.
    fn drop(&mut self) {
        self.side.finish();
    }
}

impl<T: StreamEndpoint> Delivery for Streaming<T> {
    type Payload = T;
    type Value = ();
    type Terms = StreamWindow;
    type Stay = StreamStay<T>;

    const KIND: CallKind = CallKind::Stream;

    const ENDPOINT: &'static str = T::NAME;

    fn takes_items() -> bool {
        takes_items::<T>()
    }

    fn decode(codec: Codec, body: &Bytes) -> Result<T, String> {
        StreamCodec::new(codec).decode_opening(body).map_err(|error| error.to_string())
    }

    fn arrived(
        opening: T,
        codec: Codec,
        context: RequestContext,
        stream: Option<Arc<StreamSide>>,
    ) -> Result<Self, String> {
        let side = stream.ok_or_else(|| "it does not open a stream".to_owned())?;
        Ok(Self::new(opening, context, ItemSide::Remote(side, StreamCodec::new(codec))))
    }

    fn context_mut(&mut self) -> &mut RequestContext {
        self.context_mut()
    }

    fn context_ref(&self) -> &RequestContext {
        self.context_unread()
    }

    fn into_payload(self) -> T {
        self.into_opening()
    }

    fn stay(&self, window: StreamWindow) -> StreamStay<T> {
        StreamStay { side: self.side(), window }
    }

    /// The end of a stream that ended well says no more than that.
    fn reply(slot: &mut ReplySlot, _: Codec, _: (&(), &Metadata)) {
        slot.reply(&Metadata::new(), &Bytes::new());
    }
}
