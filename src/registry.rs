//! Registries that reach the world: the neighbourhood by mDNS, and a fixed list.
//!
//! They implement the engine's port, [`Registry`], whose
//! words are repeated here so that one path names them all.

mod fixed;
mod mdns;
mod snapshot;

pub use callboard_actors::registry::*;

pub use self::fixed::{StaticOptions, StaticRegistry};
pub use self::mdns::{Interfaces, MdnsOptions, MdnsRegistry};
