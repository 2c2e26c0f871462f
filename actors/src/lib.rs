//! The engine of callboard: everything that runs in memory.

pub mod backoff;
pub mod client;
pub mod contain;
mod context;
pub mod deadline;
pub mod heartbeat;
pub mod inbox;
pub mod message;
pub mod metadata;
pub mod node;
pub mod registry;
pub mod selector;
pub mod server;
pub mod status;
pub mod supervisor;
pub mod testing;
pub mod transport;
mod vitals;

pub use self::backoff::Backoff;
pub use self::context::Context;
pub use self::deadline::Deadline;
pub use self::metadata::Metadata;
pub use self::status::Status;
pub use self::supervisor::Supervisor;
pub use self::vitals::{VitalSigns, Vitals};
