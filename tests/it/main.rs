//! The public API, from a user's side.

#![allow(clippy::large_futures, reason = "a test may take up its stack")]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "handlers are described as the manual shows it"
)]

mod across;
mod annotated;
mod answers;
mod at_once;
mod attempts;
mod bson_rpc;
mod calls;
mod cancellation;
mod codecs;
#[cfg(feature = "fuzzing")]
mod corpus;
mod debug;
mod derive;
mod errors;
mod events;
mod evolution;
mod failures;
mod go_micro_client;
mod go_micro_events;
mod go_micro_server;
mod hooks;
mod http;
mod inside;
mod limits;
mod middleware;
mod nodes;
mod older_peer;
mod panics;
mod parrot;
mod placement;
#[path = "../shared/ports.rs"]
mod ports;
mod raw;
mod registration;
mod retries;
mod runtimes;
mod selectors;
mod settings;
mod shortcut;
mod spoken;
mod stage;
mod streams;
