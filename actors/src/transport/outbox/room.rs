//! Waiting for room on a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{NotSent, Outbox};

/// Waits for room on a connection; first come, first served.
pub(crate) struct Room<'a> {
    pub(super) outbox: &'a Outbox,
    /// Its place among the waiters.
    pub(super) place: Option<u64>,
}

impl Future for Room<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.outbox.state.lock();
        if !matches!(state.check_room(), Err(NotSent::Full)) {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            state.last_waiter += 1;
            state.last_waiter
        });
        state.waiters.insert(place, cx.waker().clone());
        drop(state);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = self.outbox.state.lock();
        if state.waiters.remove(&place).is_none() && !state.is_over {
            // It was woken and may not make use of it: the next one's turn.
            state.wake_waiters(1);
        }
    }
}
