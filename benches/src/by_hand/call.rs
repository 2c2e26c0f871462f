//! Calls to a service, of which each chooses a node.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;

use super::node::{Node, Outgoing};
use super::{Error, Message, Metadata};
use crate::echo::Echo;

/// The nodes of a service, which may be replaced at any time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Of the nodes, and of no other service's.
    version: AtomicU64,
    nodes: Mutex<Nodes>,
}

type Nodes = Arc<[Arc<Node>]>;

impl Service {
    /// Creates a service of these nodes.
    pub fn new(nodes: Vec<Arc<Node>>) -> Self {
        let version = AtomicU64::new(next_version());
        Self(Arc::new(Shared { version, nodes: Mutex::new(nodes.into()) }))
    }

    /// Replaces the nodes; calls that have been made stay where they are.
    pub fn replace(&self, nodes: Vec<Arc<Node>>) {
        let mut known = self.0.nodes.lock();
        *known = nodes.into();
        self.0.version.store(next_version(), Ordering::Release);
    }

    /// Makes a call, which is sent when the future is first polled.
    ///
    /// # Cancellation
    /// Dropping the future cancels the call at the node.
    #[inline]
    pub fn call(&self, endpoint: &'static str, echo: Echo) -> Call {
        // Where there is one node only, it is chosen already, and the service need not be held.
        let state = self.0.look(|nodes| match nodes {
            [only] => State::Chosen(Arc::clone(only)),
            _ => State::Open(Arc::clone(&self.0)),
        });
        Call { state, endpoint, echo, metadata: Metadata::default(), timeout: TIMEOUT }
    }
}

impl Shared {
    /// Looks at the nodes, without a lock or a reference as long as they stay the same.
    #[inline]
    fn look<T>(&self, look: impl FnOnce(&[Arc<Node>]) -> T) -> T {
        let version = self.version.load(Ordering::Acquire);
        KNOWN.with_borrow_mut(|known| {
            if known.0 != version {
                let nodes = self.nodes.lock();
                *known = (self.version.load(Ordering::Acquire), Arc::clone(&nodes));
            }
            look(&known.1)
        })
    }

    fn choose(&self) -> Result<Arc<Node>, Error> {
        self.look(|nodes| match nodes {
            [] => Err(Error::NoNodes),
            [only] => Ok(Arc::clone(only)),
            nodes => {
                let mut random = rand::rng();
                let one = random.random_range(0..nodes.len());
                let step = random.random_range(1..nodes.len());
                let other = (one + step) % nodes.len();
                let is_less = nodes[other].cost() < nodes[one].cost();
                Ok(Arc::clone(&nodes[if is_less { other } else { one }]))
            }
        })
    }
}

/// A call; resolves to its reply.
#[derive(Debug)]
#[must_use = "a call is made when its future is polled"]
pub struct Call {
    state: State,
    endpoint: &'static str,
    echo: Echo,
    metadata: Metadata,
    timeout: Duration,
}

#[derive(Debug)]
enum State {
    Open(Arc<Shared>),
    Chosen(Arc<Node>),
    Sent(Arc<Node>, u64),
    Over,
}

impl Call {
    /// Waits no longer than this; 5 seconds unless it is said.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends metadata along.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    #[inline]
    fn send(&mut self, node: Arc<Node>, cx: &Context<'_>) -> Result<(), Error> {
        let Self { endpoint, ref echo, ref metadata, timeout, .. } = *self;
        if timeout.is_zero() {
            return Err(Error::TimedOut);
        }
        let outgoing = Outgoing { endpoint, echo, metadata, timeout };
        let id = node.send(&outgoing, cx.waker())?;
        self.state = State::Sent(node, id);
        Ok(())
    }
}

impl Future for Call {
    type Output = Result<Message, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Sent(node, id) = &self.state {
            let answer = ready!(node.look(*id, cx));
            self.state = State::Over;
            return Poll::Ready(answer);
        }
        let node = match std::mem::replace(&mut self.state, State::Over) {
            State::Chosen(node) => node,
            State::Open(service) => service.choose()?,
            State::Sent(..) | State::Over => return Poll::Pending,
        };
        self.send(node, cx)?;
        Poll::Pending
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        if let State::Sent(node, id) = &self.state {
            node.forget(*id);
        }
    }
}

/// A number that is not given twice.
fn next_version() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A call's time unless it is said.
const TIMEOUT: Duration = Duration::from_secs(5);

thread_local! {
    /// The nodes that were looked at last, and their version. Until this thread makes another call
    /// it keeps them alive.
    static KNOWN: RefCell<(u64, Nodes)> = RefCell::new((0, Arc::new([])));
}
