//! Accepts connections, and knows those that are open.
//!
//! Supervised by the node, permanent. A restart keeps the listener and the open connections.

mod sessions;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::prelude::{Actor, ActorFuture, AsyncContext};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use self::sessions::Sessions;
use super::session::Session;
use super::{LOCAL_ORIGIN, RouteTable};
use crate::context::Context;
use crate::inbox::InboxStatus;
use crate::message::GoAway;
use crate::supervisor::{Child, Restart, SupervisorRef};
use crate::transport::outbox::Outbox;
use crate::transport::{Hello, Incoming, KeepaliveOptions, Listener};

/// Limits of a server.
///
/// ```
/// use callboard_actors::server::AcceptorOptions;
///
/// let options = AcceptorOptions { max_connections: 100, ..AcceptorOptions::default() };
/// assert_eq!(options.max_half_open, 512);
/// ```
#[derive(Debug, Clone)]
pub struct AcceptorOptions {
    /// Connections open at once; further ones are closed at once. Default 10,000.
    pub max_connections: usize,
    /// Connections without a greeting; further ones wait in the system's queue. Default 512.
    pub max_half_open: usize,
    /// Time a client has for its greeting; default 5 s.
    pub greeting_timeout: Duration,
    /// Requests in flight on one connection; further ones are refused. Default 1,024.
    pub max_in_flight: u32,
    /// A connection without any message for this long is closed; default 3 min. Keepalive pings
    /// are messages, so only a client without keepalive is closed.
    pub idle_time: Duration,
    /// How silent clients are found.
    pub keepalive: KeepaliveOptions,
}

impl Default for AcceptorOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_half_open: 512,
            greeting_timeout: Duration::from_secs(5),
            max_in_flight: Hello::DEFAULT_MAX_IN_FLIGHT,
            idle_time: Duration::from_secs(180),
            keepalive: KeepaliveOptions::default(),
        }
    }
}

/// What a server does with new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Serving,
    /// Takes them and has told its clients to go elsewhere.
    Draining,
    /// Refuses them.
    Refusing,
}

/// The state that all connections of a server share.
pub struct Server {
    hello: Arc<Hello>,
    routes: RouteTable,
    options: AcceptorOptions,
    gate: AtomicU8,
    /// Whether a registry tells of the node.
    is_announced: Arc<AtomicBool>,
    half_open: Arc<Semaphore>,
    connections: AtomicUsize,
    refused_connections: AtomicUsize,
    sessions: Mutex<Sessions>,
}

impl Server {
    /// Creates a server that answers what `routes` says; nothing listens yet.
    pub fn new(hello: Hello, routes: RouteTable, options: AcceptorOptions) -> Arc<Self> {
        Arc::new(Self {
            hello: Arc::new(hello),
            routes,
            half_open: Arc::new(Semaphore::new(options.max_half_open)),
            options,
            gate: AtomicU8::new(Gate::Serving as u8),
            is_announced: Arc::default(),
            connections: AtomicUsize::new(0),
            refused_connections: AtomicUsize::new(0),
            sessions: Mutex::default(),
        })
    }

    /// What it answers.
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Connections closed at once because there were too many.
    pub fn refused_connections(&self) -> usize {
        self.refused_connections.load(Ordering::Relaxed)
    }

    /// Whether a registry tells of the node: false before it is registered, after it has been
    /// deregistered, and when its registration has not been renewed for longer than the TTL.
    pub fn is_announced(&self) -> bool {
        self.is_announced.load(Ordering::Acquire)
    }

    /// Where the heartbeat notes whether a registry tells of the node.
    pub(crate) fn announcement(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_announced)
    }

    /// Whether it has been told to drain.
    pub fn is_draining(&self) -> bool {
        self.gate() != Gate::Serving
    }

    /// Tells all clients, present and future, to go elsewhere; requests are still taken.
    pub fn drain(&self) {
        self.gate.store(Gate::Draining as u8, Ordering::Release);
        for outbox in self.open_sessions() {
            outbox.go_away(&GoAway::Draining);
        }
    }

    /// Refuses requests from now on.
    pub fn refuse(&self) {
        self.gate.store(Gate::Refusing as u8, Ordering::Release);
    }

    /// Resolves once every accepted request has been answered and every answer written.
    pub async fn settled(&self) {
        let inboxes: Vec<Arc<dyn InboxStatus>> =
            self.routes.handlers().iter().flat_map(|handler| handler.inboxes()).collect();
        join_all(inboxes.into_iter().map(InboxStatus::idle)).await;
        let sessions = self.open_sessions();
        join_all(sessions.iter().map(|outbox| outbox.settled())).await;
    }

    /// Resolves once every client has closed its connection.
    pub async fn deserted(&self) {
        let sessions = self.open_sessions();
        join_all(sessions.iter().map(|outbox| outbox.ended())).await;
    }

    /// Closes all connections in order, and drops what was asked for from within the process.
    pub fn close(&self) {
        for outbox in self.open_sessions() {
            outbox.close();
        }
        for inbox in self.routes.handlers().iter().flat_map(|handler| handler.inboxes()) {
            inbox.cancel(LOCAL_ORIGIN, None);
        }
    }

    pub(super) fn hello(&self) -> Arc<Hello> {
        Arc::clone(&self.hello)
    }

    pub(super) fn options(&self) -> &AcceptorOptions {
        &self.options
    }

    pub(super) fn gate(&self) -> Gate {
        match self.gate.load(Ordering::Acquire) {
            0 => Gate::Serving,
            1 => Gate::Draining,
            _ => Gate::Refusing,
        }
    }

    pub(super) fn opened(&self, outbox: &Arc<Outbox>) {
        self.sessions.lock().opened(outbox);
    }

    fn open_sessions(&self) -> Vec<Arc<Outbox>> {
        self.sessions.lock().open()
    }
}

/// Counts a connection as long as it lives.
pub(super) struct Place(Arc<Server>);

impl Place {
    fn take(server: &Arc<Server>) -> Option<Self> {
        let count = server.connections.fetch_add(1, Ordering::AcqRel);
        let place = Self(Arc::clone(server));
        (count < server.options.max_connections).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
        self.0.sessions.lock().ended();
    }
}

/// Accepts connections on one address and spreads them over arbiters.
pub struct Acceptor {
    server: Arc<Server>,
    listener: Arc<Mutex<Box<dyn Listener>>>,
    /// One supervisor of connections for each arbiter.
    arbiters: Vec<(SupervisorRef, Option<actix_rt::ArbiterHandle>)>,
    next: usize,
    permit: Option<OwnedSemaphorePermit>,
    waiting: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>>>>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    /// Creates an acceptor; `arbiters` must not be empty.
    pub fn new(
        server: Arc<Server>,
        listener: Arc<Mutex<Box<dyn Listener>>>,
        arbiters: Vec<(SupervisorRef, Option<actix_rt::ArbiterHandle>)>,
    ) -> Self {
        Self { server, listener, arbiters, next: 0, permit: None, waiting: None, pause: None }
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        for _ in 0..ACCEPTS_PER_POLL {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            ready!(self.poll_permit(cx));
            let accepted = ready!(self.listener.lock().poll_accept(cx));
            match accepted {
                Ok(incoming) => self.admit(incoming),
                Err(error) => {
                    // As a rule the process has run out of file descriptors; some will be freed.
                    tracing::warn!(%error, "a connection was not accepted");
                    self.pause = Some(Box::pin(sleep(PAUSE_AFTER_ERROR)));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for a place among the connections without a greeting.
    fn poll_permit(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.permit.is_none() {
            let half_open = &self.server.half_open;
            let waiting = self.waiting.get_or_insert_with(|| {
                let half_open = Arc::clone(half_open);
                Box::pin(async move { half_open.acquire_owned().await.ok() })
            });
            self.permit = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    fn admit(&mut self, incoming: Box<dyn Incoming>) {
        let Some(place) = Place::take(&self.server) else {
            let count = self.server.refused_connections.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(LOG_EVERY) {
                let limit = self.server.options.max_connections;
                tracing::warn!(limit, "too many connections; new ones are closed");
            }
            return;
        };
        let index = self.next % self.arbiters.len();
        self.next = self.next.wrapping_add(1);
        let (sessions, arbiter) = &self.arbiters[index];
        let mut guest = Some((incoming, self.permit.take(), place));
        let server = Arc::clone(&self.server);
        let child =
            Child::new("connection", move || Session::new(Arc::clone(&server), guest.take()));
        let child = child.restart(Restart::Temporary).shutdown(SESSION_SHUTDOWN);
        sessions.add_child(match arbiter {
            Some(arbiter) => child.on(arbiter.clone()),
            None => child,
        });
    }
}

impl Actor for Acceptor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Accept);
    }
}

/// Polls its actor's listener.
struct Accept;

impl ActorFuture<Acceptor> for Accept {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut Acceptor,
        _: &mut Context<Acceptor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        actor.poll(task)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("hello", &self.hello)
            .field("gate", &self.gate())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The way in of one connection: the connection, its half-open place, its place.
pub(super) type Guest = (Box<dyn Incoming>, Option<OwnedSemaphorePermit>, Place);

/// Connections accepted in one poll; then others on the arbiter get their turn.
const ACCEPTS_PER_POLL: usize = 64;

/// Time to wait after a failure to accept.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// One in this many refused connections is logged.
const LOG_EVERY: usize = 1000;

/// Time a connection has to stop; it holds nothing that takes time.
const SESSION_SHUTDOWN: Duration = Duration::from_secs(1);
