//! Registries that reach the world: the neighbourhood by mDNS, a fixed list, Consul.
//!
//! They implement the engine's port, [`Registry`], whose
//! words are repeated here so that one path names them all.

#[cfg(feature = "consul")]
pub(crate) mod consul;
#[cfg(not(feature = "consul"))]
#[path = "registry/without_consul.rs"]
pub(crate) mod consul;
mod fixed;
mod mdns;
mod snapshot;

pub use callboard_actors::registry::*;

#[cfg(feature = "consul")]
pub use self::consul::{ConsulOptions, ConsulRegistry};
pub use self::fixed::{StaticOptions, StaticRegistry};
pub use self::mdns::{Interfaces, MdnsOptions, MdnsRegistry};
