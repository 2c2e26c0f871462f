//! Selecting a node.
