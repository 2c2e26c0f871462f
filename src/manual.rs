//! The manual: how callboard behaves, and what it promises.
//!
//! | page | |
//! |---|---|
//! | [`architecture`] | the parts, who supervises whom, a request's way, the invariants |
//! | [`supervision`] | restarts, what they lose, in which order, when a supervisor gives up |
//! | [`calling`] | errors, retries, deadlines, cancellation, order |
//! | [`serving`] | endpoints, placement, overload, middleware, hooks, draining |
//! | [`codecs`] | which codec a call uses, and what happens when types differ |
//! | [`streams`] | opening, ends, how much is under way |
//! | [`events`] | publish and subscribe: who gets what, what brokers guarantee |
//! | [`discovery`] | registries, outages, how a node is chosen, health |
//! | [`wire`] | what two nodes say to each other |
//! | [`http`] | the same port for curl, programs and Go Micro |
//! | [`stubs`] | types from `.proto` files |
//! | [`configuration`] | every setting |
//! | [`limits`] | every limit: its value, how to change it, what happens there |
//! | [`testing`] | a service under test, with faults |
//! | [`back_ends`] | a registry, a transport or a broker of your own |
//!
//! # What there is not yet
//!
//! HTTP/2 and websockets, registries beyond multicast DNS, a written list and Consul, brokers beyond
//! the three built in, TLS, metrics and a command come later. Nothing in this manual speaks of them
//! as if they were there.

#[doc = include_str!("manual/architecture.md")]
pub mod architecture {}

#[doc = include_str!("manual/supervision.md")]
pub mod supervision {}

#[doc = include_str!("manual/calling.md")]
pub mod calling {}

#[doc = include_str!("manual/serving.md")]
pub mod serving {}

#[doc = include_str!("manual/codecs.md")]
pub mod codecs {}

#[doc = include_str!("manual/streams.md")]
pub mod streams {}

#[doc = include_str!("manual/events.md")]
pub mod events {}

#[doc = include_str!("manual/discovery.md")]
pub mod discovery {}

#[doc = include_str!("manual/wire.md")]
pub mod wire {}

#[doc = include_str!("manual/http.md")]
pub mod http {}

#[doc = include_str!("manual/stubs.md")]
pub mod stubs {}

#[doc = include_str!("manual/configuration.md")]
pub mod configuration {}

#[doc = include_str!("manual/limits.md")]
pub mod limits {}

#[doc = include_str!("manual/testing.md")]
pub mod testing {}

#[doc = include_str!("manual/back_ends.md")]
pub mod back_ends {}
