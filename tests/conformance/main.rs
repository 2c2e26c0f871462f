//! Every adapter against its port's suite.

#[cfg(feature = "consul")]
mod consul;
mod broker;
mod registry;
mod transport;
