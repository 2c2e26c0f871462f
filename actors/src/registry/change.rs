//! What happened in a registry.
//!
//! Pure.

use super::Service;

/// Something that happened in a registry.
///
/// The service of a `Created` or `Updated` is the whole version with all its nodes; of a `Deleted`,
/// the version as it last was.
///
/// ```
/// use callboard_actors::registry::{Change, Service, diff};
///
/// let (one, two) = (Service::new("greeter", "1"), Service::new("greeter", "2"));
/// let changes = diff(&[one.clone()], &[two.clone()]);
/// assert_eq!(changes, [Change::Deleted(one), Change::Created(two)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A version appeared.
    Created(Service),
    /// A version's nodes, endpoints or metadata changed.
    Updated(Service),
    /// A version has no nodes any more.
    Deleted(Service),
    /// Everything in the watch's scope; whatever is not in it is gone.
    Resync(Vec<Service>),
}

/// The changes that lead from `before` to `after`, deletions first.
pub fn diff(before: &[Service], after: &[Service]) -> Vec<Change> {
    let gone = before
        .iter()
        .filter(|old| !after.iter().any(|new| new.is_same_version(old)))
        .map(|old| Change::Deleted(old.clone()));
    let present =
        after.iter().filter_map(|new| match before.iter().find(|old| old.is_same_version(new)) {
            None => Some(Change::Created(new.clone())),
            Some(old) if old != new => Some(Change::Updated(new.clone())),
            Some(_) => None,
        });
    gone.chain(present).collect()
}
