//! What an actor finds in its context, put there by whoever supervises it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Values of different types; cheap to clone, and nothing at all when there are none.
#[derive(Clone, Default)]
pub(crate) struct Provided {
    values: Option<Arc<Vec<Box<dyn Any + Send + Sync>>>>,
}

impl Provided {
    /// Adds a value; of two of one type the first is found.
    pub(crate) fn with(self, value: impl Any + Send + Sync) -> Self {
        let mut values = self.values.and_then(Arc::into_inner).unwrap_or_default();
        values.push(Box::new(value));
        Self { values: Some(Arc::new(values)) }
    }

    pub(super) fn find<T: Any>(&self) -> Option<&T> {
        self.values.as_ref()?.iter().find_map(|value| value.downcast_ref())
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.values.as_ref().map_or(0, |values| values.len());
        f.debug_tuple("Provided").field(&count).finish()
    }
}
