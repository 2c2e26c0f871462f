//! What happened in a registry.
//!
//! Pure.

use super::Service;

/// Something that happened in a registry.
///
/// A service stands for the nodes that are in it and for no others; its metadata and endpoints are
/// those that the version has now. A back-end that is told of each change passes it on; one that
/// has whole lists only says `Resync` each time, or what
/// [`Catalogue::changes_since`](super::Catalogue::changes_since) makes of two of them.
///
/// ```
/// use callboard_actors::registry::{Catalogue, Change, NodeInfo, Service};
///
/// let of = |node: &str| Service::new("greeter", "1").node(NodeInfo::new(node, "127.0.0.1:9000"));
/// let mut known = Catalogue::default();
/// known.apply(Change::Resync(vec![of("a")]));
/// known.apply(Change::Created(of("b")));
/// assert_eq!(known.versions()[0].len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These nodes came.
    Created(Service),
    /// These nodes changed, or metadata or endpoints of their version; then there may be no node.
    Updated(Service),
    /// These nodes, as they last were, are gone; all of the version if there is no node.
    Deleted(Service),
    /// Everything in the watch's scope; whatever is not in it is gone.
    Resync(Vec<Service>),
}
