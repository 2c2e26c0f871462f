//! Where connections in memory wait to be accepted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::socket::Opening;
use super::{Network, PREFIX};
use crate::transport::{Incoming, Listener, TransportError};

/// Connections that nobody has accepted yet.
pub(super) struct Backlog {
    owner: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Opening>,
    closed: bool,
    acceptor: Option<Waker>,
}

impl Backlog {
    pub(super) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), state: Mutex::default() }
    }

    /// The name under which the listener speaks.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// Adds a connection; false when there is no room or nobody listens.
    pub(super) fn push(&self, opening: Opening) -> bool {
        let mut state = self.state.lock();
        if state.closed || state.waiting.len() >= MOST_WAITING {
            return false;
        }
        state.waiting.push_back(opening);
        let acceptor = state.acceptor.take();
        drop(state);
        if let Some(acceptor) = acceptor {
            acceptor.wake();
        }
        true
    }

    fn close(&self) -> VecDeque<Opening> {
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.waiting)
    }
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Accepts connections on one name until it is dropped.
pub(super) struct MemoryListener {
    network: Arc<Network>,
    name: String,
    backlog: Arc<Backlog>,
}

impl MemoryListener {
    pub(super) fn new(network: Arc<Network>, name: String, backlog: Arc<Backlog>) -> Self {
        Self { network, name, backlog }
    }
}

impl Listener for MemoryListener {
    fn address(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Incoming>, TransportError>> {
        let mut state = self.backlog.state.lock();
        if let Some(opening) = state.waiting.pop_front() {
            return Poll::Ready(Ok(Box::new(opening)));
        }
        state.acceptor = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        self.network.forget(&self.name);
        drop(self.backlog.close());
    }
}

/// Connections that may wait: as many as half-open handshakes are allowed.
const MOST_WAITING: usize = 512;
