//! What most programs need: `use callboard::prelude::*;`.

pub use actix::prelude::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, AtomicResponse, Handler, Message,
    MessageResult, Recipient, ResponseActFuture, ResponseFuture, WrapFuture,
};
pub use callboard_actors::supervisor::{Child, Supervisor};
pub use callboard_actors::{Context, Metadata, Status};
pub use callboard_derive::{Endpoint, Topic};
pub use serde::{Deserialize, Serialize};

pub use crate::client::ServiceRef;
pub use crate::event::{Event, Topic};
pub use crate::request::{Endpoint, Reply, Request};
pub use crate::stream::{StreamEndpoint, Streaming};
pub use crate::system::{ServiceSystem, SystemContext};
