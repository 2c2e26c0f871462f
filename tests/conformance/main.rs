//! Every adapter against its port's suite.

mod registry;
mod transport;
