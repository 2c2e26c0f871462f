//! Where the two sides of an HTTP connection meet: what hyper calls, and what the engine polls.
//!
//! Both run in one task, so the lock is never contended; it is there because a connection may be
//! handed to another thread before it begins.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Message, RequestId, Route, RouteSlot};
use parking_lot::Mutex;

/// A request, understood.
pub(super) struct Asked {
    pub(super) route: Route,
    pub(super) time_left: Duration,
    pub(super) metadata: Metadata,
    pub(super) body: Bytes,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, between two requests.
    Idle,
    /// The head of a request is arriving.
    Head,
    /// A request is being read or handled.
    Asked,
}

#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
}

struct State {
    arrived: VecDeque<Message>,
    /// To the one request that is handled at a time.
    answer: Option<Message>,
    routes: HashMap<Route, RouteSlot>,
    requests: u64,
    phase: Phase,
    /// Changes with each phase, so that two of a kind are told apart.
    turn: u64,
    is_draining: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            arrived: VecDeque::new(),
            answer: None,
            routes: HashMap::new(),
            requests: 0,
            phase: Phase::Idle,
            turn: 0,
            is_draining: false,
        }
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.turn += 1;
    }
}

impl Desk {
    /// Hands a request to the engine and waits for its answer; none when the connection has asked
    /// for too many different things.
    ///
    /// # Cancellation
    /// The request is cancelled.
    pub(super) async fn ask(self: &Arc<Self>, asked: Asked) -> Option<Message> {
        let waiting = self.send(asked)?;
        // No waker is needed: the engine polls the connection after it has answered.
        let answer = poll_fn(|_| match self.state.lock().answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        });
        let answer = answer.await;
        waiting.forget();
        Some(answer)
    }

    fn send(self: &Arc<Self>, asked: Asked) -> Option<Waiting> {
        let Asked { route, time_left, metadata, body } = asked;
        let mut state = self.state.lock();
        let (slot, define) = if let Some(slot) = state.routes.get(&route) {
            (*slot, None)
        } else {
            let next = u32::try_from(state.routes.len()).ok()?;
            if next >= RouteSlot::MAX {
                return None;
            }
            let slot = RouteSlot(next);
            state.routes.insert(route.clone(), slot);
            (slot, Some(Box::new(route)))
        };
        state.requests += 1;
        let id = RequestId(state.requests);
        state.arrived.push_back(Message::Request {
            id,
            one_way: false,
            stream: false,
            route: slot,
            define,
            time_left: Some(time_left),
            metadata,
            body,
        });
        Some(Waiting { desk: Some(Arc::clone(self)), id })
    }

    pub(super) fn arrive(&self, message: Message) {
        self.state.lock().arrived.push_back(message);
    }

    pub(super) fn take_arrived(&self, messages: &mut Vec<Message>) {
        messages.extend(self.state.lock().arrived.drain(..));
    }

    pub(super) fn has_arrived(&self) -> bool {
        !self.state.lock().arrived.is_empty()
    }

    /// Takes the engine's answer, unless nobody waits for it any more.
    pub(super) fn answer(&self, message: Message) {
        let mut state = self.state.lock();
        let of = match &message {
            Message::Reply { id, .. } | Message::Status { id, .. } => id.0,
            _ => return,
        };
        if of == state.requests && state.phase == Phase::Asked {
            state.answer = Some(message);
        }
    }

    /// Bytes have been read.
    pub(super) fn heard(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head);
        }
    }

    /// A head has been read whole.
    pub(super) fn begin(&self) {
        self.state.lock().enter(Phase::Asked);
    }

    /// An answer has been given.
    pub(super) fn end(&self) {
        self.state.lock().enter(Phase::Idle);
    }

    pub(super) fn phase(&self) -> (Phase, u64) {
        let state = self.state.lock();
        (state.phase, state.turn)
    }

    pub(super) fn drain(&self) {
        self.state.lock().is_draining = true;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.lock().is_draining
    }

    /// Whether a node that drains may close the connection: it has had a request, and has none.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state.lock();
        // A connection that is new may be a load balancer's, which asks whether the node is ready.
        state.is_draining && state.phase == Phase::Idle && state.turn > 0
    }
}

/// Cancels the request when nobody waits for its answer any more.
struct Waiting {
    desk: Option<Arc<Desk>>,
    id: RequestId,
}

impl Waiting {
    fn forget(mut self) {
        self.desk = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.arrive(Message::Cancel { id: self.id });
        }
    }
}
