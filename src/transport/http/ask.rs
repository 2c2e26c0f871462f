//! Where the two sides of an HTTP connection meet: what hyper calls, and what the engine polls.
//!
//! Both run in one task, so the lock is never contended; it is there because a connection may be
//! handed to another thread before it begins.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use callboard_actors::Metadata;
use callboard_actors::message::{Message, RequestId, Route, RouteSlot};
use callboard_actors::server::Server;
use hyper::HeaderMap;
use parking_lot::Mutex;

use super::go_micro::GoMicro;
use super::host::Host;

/// What is called, and in which content type.
pub(super) struct Called {
    pub(super) endpoint: String,
    pub(super) content_type: Cow<'static, str>,
}

/// A request, understood.
pub(super) struct Asked {
    pub(super) called: Called,
    /// None when the client said nothing of it.
    pub(super) time_left: Option<Duration>,
    pub(super) metadata: Metadata,
    pub(super) body: Bytes,
}

/// The first message of a stream, which takes the whole connection.
pub(super) struct Opening {
    pub(super) talk: GoMicro,
    pub(super) asked: Asked,
    pub(super) headers: HeaderMap,
    /// Whether items follow.
    pub(super) takes_items: bool,
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
    /// Whose connection it is.
    server: OnceLock<Arc<Server>>,
    is_draining: AtomicBool,
}

struct State {
    arrived: VecDeque<Message>,
    /// To the one request that is handled at a time.
    answer: Option<Message>,
    routes: HashMap<Route, RouteSlot>,
    /// The one used last, which as a rule is used again.
    recent: Option<(Route, RouteSlot)>,
    requests: u64,
    phase: Phase,
    /// The next request has begun to arrive while this one, read to its end, is handled.
    has_next: bool,
    is_read: bool,
    /// Changes with each phase, so that two of a kind are told apart.
    turn: u64,
    /// Answers given, and how many of them the client has been sent.
    answered: u64,
    flushed: u64,
    opening: Option<Box<Opening>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            arrived: VecDeque::new(),
            answer: None,
            routes: HashMap::new(),
            recent: None,
            requests: 0,
            phase: Phase::Idle,
            has_next: false,
            is_read: false,
            turn: 0,
            answered: 0,
            flushed: 0,
            opening: None,
        }
    }
}

impl State {
    /// The slot of what is called, and its route if the slot is new.
    fn slot(&mut self, called: Called) -> Option<(RouteSlot, Option<Box<Route>>)> {
        let Called { endpoint, content_type } = called;
        if let Some((recent, slot)) = &self.recent
            && recent.endpoint == endpoint
            && recent.content_type == content_type
        {
            return Some((*slot, None));
        }
        let route = Route { endpoint, content_type: content_type.into_owned() };
        let known = self.routes.get(&route).copied();
        let slot = known.unwrap_or(RouteSlot(u32::try_from(self.routes.len()).ok()?));
        if slot.0 >= RouteSlot::MAX {
            return None;
        }
        self.recent = Some((route.clone(), slot));
        if known.is_some() {
            return Some((slot, None));
        }
        self.routes.insert(route.clone(), slot);
        Some((slot, Some(Box::new(route))))
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.turn += 1;
    }
}

impl Desk {
    /// Hands a request to the engine; none when the connection has asked for too many different
    /// things.
    pub(super) fn ask(self: &Arc<Self>, asked: Asked) -> Option<Waiting> {
        let id = self.send(asked, false)?;
        Some(Waiting { desk: Some(Arc::clone(self)), id })
    }

    /// For an endpoint that is a stream: whether its client sends items.
    pub(super) fn is_stream(&self, endpoint: &str) -> Option<bool> {
        // One that was called before on this connection is none: nodes keep their endpoints.
        let is_call = match &self.state.lock().recent {
            Some((recent, _)) => recent.endpoint == endpoint,
            None => false,
        };
        if is_call { None } else { self.host().is_stream(endpoint) }
    }

    /// Hands a request to the engine.
    pub(super) fn send(&self, asked: Asked, is_stream: bool) -> Option<RequestId> {
        let Asked { called, time_left, metadata, body } = asked;
        let mut state = self.state.lock();
        let (slot, define) = state.slot(called)?;
        state.requests += 1;
        state.is_read = true;
        let id = RequestId(state.requests);
        state.arrived.push_back(Message::Request {
            id,
            one_way: false,
            stream: is_stream,
            route: slot,
            define,
            // A stream lasts as long as it takes.
            time_left: if is_stream { time_left } else { Some(time_left.unwrap_or(TIME)) },
            metadata,
            body,
        });
        Some(id)
    }

    /// Hands the connection over to a stream, once what was answered before has been sent.
    pub(super) fn converse(&self, opening: Opening) {
        self.state.lock().opening = Some(Box::new(opening));
    }

    /// What the connection is doing; the number tells two phases of a kind apart.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let state = self.state.lock();
        (state.phase, state.turn)
    }

    /// The stream that takes the connection, when it may.
    pub(super) fn opening(&self) -> Option<Box<Opening>> {
        let mut state = self.state.lock();
        if state.answered == state.flushed { state.opening.take() } else { None }
    }

    /// All that was answered so far has been handed to the system.
    pub(super) fn flushed(&self) {
        let mut state = self.state.lock();
        state.flushed = state.answered;
    }

    pub(super) fn serves(&self, server: &Arc<Server>) {
        // Said once.
        let _ = self.server.set(Arc::clone(server));
    }

    /// What the node tells of itself.
    pub(super) fn host(&self) -> Host<'_> {
        Host(self.server.get())
    }

    /// Whether a request has been read to its end, and the engine has it.
    pub(super) fn is_asked(&self) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Asked && state.is_read && state.opening.is_none()
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
        match state.phase {
            Phase::Idle => state.enter(Phase::Head),
            Phase::Asked => state.has_next |= state.is_read,
            Phase::Head => {}
        }
    }

    /// A head has been read whole.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        (state.is_read, state.has_next) = (false, false);
        state.enter(Phase::Asked);
    }

    /// An answer has been given; whether it is to be the last one, because the node drains.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.answered += 1;
        let next = if state.has_next { Phase::Head } else { Phase::Idle };
        state.enter(next);
        drop(state);
        self.is_draining.load(Ordering::Acquire)
    }

    pub(super) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Whether a node that drains may close the connection: it has had a request, and has none.
    pub(super) fn is_done(&self) -> bool {
        if !self.is_draining.load(Ordering::Acquire) {
            return false;
        }
        let state = self.state.lock();
        // A connection that is new may be a load balancer's, which asks whether the node is ready.
        state.phase == Phase::Idle && state.turn > 0
    }
}

/// Waits for the answer to a request; cancels it when dropped before.
pub(super) struct Waiting {
    desk: Option<Arc<Desk>>,
    id: RequestId,
}

impl Waiting {
    /// Resolves to the answer, once.
    ///
    /// Needs no waker: whoever hands the answer over has this polled.
    pub(super) fn poll(&mut self) -> Poll<Message> {
        let Some(desk) = &self.desk else { return Poll::Pending };
        let Some(answer) = desk.state.lock().answer.take() else { return Poll::Pending };
        self.desk = None;
        Poll::Ready(answer)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.arrive(Message::Cancel { id: self.id });
        }
    }
}

/// Time for a request that says nothing of it.
const TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        let called = Called { endpoint: "A.B".into(), content_type: "application/json".into() };
        let (metadata, body) = (Metadata::new(), Bytes::new());
        Asked { called, time_left: None, metadata, body }
    }

    #[test]
    fn a_head_that_begins_while_a_request_is_handled_has_no_more_time_than_others() {
        let desk = Arc::new(Desk::default());
        desk.heard();
        assert_eq!(desk.phase().0, Phase::Head);
        desk.begin();
        // The body, and then what follows it.
        desk.heard();
        desk.send(asked(), false);
        desk.end();
        assert_eq!(desk.phase().0, Phase::Idle);
        desk.begin();
        desk.send(asked(), false);
        desk.heard();
        desk.end();
        assert_eq!(desk.phase().0, Phase::Head);
    }

    #[test]
    fn too_many_different_routes_are_refused() {
        let desk = Arc::new(Desk::default());
        let other = |number: u32| {
            let mut asked = asked();
            asked.called.endpoint = format!("A.{number}");
            asked
        };
        assert!((0..RouteSlot::MAX).all(|number| desk.send(other(number), false).is_some()));
        assert!(desk.send(other(RouteSlot::MAX), false).is_none());
        assert!(desk.send(other(0), false).is_some(), "those that are known go on");
    }
}
