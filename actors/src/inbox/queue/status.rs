//! What is asked of an inbox by those who do not know its actor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::Actor;
use tokio::time::Instant;

use super::Shared;
use crate::inbox::InboxStatus;
use crate::listener::Listener;
use crate::now::Now;

impl<A: Actor + 'static> InboxStatus for Shared<A> {
    fn queued(&self) -> usize {
        self.counts.queued.load(Ordering::Relaxed)
    }

    fn pending(&self) -> usize {
        self.count_pending()
    }

    fn head_age(&self, now: Instant) -> Option<Duration> {
        self.head_age_at(now)
    }

    fn is_here(&self) -> bool {
        self.is_at_home()
    }

    fn begin(&self, now: Instant) {
        self.begin_queued(&now.into());
    }

    fn cancel(&self, origin: u64, id: Option<u64>) {
        if self.pending() > 0 {
            {
                let mut queue = self.queue.lock();
                queue.cancels.add(origin, id);
                self.has_cancels.store(true, Ordering::Release);
            }
            self.bell.ring();
        }
    }

    fn idle(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _listener = Listener::new(&self.listeners);
            loop {
                let notified = self.idle.notified();
                if self.pending() == 0 {
                    return;
                }
                notified.await;
            }
        })
    }
}

impl<A: Actor> Shared<A> {
    /// Has the time of what is in the queue run, unless it does already.
    pub(in crate::inbox) fn begin_queued(&self, now: &Now) {
        // Whoever asks queued its own before, and so finds it unless it has been taken.
        if !self.counts.has_fresh.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue.lock();
        self.counts.has_fresh.store(false, Ordering::Release);
        let begun = queue.begun;
        queue.entries.range_mut(begun..).for_each(|entry| entry.begin(now));
        queue.begun = queue.entries.len();
    }
}

/// Tells the present thread from all others that live.
pub(super) fn place() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}
