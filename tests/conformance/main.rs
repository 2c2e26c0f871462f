//! Every adapter against its port's suite.

mod broker;
#[cfg(feature = "consul")]
mod consul;
#[path = "../shared/ports.rs"]
mod ports;
mod registry;
mod transport;
