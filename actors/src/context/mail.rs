//! An actor's mailbox, looked into only when something has come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use actix::dev::Envelope;
use actix::dev::channel::{AddressReceiver, AddressSender};
use actix::prelude::Actor;
use futures_core::Stream;

use super::seed::Control;

/// A mailbox that tells its runner by the runner's own bell.
///
/// Looking into an empty one registers a waker, which costs two atomic changes and more: for a turn
/// that handles a single request that is a good part of the whole.
pub(crate) struct Mail<A: Actor> {
    receiver: AddressReceiver<A>,
    control: Arc<Control>,
    /// Of the control.
    waker: Waker,
}

impl<A: Actor> Mail<A> {
    pub(crate) fn new(receiver: AddressReceiver<A>, control: &Arc<Control>) -> Self {
        let (control, waker) = (Arc::clone(control), Waker::from(Arc::clone(control)));
        Self { receiver, control, waker }
    }

    pub(super) fn sender(&self) -> AddressSender<A> {
        self.receiver.sender()
    }

    /// Whether there is certainly nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        !self.control.has_mail.load(Ordering::Acquire)
    }

    /// The next message; when there is none, the bell rings once there is.
    pub(super) fn next(&mut self) -> Option<Envelope<A>> {
        if self.is_empty() {
            return None;
        }
        // Before it is looked for: what comes while it is being looked for sets it again.
        self.control.has_mail.store(false, Ordering::Release);
        let mut cx = TaskContext::from_waker(&self.waker);
        let next = Pin::new(&mut self.receiver).poll_next(&mut cx);
        if next.is_ready() {
            self.control.has_mail.store(true, Ordering::Release);
        }
        match next {
            Poll::Ready(envelope) => envelope,
            Poll::Pending => None,
        }
    }
}

impl Wake for Control {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_mail.store(true, Ordering::Release);
        self.bell.ring();
    }
}
