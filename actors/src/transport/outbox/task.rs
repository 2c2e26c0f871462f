//! What the connection's own task does with its outbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use tokio::time::Instant;

use super::Outbox;
use crate::transport::{Batch, TransportError};

impl Outbox {
    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
        // What is sent during this poll is flushed at its end; nobody needs to wake the task.
        self.is_scheduled.store(true, Ordering::Release);
    }

    /// Lets the time run of calls that came since the last poll; the earliest deadline of all.
    pub(crate) fn stamp(&self, now: Instant) -> Option<Instant> {
        self.state.lock().calls.stamp(now)
    }

    /// Moves what is queued into the empty `batch`; false when there is nothing.
    pub(crate) fn take(&self, batch: &mut Batch, now: Instant) -> bool {
        self.is_scheduled.store(false, Ordering::Release);
        let mut state = self.state.lock();
        // Also what came after the poll had begun: nothing is written whose time does not run.
        state.calls.stamp(now);
        if let Some(encoder) = &mut state.encoder {
            encoder.take(batch);
        }
        self.figures.queued.store(0, Ordering::Release);
        let room = state.max_in_flight.saturating_sub(state.calls.len());
        state.wake_waiters(room);
        if !state.item_waiters.is_empty() {
            std::mem::take(&mut state.item_waiters).into_values().for_each(Waker::wake);
        }
        !batch.is_empty()
    }

    /// Has the task woken by what is sent from now on, although it cannot take it yet: the time
    /// of a call must run even while the peer does not read.
    pub(crate) fn wait(&self, now: Instant) {
        self.is_scheduled.store(false, Ordering::Release);
        self.stamp(now);
    }

    /// Notes that all that was queued has been written.
    pub(crate) fn flushed(&self) {
        if !self.figures.is_dirty.load(Ordering::Acquire) {
            return;
        }
        {
            let state = self.state.lock();
            if state.queued() > 0 {
                return;
            }
            self.figures.is_dirty.store(false, Ordering::Release);
        }
        self.tell_listeners();
    }

    /// Gives back what only a busy connection needs.
    pub(crate) fn rest(&self) {
        let mut state = self.state.lock();
        if let Some(encoder) = &mut state.encoder {
            encoder.rest();
        }
        state.calls.rest();
    }

    /// Whether it was told to close and nothing is under way in either direction.
    pub(crate) fn may_close(&self) -> bool {
        self.is_closing.load(Ordering::Acquire) && self.unanswered() == 0 && self.in_flight() == 0
    }

    /// Bytes that wait to be taken.
    pub(crate) fn queued(&self) -> usize {
        self.figures.queued.load(Ordering::Acquire)
    }

    /// Ends the connection for everybody who waits on it; `written` as in
    /// [`Socket::written`](crate::transport::Socket::written). Repeating it changes nothing.
    pub(crate) fn fail(&self, written: u64, error: TransportError) {
        let mut wakers = Vec::new();
        {
            let mut state = self.state.lock();
            if state.is_over {
                return;
            }
            let error = Arc::new(error);
            state.calls.fail_all(written, &error, Instant::now(), &mut wakers);
            self.figures.in_flight.store(0, Ordering::Release);
            state.is_over = true;
            // Nothing of it is written any more, and the next connection brings its own.
            state.encoder = None;
            self.figures.queued.store(0, Ordering::Release);
            wakers.extend(std::mem::take(&mut state.waiters).into_values());
            wakers.extend(std::mem::take(&mut state.item_waiters).into_values());
        }
        wakers.into_iter().for_each(Waker::wake);
        self.streams.finish_all();
        self.tell_listeners();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::client::CallTarget;
    use crate::message::BodyForm;
    use crate::metadata::Metadata;
    use crate::transport::OwnedMessages;
    use crate::transport::in_flight::{Answer, Patience};
    use crate::transport::outbox::{OutgoingCall, Ticket};

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_a_connection_that_broke() {
        let outbox = Arc::new(Outbox::new("memory:a"));
        outbox.open(Box::new(OwnedMessages::new(1024)), 8);
        let call = OutgoingCall {
            target: &CallTarget {
                endpoint: "Echo.Say",
                content_type: "text/plain",
                is_idempotent: false,
            },
            patience: Patience::Unlimited,
            time_left: None,
            metadata: &Metadata::new(),
            body: &Bytes::from_static(b"hi"),
            form: BodyForm::PREFERRED,
        };
        let [one, other] = [(); 2].map(|()| {
            let sent = outbox.call(&call, None, None).unwrap();
            Ticket::new(&outbox, sent)
        });
        assert!(outbox.queued() > 0);
        outbox.fail(0, TransportError::Closed);
        assert_eq!(outbox.queued(), 0);
        assert!(outbox.state.lock().encoder.is_none());
        assert!(matches!(one.await, Answer::Failed(_)));
        assert!(!outbox.state.lock().calls.is_at_rest(), "an answer has not been taken");
        drop(other);
        assert!(outbox.state.lock().calls.is_at_rest());
    }
}
