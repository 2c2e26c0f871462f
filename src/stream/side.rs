//! The two sides of a stream, wherever the other one is: on another node, or in this process.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use callboard_actors::Status;
use callboard_actors::client::{CallError, Executed};
use callboard_actors::message::Body;
use callboard_actors::stream::{
    Allowance, ClientStream, Fetched, LocalStream, StreamSide, StreamWindow,
};
use callboard_actors::transport::TransportError;

use super::StreamEndpoint;
use super::local::LocalTalk;
use crate::codec::{CodecError, StreamCodec, length};

/// A stream as its handler has it.
pub(crate) enum ItemSide<T: StreamEndpoint> {
    /// The client is behind a connection.
    Remote(Arc<StreamSide>, StreamCodec<T>),
    /// The client is in this process.
    Local(Arc<LocalStream<T::Item, T::Reply>>),
}

impl<T: StreamEndpoint> ItemSide<T> {
    pub(crate) fn accept(&self, window: StreamWindow) {
        match self {
            Self::Remote(side, _) => side.accept(window),
            Self::Local(stream) => stream.accept(window),
        }
    }

    pub(crate) fn finish(&self) {
        match self {
            Self::Remote(side, _) => side.finish(),
            Self::Local(stream) => stream.finish(),
        }
    }

    pub(super) fn poll_receive(
        &self,
        fetched: &mut Fetched,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<T::Item>, Status>> {
        match self {
            Self::Remote(side, codec) => {
                // Put where it stays: items are large, and moving them up costs more than reading.
                let mut received = Ok(None);
                let read = |body: &[u8]| match codec.decode_item(body) {
                    Ok(item) => received = Ok(Some(item)),
                    Err(error) => received = Err(undecodable::<T>(&error)),
                };
                side.poll_receive(fetched, cx, read).map(|_| received)
            }
            Self::Local(stream) => stream.up.poll_receive(cx).map(Ok),
        }
    }

    pub(super) fn poll_ready(&self, allowance: &mut Allowance, cx: &Context<'_>) -> Poll<bool> {
        match self {
            Self::Remote(side, _) => side.poll_ready(allowance, cx),
            Self::Local(stream) => stream.down.poll_ready(cx),
        }
    }

    pub(super) fn send(
        &self,
        allowance: &mut Allowance,
        reply: T::Reply,
    ) -> Result<(), TransportError> {
        match self {
            Self::Remote(side, codec) => side.send(allowance, &codec.reply(&reply)),
            Self::Local(stream) => {
                let size = length(&reply);
                // What is over takes nothing more, and needs nothing more.
                stream.down.send(reply, size);
                Ok(())
            }
        }
    }
}

impl<T: StreamEndpoint> Clone for ItemSide<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Remote(side, codec) => Self::Remote(Arc::clone(side), *codec),
            Self::Local(stream) => Self::Local(Arc::clone(stream)),
        }
    }
}

/// A stream as its client has it; dropping it cancels it where it is.
pub(super) enum CallSide<T: StreamEndpoint> {
    /// The handler is on another node.
    Remote(ClientStream, StreamCodec<T>),
    /// The handler is in this process.
    Local(LocalTalk<T>),
}

impl<T: StreamEndpoint> CallSide<T> {
    /// The address of the node that is talked to.
    pub(super) fn node(&self) -> &str {
        match self {
            Self::Remote(stream, _) => stream.node(),
            Self::Local(talk) => talk.node(),
        }
    }

    pub(super) fn poll_receive(
        &self,
        fetched: &mut Fetched,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<T::Reply>, CallError>> {
        match self {
            Self::Local(talk) => talk.poll_receive(cx),
            Self::Remote(stream, codec) => {
                // As above.
                let mut received = Ok(None);
                let read = |body: &[u8]| match codec.decode_reply(body) {
                    Ok(item) => received = Ok(Some(item)),
                    Err(error) => received = Err(unreadable::<T>(stream.node(), &error)),
                };
                match ready!(stream.poll_receive(fetched, cx, read)) {
                    Ok(_) => Poll::Ready(received),
                    Err(end) => Poll::Ready(Err(end)),
                }
            }
        }
    }

    /// Resolves when an item may be sent; false when the stream is over or was closed.
    pub(super) fn poll_ready(&self, allowance: &mut Allowance, cx: &Context<'_>) -> Poll<bool> {
        match self {
            Self::Remote(stream, _) => stream.poll_ready(allowance, cx),
            Self::Local(talk) => talk.poll_ready(cx),
        }
    }

    pub(super) fn send(&self, allowance: &mut Allowance, item: T::Item) -> Result<(), CallError> {
        match self {
            Self::Remote(stream, codec) => put(stream.side(), allowance, &codec.item(&item)),
            Self::Local(talk) => {
                talk.send(item);
                Ok(())
            }
        }
    }

    /// No more items come from this side.
    pub(super) fn close(&self) {
        match self {
            Self::Remote(stream, _) => stream.side().close(),
            Self::Local(talk) => talk.close(),
        }
    }
}

#[cold]
fn undecodable<T: StreamEndpoint>(error: &CodecError) -> Status {
    Status::new(T::NAME, 400, error.to_string())
}

#[cold]
fn unreadable<T: StreamEndpoint>(node: &str, error: &CodecError) -> CallError {
    let detail = format!("an item of {node} is not what {} says: {error}", T::NAME);
    CallError::Codec { detail, executed: Executed::Yes }
}

pub(super) fn put(
    side: &StreamSide,
    allowance: &mut Allowance,
    item: &dyn Body,
) -> Result<(), CallError> {
    side.send(allowance, item).map_err(|error| {
        let (detail, executed) = (format!("an item was not sent: {error}"), Executed::Maybe);
        match error {
            TransportError::TooLarge { .. } => CallError::TooLarge { detail, executed },
            _ => CallError::Codec { detail, executed },
        }
    })
}
