//! The engine of callboard: everything that runs in memory.
//!
//! Services are actors, and this crate is what keeps them alive and lets them talk: supervision,
//! the registry with its watcher, the selector, connections, calls and serving. It opens no socket,
//! reads no file, no environment and no wall clock other than tokio's, so the whole runtime can be
//! run in memory on paused time. What touches the world is in the crate `callboard`, which most
//! programs use instead; its manual explains both.
//!
//! # Who supervises whom
//!
//! ```text
//! node (root supervisor, one-for-one)
//! ├── watcher                   the last good view of each service   ◀── Registry (port)
//! ├── selector                  which node gets the next call
//! ├── pool                      a supervisor per client arbiter
//! │   └── connection × node     temporary; connects again by itself  ◀── Transport (port)
//! ├── handlers                  a supervisor
//! │   └── user actor × (1, pool size or arbiters), per handler
//! ├── sessions                  a supervisor per arbiter
//! │   └── session × client      temporary; the client connects again
//! ├── acceptor                  hands each new connection to a session
//! ├── subscriptions             a supervisor
//! │   └── announcement × topic  holds a subscription in the registry, with `direct` and `http`
//! └── heartbeat                 holds the registration; last to start, first to stop
//! ```
//!
//! The root starts its children from top to bottom and stops them from bottom to top. Acceptor,
//! sessions and heartbeat exist only in a node that serves something.
//!
//! | child | restart | what a restart loses |
//! |---|---|---|
//! | watcher | permanent | nothing: views and subscribers live in [`registry::WatcherState`] |
//! | selector | permanent | nothing: nodes and health live in [`selector::SelectorState`] |
//! | connection | temporary | calls in flight; each is told whether it may have been executed |
//! | handler | permanent | the user's state, and what the actor was doing |
//! | session | temporary | the requests that came over it are cancelled |
//! | acceptor | permanent | nothing: listener and open connections are kept |
//! | heartbeat | permanent | nothing: it registers again, which renews |
//! | announcement | transient | nothing, likewise |
//!
//! Pools and sessions never give up, however often their children fail. Handlers give up after
//! [more failures](supervisor::Intensity) than 5 in 10 s, which is a failure that the root counts;
//! when the root gives up the node is deregistered, and whoever waits for
//! [`node::NodeRef::ended`] learns why.
//!
//! # Ports
//!
//! | port | what it hides | in memory | contract in code |
//! |---|---|---|---|
//! | [`registry::Registry`] | where nodes are announced and found | [`registry::MemoryRegistry`] | [`testing::registry`] |
//! | [`transport::Transport`] | how messages get there | [`transport::MemoryTransport`] | [`testing::transport`] |
//! | [`broker::Broker`] | how events reach subscribers | [`broker::MemoryBroker`] | [`testing::broker`] |
//! | [`server::HandlerPort`] | the user's types | | |

mod alarms;
pub mod backoff;
mod bell;
pub mod broker;
pub mod client;
pub mod contain;
mod context;
pub mod deadline;
pub mod heartbeat;
pub mod inbox;
mod listener;
pub mod message;
pub mod metadata;
pub mod node;
mod now;
pub mod registry;
pub mod selector;
pub mod server;
mod sorted;
pub mod status;
pub mod stream;
pub mod supervisor;
pub mod testing;
pub mod transport;
mod vitals;
pub mod waiting;

pub use self::backoff::Backoff;
pub use self::context::Context;
pub use self::deadline::Deadline;
pub use self::metadata::Metadata;
pub use self::now::Now;
pub use self::status::Status;
pub use self::supervisor::Supervisor;
pub use self::vitals::{VitalSigns, Vitals};
