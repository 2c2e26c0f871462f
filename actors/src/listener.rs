//! Counts those who wait for an event, so that nobody is told in vain.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One who waits, for as long as this lives.
pub(crate) struct Listener<'a>(&'a AtomicUsize);

impl<'a> Listener<'a> {
    /// Counts one more; to be called before the awaited state is looked at.
    pub(crate) fn new(listeners: &'a AtomicUsize) -> Self {
        listeners.fetch_add(1, Ordering::SeqCst);
        Self(listeners)
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
