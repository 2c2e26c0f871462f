//! The present, for those who rarely need it.

use std::cell::Cell;

use tokio::time::Instant;

/// The present, read from the clock when somebody first asks, and the same from then on.
///
/// Reading the clock costs about as much as everything else that a pick does.
///
/// ```
/// use callboard_actors::Now;
///
/// let now = Now::unread();
/// assert_eq!(now.instant(), now.instant());
/// ```
#[derive(Debug)]
pub struct Now(Cell<Option<Instant>>);

impl Now {
    /// The clock will be read when it is needed.
    pub const fn unread() -> Self {
        Self(Cell::new(None))
    }

    /// The moment itself.
    pub fn instant(&self) -> Instant {
        self.0.get().unwrap_or_else(|| {
            let now = Instant::now();
            self.0.set(Some(now));
            now
        })
    }
}

/// It has been read already.
impl From<Instant> for Now {
    fn from(now: Instant) -> Self {
        Self(Cell::new(Some(now)))
    }
}
