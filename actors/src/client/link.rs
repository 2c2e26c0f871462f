//! Connections to one node, one per client arbiter.

/// The connections to one node.
#[derive(Debug, Default)]
pub struct Links;
