//! Services are actors: discovery, supervision and fast calls for actix, by service name.

pub mod client;
pub mod codec;
pub mod config;
mod error;
pub mod handler;
pub mod middleware;
pub mod prelude;
pub mod registry;
pub mod request;
mod system;
pub mod transport;
pub mod wire;

pub use callboard_actors as actors;
pub use callboard_actors::client::{CallError, Executed};
pub use callboard_actors::selector::{Filter, Strategy};
pub use callboard_actors::{Context, Deadline, Metadata, Status};
pub use callboard_derive::Endpoint;
pub use serde;

pub use self::client::{CallBuilder, ServiceRef};
pub use self::error::Error;
pub use self::request::{Endpoint, Reply, Request};
pub use self::system::{ServiceSystem, SystemBuilder};
