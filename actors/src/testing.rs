//! What tests of back-ends and services need.
//!
//! One conformance suite per port: the contract of the port as code, for every adapter, ours and
//! others'.

pub mod registry;
pub mod transport;
