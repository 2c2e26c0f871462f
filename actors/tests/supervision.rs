//! The engine's supervision, contexts and inboxes, seen from outside.

#![allow(clippy::unwrap_used, reason = "this is a test; the lint knows test functions only")]

#[path = "supervision/arbiters.rs"]
mod arbiters;
#[path = "supervision/at_once.rs"]
mod at_once;
#[path = "supervision/backoff.rs"]
mod backoff;
#[path = "supervision/children.rs"]
mod children;
#[path = "supervision/context.rs"]
mod context;
#[path = "supervision/drops.rs"]
mod drops;
#[path = "supervision/due.rs"]
mod due;
#[path = "supervision/escalation.rs"]
mod escalation;
#[path = "supervision/futures.rs"]
mod futures;
#[path = "supervision/inbox.rs"]
mod inbox;
#[path = "supervision/load.rs"]
mod load;
#[path = "supervision/panics.rs"]
mod panics;
#[path = "supervision/requests.rs"]
mod requests;
#[path = "supervision/spares.rs"]
mod spares;
#[path = "supervision/stopping.rs"]
mod stopping;
#[path = "supervision/strategies.rs"]
mod strategies;
#[path = "supervision/world.rs"]
mod world;
