//! Who calls.

use std::cell::Cell;
use std::sync::Arc;

use callboard_actors::transport::Hello;

/// Who calls, as far as it is known; counts as a reference on it.
///
/// A reference that is given up is kept by its thread for the next one: requests of one caller follow
/// each other, and counting a reference that other threads count too costs as much as decoding a small
/// request. A thread so keeps what the latest caller said of itself, be it gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Option<Arc<Hello>>);

impl Peer {
    pub(crate) fn of(hello: &Arc<Hello>) -> Self {
        let mut peer = Self::default();
        peer.set(hello);
        peer
    }

    #[inline]
    pub(crate) fn set(&mut self, hello: &Arc<Hello>) {
        let latest = LATEST.try_with(Cell::take).ok().flatten();
        let known = latest.filter(|latest| Arc::ptr_eq(latest, hello));
        self.0 = Some(known.unwrap_or_else(|| Arc::clone(hello)));
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn hello(&self) -> Option<&Hello> {
        self.0.as_deref()
    }
}

impl Drop for Peer {
    #[inline]
    fn drop(&mut self) {
        if let Some(hello) = self.0.take() {
            // Not while the thread ends.
            let _ = LATEST.try_with(|latest| latest.set(Some(hello)));
        }
    }
}

thread_local! {
    static LATEST: Cell<Option<Arc<Hello>>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_one_reference_and_takes_it_for_no_other_caller() {
        let callers = ["a", "b"].map(|node| Arc::new(Hello::new("greeter", node, 1)));
        let counts = || callers.each_ref().map(Arc::strong_count);
        let first = Peer::of(&callers[0]);
        assert_eq!((counts(), first.hello()), ([2, 1], Some(&*callers[0])));
        drop(first);
        assert_eq!(counts(), [2, 1], "it is kept");
        let (second, third) = (Peer::of(&callers[0]), Peer::of(&callers[0]));
        assert_eq!(counts(), [3, 1], "and used once");
        drop((second, third));
        assert_eq!(counts(), [2, 1]);
        let other = Peer::of(&callers[1]);
        assert_eq!((counts(), other.hello()), ([1, 2], Some(&*callers[1])));
    }
}
