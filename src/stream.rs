//! Conversations: many items both ways, between an opening message and an end.

mod builder;
mod call;
mod local;
mod side;

use std::any::TypeId;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use callboard_actors::Status;
use callboard_actors::stream::{Allowance, Fetched};
use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::StreamProtobufCodec;
use crate::request::{RequestContext, context_methods};

pub use self::builder::{Conversation, StreamBuilder};
pub use self::call::{CallReceiver, CallSender, StreamCall};
pub(crate) use self::side::ItemSide;
pub use callboard_actors::stream::StreamWindow;

/// A message that opens a stream; derived with `#[derive(Endpoint)]` and the option `stream`.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(stream, name = "Example.PingPong", item = u64, reply = String)]
/// struct PingPong { limit: u64 }
///
/// assert_eq!(PingPong::NAME, "Example.PingPong");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not open a stream",
    label = "no service can stream with this",
    note = "add `#[derive(Endpoint)]` and `#[endpoint(stream, name = \"Service.Method\", item = …, reply = …)]` to it"
)]
pub trait StreamEndpoint: Serialize + DeserializeOwned + Send + 'static {
    /// What the client sends; `()` when it sends nothing but the opening.
    type Item: Serialize + DeserializeOwned + Send + 'static;

    /// What the handler sends.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// E.g. `Example.PingPong`.
    const NAME: &'static str;

    /// How it is written in protobuf, for types that can be; none by default.
    fn protobuf() -> Option<StreamProtobufCodec<Self>>
    where
        Self: Sized,
    {
        None
    }
}

/// Whether the client of a stream sends anything after the opening.
pub(crate) fn takes_items<T: StreamEndpoint>() -> bool {
    TypeId::of::<T::Item>() != TypeId::of::<()>()
}

/// A stream as a handler gets it: the opening message, and the conversation.
///
/// Dereferences to the opening message. The handler's result ends the stream: `Ok(())`, or a status
/// for the client.
///
/// ```
/// use callboard::prelude::*;
///
/// #[derive(Debug, Serialize, Deserialize, Endpoint)]
/// #[endpoint(stream, name = "Example.Double", item = u64, reply = u64)]
/// struct Double;
///
/// struct Example;
/// impl Actor for Example { type Context = Context<Self>; }
///
/// impl Handler<Streaming<Double>> for Example {
///     type Result = ResponseFuture<Result<(), Status>>;
///     fn handle(&mut self, mut stream: Streaming<Double>, _: &mut Context<Self>) -> Self::Result {
///         Box::pin(async move {
///             while let Some(number) = stream.recv().await? {
///                 stream.send(number * 2).await?;
///             }
///             Ok(())
///         })
///     }
/// }
/// ```
pub struct Streaming<T: StreamEndpoint> {
    opening: T,
    context: RequestContext,
    receiver: ItemReceiver<T>,
    sender: ItemSender<T>,
}

/// What the client of a stream sends.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::stream::ItemReceiver;
///
/// async fn sum<T: StreamEndpoint<Item = u64>>(mut items: ItemReceiver<T>) -> Result<u64, Status> {
///     let mut sum = 0;
///     while let Some(item) = items.recv().await? {
///         sum += item;
///     }
///     Ok(sum)
/// }
/// ```
pub struct ItemReceiver<T: StreamEndpoint> {
    side: ItemSide<T>,
    fetched: Fetched,
}

/// The way to the client of a stream.
///
/// ```
/// use callboard::prelude::*;
/// use callboard::stream::ItemSender;
///
/// async fn count<T: StreamEndpoint<Reply = u64>>(mut sender: ItemSender<T>) -> Result<(), Status> {
///     for number in 0..10 {
///         sender.send(number).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct ItemSender<T: StreamEndpoint> {
    side: ItemSide<T>,
    allowance: Allowance,
}

impl<T: StreamEndpoint> Streaming<T> {
    pub(crate) fn new(opening: T, context: RequestContext, side: ItemSide<T>) -> Self {
        let receiver = ItemReceiver { side: side.clone(), fetched: Fetched::default() };
        let sender = ItemSender { side, allowance: Allowance::default() };
        Self { opening, context, receiver, sender }
    }

    pub(crate) fn side(&self) -> ItemSide<T> {
        self.sender.side.clone()
    }

    pub(crate) fn context_mut(&mut self) -> &mut RequestContext {
        &mut self.context
    }

    pub(crate) fn into_opening(self) -> T {
        self.opening
    }

    /// The next item; `None` when the client sends no more.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// # Errors
    /// 400: the item is not what the endpoint takes. The stream may go on.
    pub async fn recv(&mut self) -> Result<Option<T::Item>, Status> {
        self.receiver.recv().await
    }

    /// Sends an item; waits while the client has not taken enough of what was sent before.
    ///
    /// # Cancellation
    /// Nothing was sent.
    ///
    /// # Errors
    /// The client has gone, or the item cannot be encoded or is too large.
    pub async fn send(&mut self, item: T::Reply) -> Result<(), Status> {
        self.sender.send(item).await
    }

    /// Takes the halves apart, e.g. to send from another task than the one that receives.
    pub fn split(self) -> (T, ItemReceiver<T>, ItemSender<T>) {
        (self.opening, self.receiver, self.sender)
    }

    context_methods!();
}

impl<T: StreamEndpoint> ItemReceiver<T> {
    /// The next item; see [`Streaming::recv`].
    ///
    /// # Errors
    /// 400: the item is not what the endpoint takes. The stream may go on.
    pub async fn recv(&mut self) -> Result<Option<T::Item>, Status> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Result<Option<T::Item>, Status>> {
        self.side.poll_receive(&mut self.fetched, cx)
    }
}

impl<T: StreamEndpoint> ItemSender<T> {
    /// Sends an item; see [`Streaming::send`].
    ///
    /// # Errors
    /// The client has gone, or the item cannot be encoded or is too large.
    pub async fn send(&mut self, item: T::Reply) -> Result<(), Status> {
        if !poll_fn(|cx| self.side.poll_ready(&mut self.allowance, cx)).await {
            return Err(Status::new(T::NAME, 499, "the stream is over"));
        }
        self.side
            .send(&mut self.allowance, item)
            .map_err(|error| Status::internal(T::NAME, format!("an item was not sent: {error}")))
    }
}

impl<T: StreamEndpoint> Stream for ItemReceiver<T> {
    type Item = Result<T::Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Result::transpose)
    }
}

impl<T: StreamEndpoint + Unpin> Stream for Streaming<T> {
    type Item = Result<T::Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(Result::transpose)
    }
}

impl<T: StreamEndpoint> Deref for Streaming<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.opening
    }
}

impl<T: StreamEndpoint> AsRef<RequestContext> for Streaming<T> {
    fn as_ref(&self) -> &RequestContext {
        self.context()
    }
}

impl<T: StreamEndpoint> actix::Message for Streaming<T> {
    type Result = Result<(), Status>;
}

impl<T: StreamEndpoint> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}

impl<T: StreamEndpoint> fmt::Debug for ItemReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemReceiver").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}

impl<T: StreamEndpoint> fmt::Debug for ItemSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").field("endpoint", &T::NAME).finish_non_exhaustive()
    }
}
