//! Calling.

pub mod link;
