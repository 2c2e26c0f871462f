//! The client of a node: services by name, shards, defaults.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use actix::prelude::{Addr, Recipient};
use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::attempt::{Attempt, FailedAttempt};
use super::call::{Call, First, StreamOptions};
use super::error::CallError;
use super::expiry::Expiry;
use super::link::{LinkPlace, Links};
use super::options::{CallOptions, CallTarget, CallerOptions, Choice, NodeReply};
use super::retry::RetryBudget;
use super::shard::{Shard, next_turn, thread_hint};
use crate::deadline::Deadline;
use crate::message::Body;
use crate::registry::{Lookup, LookupError, Subscribe, ViewChanged, Watcher};
use crate::selector::{NodesOf, Selector, ServiceNodes};
use crate::stream::ClientStream;
use crate::supervisor::SupervisorRef;
use crate::transport::{Hello, Transport};

/// Calls services by name; cheap to clone, usable from any thread and on any executor.
#[derive(Clone)]
pub struct Caller {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Vec<Arc<Shard>>,
    watcher: Addr<Watcher>,
    selector: Addr<Selector>,
    services: Mutex<HashMap<String, Arc<RemoteService>>>,
    /// Connections to addresses that callers named; bounded by [`DIRECT_MOST`].
    direct: Mutex<HashMap<String, Arc<Links>>>,
    options: CallerOptions,
    /// Of calls that say nothing themselves.
    defaults: CallOptions,
    /// Whether calls that want nothing of their node may go to the only one there is.
    is_plain: bool,
}

/// What a caller needs of its node.
pub struct CallerParts {
    /// For each client arbiter: the supervisor of its connections, and itself.
    pub pools: Vec<(SupervisorRef, ArbiterHandle)>,
    /// How nodes are reached.
    pub transport: Arc<dyn Transport>,
    /// What is said to them first.
    pub hello: Hello,
    /// Follows the registry.
    pub watcher: Addr<Watcher>,
    /// Keeps the nodes.
    pub selector: Addr<Selector>,
}

/// A service that is called.
pub struct RemoteService {
    pub(super) name: String,
    nodes: OnceLock<Arc<ServiceNodes>>,
    pub(super) retries: AtomicU64,
    pub(super) budget: Mutex<RetryBudget>,
}

impl Caller {
    /// Creates a caller; `parts.pools` must not be empty.
    pub fn new(parts: CallerParts, options: CallerOptions) -> Self {
        let hello = Arc::new(parts.hello);
        let marks: Recipient<_> = parts.selector.clone().recipient();
        let shards = parts.pools.into_iter().map(|(pool, arbiter)| {
            Arc::new(Shard {
                expiry: Expiry::start(&arbiter),
                arbiter,
                pool,
                transport: Arc::clone(&parts.transport),
                hello: Arc::clone(&hello),
                marks: marks.clone(),
                options: options.connection,
            })
        });
        let shared = Shared {
            shards: shards.collect(),
            watcher: parts.watcher,
            selector: parts.selector,
            services: Mutex::default(),
            direct: Mutex::default(),
            is_plain: options.is_plain(),
            defaults: options.of_call(options.timeout),
            options,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The service of a name; asking for it looks nothing up.
    pub fn service(&self, name: &str) -> Arc<RemoteService> {
        let mut services = self.shared.services.lock();
        if let Some(service) = services.get(name) {
            return Arc::clone(service);
        }
        if services.len() >= SERVICES_MOST {
            services.retain(|_, service| Arc::strong_count(service) > 1);
        }
        let service = Arc::new(RemoteService {
            name: name.to_owned(),
            nodes: OnceLock::new(),
            retries: AtomicU64::new(0),
            budget: Mutex::new(RetryBudget::new(self.shared.options.budget)),
        });
        services.insert(name.to_owned(), Arc::clone(&service));
        service
    }

    /// The defaults.
    pub fn options(&self) -> &CallerOptions {
        &self.shared.options
    }

    /// Options with the defaults, but for the timeout.
    pub fn call_options(&self, timeout: Duration) -> CallOptions {
        self.shared.options.of_call(timeout)
    }

    /// The options of a call that says nothing itself.
    #[inline]
    pub fn defaults(&self) -> &CallOptions {
        &self.shared.defaults
    }

    /// Calls an endpoint of a service and waits for the answer, at most until the deadline.
    ///
    /// # Cancellation
    /// Dropping the future cancels the call at the node: it is not started if it has not been, and
    /// an asynchronous handler is dropped.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<B: Body>(
        &self,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: (&CallOptions, Deadline),
    ) -> Result<NodeReply, CallError> {
        Call::new(self, service, target, options).run(body).await
    }

    /// Makes the first attempt of a call, if that can be done without waiting, and puts it down at
    /// `place`; `waker` is woken when it has ended.
    ///
    /// There is none when the nodes are unknown, or no connection is open or has room: nothing has
    /// happened then, and [`call`](Self::call) does what is needed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn begin(
        &self,
        service: &RemoteService,
        target: &CallTarget,
        body: &dyn Body,
        options: &CallOptions,
        (waker, place): (&Waker, &mut Option<Attempt>),
    ) -> Result<(), CallError> {
        First { caller: self, service, target, options, body }.call(waker, place)
    }

    /// Sends a request that nobody waits for, if that can be done at once.
    ///
    /// False when the nodes are unknown, or no connection is open or has room: nothing has
    /// happened then, and [`send_one_way`](Self::send_one_way) does what is needed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn post(
        &self,
        service: &RemoteService,
        target: &CallTarget,
        body: &dyn Body,
        options: &CallOptions,
    ) -> Result<bool, CallError> {
        First { caller: self, service, target, options, body }.post()
    }

    /// Goes on with a call whose first attempt failed; the rest is as in [`call`](Self::call).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn go_on<B: Body>(
        &self,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: &CallOptions,
        failed: FailedAttempt,
    ) -> Result<NodeReply, CallError> {
        let deadline = failed.deadline().unwrap_or_else(|| options.deadline_at(Instant::now()));
        Call::new(self, service, target, (options, deadline)).run_after(failed, body).await
    }

    /// Sends a request that nobody waits for.
    ///
    /// # Errors
    /// The request was not handed to any connection within the deadline.
    pub async fn send_one_way<B: Body>(
        &self,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: (&CallOptions, Deadline),
    ) -> Result<(), CallError> {
        Call::new(self, service, target, options).run_one_way(body).await
    }

    /// Opens a stream at a node of a service; waits at most until the deadline for one to accept.
    /// The body comes back.
    ///
    /// # Cancellation
    /// Dropping the future cancels the stream at the node.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn open_stream<B: Body>(
        &self,
        service: &RemoteService,
        target: CallTarget,
        body: B,
        options: (&CallOptions, Deadline),
        stream: StreamOptions,
    ) -> Result<(ClientStream, B), CallError> {
        Call::new(self, service, target, options).open(body, stream).await
    }

    /// Wakes callers of this shard at their deadlines.
    ///
    /// # Panics
    /// When there is no shard of this [index](Self::shard_index).
    pub fn expiry(&self, shard: usize) -> &Expiry {
        &self.shared.shards[shard].expiry
    }

    /// Runs a future on the present thread's client arbiter; false when that has ended.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.shard().arbiter.spawn(future)
    }

    /// The shard of the present thread.
    pub fn shard_index(&self) -> usize {
        match self.shared.shards.len() {
            1 => 0,
            shards => thread_hint() % shards,
        }
    }

    pub(super) fn shard(&self) -> &Arc<Shard> {
        &self.shared.shards[self.shard_index()]
    }

    /// Which of a node's links the next call on this thread uses.
    pub(super) fn link_place(&self) -> LinkPlace {
        let per_arbiter = self.shared.options.connections_per_arbiter.max(1);
        let turn = if per_arbiter > 1 { next_turn() % per_arbiter } else { 0 };
        let index = self.shard_index() * per_arbiter + turn;
        LinkPlace { index, count: self.shared.shards.len() * per_arbiter }
    }

    /// What a call wants of its node that says nothing else.
    pub fn choice(&self) -> Choice {
        Choice { filters: self.shared.options.filters.clone(), ..Choice::default() }
    }

    /// Whether nothing is asked of nodes, or done with each attempt, that a call did not ask for.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.shared.is_plain
    }

    /// The address that a call goes to, whatever the registry says.
    pub(super) fn direct<'a>(
        &self,
        service: &'a RemoteService,
        options: &'a CallOptions,
    ) -> Option<&'a str> {
        let by_name = self.shared.options.is_named.then_some(service.name.as_str());
        options.node().or(by_name)
    }

    pub(super) fn direct_links(&self, address: &str) -> Arc<Links> {
        let mut direct = self.shared.direct.lock();
        if direct.len() >= DIRECT_MOST && !direct.contains_key(address) {
            // Whoever still uses one of them holds it, and its connection goes on.
            direct.clear();
        }
        Arc::clone(direct.entry(address.to_owned()).or_default())
    }

    /// Finds out which nodes run a service, for the first call of it.
    pub(super) async fn resolve(
        &self,
        service: &RemoteService,
        deadline: Deadline,
        timeout: CallError,
    ) -> Result<(), CallError> {
        let found = self.shard().within(deadline, self.look_up(service)).await;
        found.unwrap_or(Err(timeout))
    }

    async fn look_up(&self, service: &RemoteService) -> Result<(), CallError> {
        let name = service.name.clone();
        let lookup = self.shared.watcher.send(Lookup { service: name.clone() }).await;
        let view = lookup.map_err(|_| CallError::Stopped)?.map_err(|error| match error {
            LookupError::Unavailable(source) => {
                CallError::Registry { service: name.clone(), source }
            }
            _ => CallError::NotFound { service: name.clone() },
        })?;
        let recipient = self.shared.selector.clone().recipient();
        let subscribe = Subscribe { service: name.clone(), recipient };
        let subscribed = self.shared.watcher.send(subscribe).await;
        subscribed.map_err(|_| CallError::Stopped)?.map_err(|error| CallError::NoneAvailable {
            service: name.clone(),
            reason: error.to_string(),
        })?;
        // Waits until the selector has taken the view in, so that the pick that follows sees it.
        let changed = ViewChanged { service: name.clone(), view: Some(view) };
        let taken = self.shared.selector.send(changed).await;
        taken.map_err(|_| CallError::Stopped)?;
        let nodes = self.shared.selector.send(NodesOf { service: name }).await;
        // Another caller may have been faster, with the same answer.
        let _ = service.nodes.set(nodes.map_err(|_| CallError::Stopped)?);
        Ok(())
    }
}

impl RemoteService {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its nodes, once they have been looked up.
    pub fn nodes(&self) -> Option<&Arc<ServiceNodes>> {
        self.nodes.get()
    }

    /// Calls to nodes of its own choice that have ended, one-way ones left out.
    pub fn calls(&self) -> u64 {
        let attempts = self.nodes().map_or(0, |nodes| nodes.ended());
        attempts.saturating_sub(self.retries.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl fmt::Debug for CallerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerParts").field("hello", &self.hello).finish_non_exhaustive()
    }
}

impl fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteService").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Services remembered at most; further ones displace those that nobody holds.
const SERVICES_MOST: usize = 1024;

/// Addresses called directly that are remembered at most.
const DIRECT_MOST: usize = 1024;
