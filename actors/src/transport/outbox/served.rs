//! Requests of the peer, as far as its connection counts them.

use std::sync::atomic::Ordering;

use super::{Outbox, State};
use crate::listener::Listener;
use crate::message::Outgoing;
use crate::transport::TransportError;

impl Outbox {
    /// Counts requests in; how many were unanswered before.
    pub(crate) fn accepted(&self, requests: usize) -> usize {
        let _state = self.state.lock();
        let before = self.unanswered();
        self.figures.unanswered.store(before + requests, Ordering::Release);
        before
    }

    /// Answers a request, and counts it out if the answer could be encoded.
    pub(crate) fn answer_request(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        let is_last = {
            let mut state = self.state.lock();
            self.encode(&mut state, message)?;
            self.count_out(&state)
        };
        self.schedule();
        if is_last {
            self.tell_listeners();
        }
        Ok(())
    }

    /// Counts out a request that no answer is sent to.
    pub(crate) fn answered(&self) {
        let is_last = self.count_out(&self.state.lock());
        if is_last {
            self.tell_listeners();
        }
    }

    /// Requests accepted and not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.figures.unanswered.load(Ordering::Acquire)
    }

    /// Whether nothing is unanswered now; the lock makes counting one step.
    fn count_out(&self, _: &State) -> bool {
        let left = self.unanswered().saturating_sub(1);
        self.figures.unanswered.store(left, Ordering::Release);
        left == 0
    }

    /// Resolves when the connection is over, or when nothing of the peer's is unanswered and all
    /// answers have been written.
    pub(crate) async fn settled(&self) {
        let is_settled =
            |_: &State| !self.figures.is_dirty.load(Ordering::Acquire) && self.unanswered() == 0;
        self.until(is_settled).await;
    }

    /// Resolves when the connection is over.
    pub(crate) async fn ended(&self) {
        self.until(|_| false).await;
    }

    /// Resolves when the connection is over, or `is_so`.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let _listener = Listener::new(&self.figures.listeners);
        loop {
            let notified = self.settled.notified();
            {
                let state = self.state.lock();
                if state.is_over || is_so(&state) {
                    return;
                }
            }
            notified.await;
        }
    }

    /// To be called after what they wait for may have changed, under the lock.
    pub(super) fn tell_listeners(&self) {
        // Whoever was not counted yet when the lock was released looks at the state after that.
        if self.figures.listeners.load(Ordering::SeqCst) > 0 {
            self.settled.notify_waiters();
        }
    }
}
