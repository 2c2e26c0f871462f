//! Keeps a panic where it happened.
//!
//! Every piece of an actor's code runs inside [`contain`], so that nothing of it runs while another
//! panic unwinds: a second panic there would abort the process.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// A panic that was caught.
///
/// ```
/// let panic = callboard_actors::contain::contain(|| panic!("no tea")).unwrap_err();
/// assert_eq!(panic.message, "no tea");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// The text given to `panic!`.
    pub message: String,
    /// File and line, known once [`quiet_contained_panics`] has been called.
    pub location: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{} (at {location})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Runs `work` and catches its panic.
///
/// The caller vouches that what `work` touched is either dropped afterwards or unharmed by an
/// interruption at any point.
///
/// # Errors
/// The panic, if there was one.
///
/// ```
/// use callboard_actors::contain::contain;
///
/// let panic = contain(|| panic!("out of {}", "tea")).unwrap_err();
/// assert_eq!(panic.message, "out of tea");
/// ```
#[inline]
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    let outer = DEPTH.replace(DEPTH.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(outer);
    result.map_err(caught)
}

/// What a panic left.
#[cold]
fn caught(payload: Box<dyn Any + Send>) -> Panic {
    let message = text_of(payload.as_ref());
    // A payload may panic in its own drop.
    if panic::catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
        tracing::error!("the payload of a panic panicked when it was dropped");
    }
    // Unknown while the thread ends.
    let location = LOCATION.try_with(RefCell::take).unwrap_or_default();
    Panic { message, location }
}

/// Drops `value`, and catches and logs the panic if that panics.
pub fn contain_drop<T>(what: &str, value: T) {
    if let Err(panic) = contain(|| drop(value)) {
        tracing::error!(%panic, "{what} panicked when it was dropped");
    }
}

/// Makes contained panics print nothing and remember where they happened.
///
/// Replaces the process's panic hook once, and hands every other panic to the hook found there.
/// Contained ones are reported by their supervisor instead, with message and location.
pub fn quiet_contained_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                previous(info);
            } else {
                remember(info);
            }
        }));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    // Only fails while the thread ends, when nobody asks any more.
    let _ = LOCATION.try_with(|known| known.replace(location));
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&'static str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        let panic = contain(|| panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(panic.message, "a panic without a text");
    }

    #[test]
    fn the_location_is_known_once_the_hook_is_installed() {
        quiet_contained_panics();
        let panic = contain(|| panic!("here")).unwrap_err();
        assert!(panic.location.is_some_and(|place| place.contains("contain.rs")));
    }

    #[test]
    fn a_nested_panic_is_caught_by_the_inner_one() {
        let inner = contain(|| contain(|| panic!("inner")));
        assert_eq!(inner.unwrap().unwrap_err().message, "inner");
    }
}
