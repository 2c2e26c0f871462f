//! Every adapter against its port's suite.

mod transport;
