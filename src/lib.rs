//! Services are actors: discovery, supervision and fast calls for actix, by service name.
//!
//! A service is a set of supervised actix actors, reachable from any machine by the service's
//! name. On the callboard the actors read who is on, and where.
//!
//! # Serving
//!
//! ```no_run
//! use callboard::prelude::*;
//!
//! #[derive(Debug, Serialize, Deserialize, Endpoint)]
//! #[endpoint(name = "Greeter.Hello", reply = HelloReply)]
//! struct Hello {
//!     name: String,
//! }
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct HelloReply {
//!     greeting: String,
//! }
//!
//! #[derive(Default)]
//! struct Greeter;
//!
//! impl Actor for Greeter {
//!     type Context = Context<Self>;
//! }
//!
//! impl Handler<Request<Hello>> for Greeter {
//!     type Result = Reply<Hello>; // Result<HelloReply, Status>
//!
//!     fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
//!         Ok(HelloReply { greeting: format!("Hello {}", request.name) })
//!     }
//! }
//!
//! fn main() -> Result<(), callboard::Error> {
//!     ServiceSystem::new("greeter")
//!         .version("1.0.0")
//!         .handler(Greeter::default, |h| h.request::<Hello>())
//!         .run() // flags and environment, register, serve, drain on SIGTERM
//! }
//! ```
//!
//! # Calling
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use callboard::prelude::*;
//! # #[derive(Debug, Serialize, Deserialize, Endpoint)]
//! # #[endpoint(name = "Greeter.Hello", reply = String)]
//! # struct Hello { name: String }
//!
//! # async fn example() -> Result<(), callboard::Error> {
//! let system = ServiceSystem::new("greeter.client").start().await?;
//! let greeter = system.service("greeter"); // looks like an actix Addr, reaches any node
//! let reply = greeter.send(Hello { name: "John".into() }).await?;
//! greeter.do_send(Hello { name: "fire and forget".into() });
//! let reply = greeter
//!     .send(Hello { name: "John".into() })
//!     .timeout(Duration::from_millis(200))
//!     .retries(2)
//!     .metadata("trace", "1")
//!     .key("user-42")
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read on
//!
//! | | |
//! |---|---|
//! | [`ServiceSystem`], [`SystemBuilder`], [`SystemContext`] | a node and its client |
//! | [`ServiceRef`], [`CallBuilder`], [`CallError`] | calling |
//! | [`Endpoint`], [`Request`], [`Status`] | what travels |
//! | [`stream`] | conversations: many items both ways |
//! | [`event`] | publish and subscribe |
//! | [`handler::HandlerBuilder`], [`middleware`] | serving |
//! | [`config`] | settings, flags and environment |
//! | [`registry`], [`transport`], [`wire`], [`codec`], [`schema`], [`broker`] | what touches the world |
//! | [`actors`] | the engine: supervision, and everything else that runs in memory |
//! | [`manual`] | the manual: how it all behaves, with every limit |

pub mod broker;
pub mod client;
pub mod codec;
pub mod config;
pub mod debug;
mod error;
pub mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handler;
mod http_client;
pub mod manual;
pub mod middleware;
pub mod prelude;
pub mod registry;
pub mod request;
pub mod schema;
pub mod stream;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transport;
pub mod wire;

pub use callboard_actors as actors;
pub use callboard_actors::broker::{BrokerError, Published};
pub use callboard_actors::client::{CallError, Executed};
pub use callboard_actors::selector::{Filter, Strategy};
pub use callboard_actors::{Context, Deadline, Metadata, Status};
pub use callboard_derive::{Endpoint, Topic};
pub use serde;

pub use self::client::{CallBuilder, ServiceRef};
pub use self::error::Error;
pub use self::event::{Event, PublishBuilder, Topic, TopicRef};
pub use self::request::{Endpoint, Reply, Request};
pub use self::stream::{StreamCall, StreamEndpoint, Streaming};
pub use self::system::{ServiceSystem, SystemBuilder, SystemContext};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
