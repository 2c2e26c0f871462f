//! Every adapter against its port's suite.

#[cfg(feature = "consul")]
mod consul;
mod registry;
mod transport;
