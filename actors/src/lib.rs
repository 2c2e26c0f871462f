//! The engine of callboard: everything that runs in memory.

pub mod client;
pub mod deadline;
pub mod message;
pub mod metadata;
pub mod registry;
pub mod selector;
pub mod status;
pub mod testing;
pub mod transport;

pub use self::deadline::Deadline;
pub use self::metadata::Metadata;
pub use self::status::Status;
