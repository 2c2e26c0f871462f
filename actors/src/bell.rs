//! Wakes one task, at the least cost for a task that is woken often.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// Holds the waker of a task.
///
/// A task nearly always has the same waker for life, so that one is kept and never taken out:
/// registering it again is a comparison, and ringing wakes it by reference. A task that is polled
/// with another waker after all is woken as [`AtomicWaker`] does it.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    first: OnceLock<Waker>,
    others: AtomicWaker,
    is_moved: AtomicBool,
}

impl Bell {
    /// Registers a task with all bells that wake it; to be called in each poll, before the state
    /// that ringing announces is looked at.
    pub(crate) fn register<'a>(bells: impl IntoIterator<Item = &'a Self>, waker: &Waker) {
        for bell in bells {
            bell.note(waker);
        }
        // With the one in `ring`: either the task sees what was changed before it rang, or whoever
        // rings sees that the task has begun this poll and must be polled again. One is enough for
        // all bells, and each costs as much as two atomic changes.
        fence(Ordering::SeqCst);
    }

    fn note(&self, waker: &Waker) {
        let first = self.first.get_or_init(|| waker.clone());
        if !first.will_wake(waker) {
            self.others.register(waker);
            self.is_moved.store(true, Ordering::SeqCst);
        }
    }

    /// Wakes the task, if it has registered.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if let Some(first) = self.first.get() {
            first.wake_by_ref();
        }
        if self.is_moved.load(Ordering::SeqCst) {
            self.others.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_is_woken_each_time_though_it_registers_once() {
        let (bell, count) = (Bell::default(), Arc::new(Count::default()));
        bell.ring();
        Bell::register([&bell], &Waker::from(Arc::clone(&count)));
        bell.ring();
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_task_that_moved_is_woken_where_it_is() {
        let (bell, old, new) = (Bell::default(), Arc::new(Count::default()), Arc::default());
        Bell::register([&bell], &Waker::from(Arc::clone(&old)));
        Bell::register([&bell], &Waker::from(Arc::<Count>::clone(&new)));
        bell.ring();
        assert_eq!(new.0.load(Ordering::Relaxed), 1);
    }
}
