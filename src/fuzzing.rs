//! What `tests/fuzz` feeds with arbitrary bytes: one function per target.
//!
//! No part of the API: it is here, behind the feature `fuzzing`, because what is to be fuzzed is
//! private. Each function panics when the bytes break an invariant, and the same functions replay
//! the corpus as an ordinary test (`tests/it/corpus.rs`).
//!
//! What holds for all of them: nothing panics; nothing allocates more than its input justifies;
//! nothing is deeper than its limit; what was read is written and read again as the same.

mod body;
mod door;
mod envelope;
mod frame;
mod http;
mod inbox;
mod session;
mod stage;

pub use self::body::{bson, compact, json, msgpack};
pub use self::door::door;
pub use self::envelope::{json_rpc, proto_rpc};
pub use self::frame::native;
pub use self::inbox::inbox;
pub use self::session::session;

/// Tags and records in Consul.
pub fn consul(bytes: &[u8]) {
    crate::registry::consul::fuzzing::consul(bytes);
}

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of their folders in `tests/fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("bson", bson),
    ("compact", compact),
    ("consul", consul),
    ("door", door),
    ("inbox", inbox),
    ("json", json),
    ("json_rpc", json_rpc),
    ("msgpack", msgpack),
    ("native", native),
    ("proto_rpc", proto_rpc),
    ("session", session),
];
