//! How much an inbox takes, and what it refuses.

/// Limits of an inbox.
///
/// ```
/// use callboard_actors::inbox::InboxOptions;
///
/// assert_eq!(InboxOptions::default().capacity, 1024);
/// ```
#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// Requests that may wait; one more is refused as overloaded. Default 1,024.
    pub capacity: usize,
    /// Which one is refused when there is no room.
    pub overflow: Overflow,
    /// For each endpoint, how many of its requests may be handled at the same time.
    ///
    /// Empty, or `usize::MAX` for an endpoint: no limit; 0 is taken as 1. What exceeds it waits in
    /// the queue.
    pub concurrency: Vec<usize>,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self { capacity: 1024, overflow: Overflow::default(), concurrency: Vec::new() }
    }
}

/// Which request is refused when a queue is full.
///
/// ```
/// use callboard_actors::inbox::Overflow;
///
/// assert_eq!(Overflow::default(), Overflow::RefuseNewest);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The one that comes: who was first is served first. The default.
    #[default]
    RefuseNewest,
    /// The one that has waited longest, for what is of less use the older it is.
    RefuseOldest,
}
