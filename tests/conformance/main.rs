//! Every adapter against its port's suite.

mod broker;
#[cfg(feature = "consul")]
mod consul;
mod registry;
mod transport;
