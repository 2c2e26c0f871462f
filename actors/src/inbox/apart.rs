//! Values that lie apart from others, as processors see memory.

use std::ops::Deref;

/// On cache lines of its own.
///
/// Where an actor and its callers are on two processors, the lines of what one side changes go back
/// and forth, and what the other side only reads is not to go with them.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Apart<T>(T);

impl<T> Apart<T> {
    pub(super) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
