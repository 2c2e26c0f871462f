//! Starting a node.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::prelude::{Actor, Addr};
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    HandlerParts, Hook, NodeError, NodeOptions, NodeParts, NodeRef, Phase, Serving, Shared,
};
use crate::backoff::Backoff;
use crate::broker::{Broker, BrokerError, BrokerHome, EventSink, Interest, Subscription};
use crate::client::{Caller, CallerParts};
use crate::context::Context;
use crate::heartbeat::{Announce, Heartbeat};
use crate::registry::{Registry, RegistryError, Service, Watcher, WatcherState};
use crate::selector::{Selector, SelectorState};
use crate::server::{RouteTable, Server};
use crate::supervisor::{Child, Intensity, Restart, StartError, Supervisor, SupervisorRef};
use crate::transport::Hello;

/// Starts a node; resolves once it is registered and `after_start` has run.
///
/// To be awaited on the node's first arbiter.
///
/// # Cancellation
/// What has been started keeps running; to end it, stop its arbiter.
///
/// # Errors
/// Nothing is left running, and nothing registered.
pub async fn start(parts: NodeParts) -> Result<NodeRef, NodeError> {
    let mut builder = Supervisor::builder("node");
    builder = builder.strategy(crate::supervisor::RestartStrategy::OneForOne);
    let root = builder.start();
    let mut prepared = None;
    let result = Start { root: root.clone() }.run(parts, &mut prepared).await;
    if result.is_err() {
        let exit = root.stop().await;
        // An actor of it may have kept its handle.
        if let Some(node) = prepared {
            node.shared.phase.send_replace(Phase::Ended(exit));
        }
    }
    result
}

struct Start {
    root: SupervisorRef,
}

impl Start {
    async fn run(
        self,
        parts: NodeParts,
        prepared: &mut Option<NodeRef>,
    ) -> Result<NodeRef, NodeError> {
        let until = Instant::now() + parts.options.start_timeout;
        let NodeParts { service, node, registry, transport, arbiters, options, mut hooks, .. } =
            parts;
        let (listen, advertise) = (parts.listen, parts.advertise);
        let handlers = parts.handlers.iter().map(|handler| Arc::clone(&handler.port));
        let mut handlers: Vec<_> = handlers.collect();
        let subscriptions: Vec<_> = handlers.iter().flat_map(|port| port.subscriptions()).collect();
        let broker = parts.broker;
        let answers = handlers.iter().any(|port| !port.endpoints().is_empty());
        let is_serving = answers || (!subscriptions.is_empty() && broker.port().is_some());
        // Also where nobody subscribes yet: that may come.
        handlers.extend(broker.port());
        let routes = RouteTable::new(handlers)?;
        let mut hello = Hello::new(&service.name, &node.id, node.incarnation);
        hello.max_frame = options.max_frame;
        hello.max_in_flight = options.acceptor.max_in_flight;

        let watcher = self.start_watcher(&registry, &options).await?;
        let selector = self.start_selector(&options).await?;
        let mut pools = Vec::new();
        for arbiter in &arbiters {
            pools.push((nested(&self.root, "pool").await?, arbiter.clone()));
        }
        let caller_parts = CallerParts {
            pools,
            transport: Arc::clone(&transport),
            hello: hello.clone(),
            watcher,
            selector,
        };
        let caller = Caller::new(caller_parts, options.caller.clone());
        let mut record = Service { endpoints: routes.advertised().cloned().collect(), ..service };
        record.limit_schemas(options.max_schemas);
        let server = Server::new(hello, routes, options.acceptor.clone());
        let mut serving = Serving {
            registry: Arc::clone(&registry),
            transport,
            listen,
            advertise,
            arbiters: arbiters.clone(),
            node: node.clone(),
            record,
            listening: None,
        };
        let shared = Shared {
            blank: node,
            node: OnceLock::new(),
            root: self.root.clone(),
            server: Arc::clone(&server),
            caller: caller.clone(),
            serving: tokio::sync::Mutex::default(),
            heartbeat: OnceLock::new(),
            broker: Arc::clone(&broker),
            handlers: OnceLock::new(),
            subscriptions: Mutex::default(),
            subscribers: Mutex::default(),
            arbiter: arbiters[0].clone(),
            options: options.clone(),
            before_stop: Mutex::new(hooks.before_stop),
            after_stop: Mutex::new(hooks.after_stop),
            hurry: Notify::new(),
            phase: watch::channel(Phase::Running).0,
        };
        let heartbeat = options.heartbeat;
        broker.attach(BrokerHome { caller, registry: Arc::clone(&registry), heartbeat });
        let running = prepared.insert(NodeRef { shared: Arc::new(shared) }).clone();
        if let Some(hook) = hooks.prepared.take() {
            hook(&running);
        }
        let (child, supervisor) = parts.handler_supervisor.into_child();
        // Nobody else sets it; before its actors start, which may subscribe others.
        let _ = running.shared.handlers.set(supervisor.clone());
        self.start_handlers(child, &supervisor, parts.handlers).await?;
        let limit = options.start_timeout;
        start_hooks("before_start", hooks.before_start, until, limit).await?;

        if is_serving {
            serving.run(&running, until).await?;
        } else {
            // Only now may a subscriber have the node serve: nothing is to be heard of it before.
            *running.shared.serving.lock().await = Some(serving);
        }
        let subscriptions = subscribe(&*broker, subscriptions, until).await?;
        *running.shared.subscriptions.lock() = subscriptions;
        running.watch(supervisor);
        start_hooks("after_start", hooks.after_start, until, limit).await?;
        Ok(running)
    }

    async fn start_watcher(
        &self,
        registry: &Arc<dyn Registry>,
        options: &NodeOptions,
    ) -> Result<Addr<Watcher>, NodeError> {
        let (registry, options) = (Arc::clone(registry), options.watcher.clone());
        let state = WatcherState::default();
        let child = Child::new("watcher", move || {
            Watcher::new(Arc::clone(&registry), options.clone(), state.clone())
        });
        start_child(&self.root, "watcher", child).await
    }

    async fn start_selector(&self, options: &NodeOptions) -> Result<Addr<Selector>, NodeError> {
        let (options, state) = (options.selector.clone(), SelectorState::default());
        let child = Child::new("selector", move || Selector::new(options.clone(), state.clone()));
        start_child(&self.root, "selector", child).await
    }

    async fn start_handlers(
        &self,
        child: Child<Supervisor>,
        supervisor: &SupervisorRef,
        handlers: Vec<HandlerParts>,
    ) -> Result<(), NodeError> {
        // Not restarted: where handlers give up, the node does; see `NodeRef::watch`.
        start_child(&self.root, "handlers", child.restart(Restart::Temporary)).await?;
        for handler in handlers {
            let started = (handler.start)(supervisor.clone()).await;
            started.map_err(|source| NodeError::Child {
                child: format!("handler {}", handler.name),
                source,
            })?;
        }
        Ok(())
    }
}

/// Starts a child of the root.
pub(super) async fn start_child<A: Actor<Context = Context<A>>>(
    root: &SupervisorRef,
    name: &str,
    child: Child<A>,
) -> Result<Addr<A>, NodeError> {
    let started = root.start_child(child).await;
    started.map_err(|source| NodeError::Child { child: name.to_owned(), source })
}

/// Starts a supervisor below the root whose children come and go with peers: however often they
/// fail, it stays.
pub(super) async fn nested(root: &SupervisorRef, name: &str) -> Result<SupervisorRef, NodeError> {
    let builder = Supervisor::builder(name).intensity(Intensity::unlimited());
    let (child, handle) = builder.into_child();
    start_child(root, name, child).await?;
    Ok(handle)
}
pub(super) async fn run_hooks(name: &'static str, hooks: Vec<Hook>) -> Result<(), NodeError> {
    for hook in hooks {
        // The hook is the user's code, and a panic in it must not take the arbiter down.
        let run = std::panic::AssertUnwindSafe(async move { hook().await }).catch_unwind();
        let result = run.await.unwrap_or_else(|_| Err("it panicked".into()));
        result.map_err(|reason| NodeError::Hook { hook: name, reason })?;
    }
    Ok(())
}

/// Runs hooks of the start, whose time they share.
async fn start_hooks(
    name: &'static str,
    hooks: Vec<Hook>,
    until: Instant,
    limit: Duration,
) -> Result<(), NodeError> {
    let run = timeout_at(until, run_hooks(name, hooks)).await;
    run.unwrap_or_else(|_| {
        Err(NodeError::StartTimeout { timeout: limit, step: format!("the hook {name}") })
    })
}

/// Registers; a registry that is down is tried again until the start has taken too long.
pub(super) async fn announce(
    heartbeat: &Addr<Heartbeat>,
    registry: &dyn Registry,
    until: Instant,
    limit: Duration,
) -> Result<(), NodeError> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    let mut last: Option<RegistryError> = None;
    loop {
        let answer = timeout_at(until, heartbeat.send(Announce)).await;
        let failure = |last: Option<RegistryError>| NodeError::Register {
            timeout: limit,
            source: last.unwrap_or_else(|| RegistryError::Unavailable {
                registry: registry.name(),
                address: registry.address(),
                reason: "it did not answer".into(),
            }),
        };
        match answer {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) if error.is_retryable() => {
                tracing::warn!(%error, "not registered yet");
                last = Some(error);
            }
            Ok(Ok(Err(source))) => return Err(NodeError::Register { timeout: limit, source }),
            Ok(Err(_)) => {
                let source = StartError::SupervisorEnded;
                return Err(NodeError::Child { child: "heartbeat".into(), source });
            }
            Err(_) => return Err(failure(last)),
        }
        let delay = backoff.next_delay(&mut rand::rng());
        if Instant::now() + delay >= until {
            return Err(failure(last));
        }
        sleep(delay).await;
    }
}

/// Subscribes handlers to their topics; as patient as [`announce`].
pub(super) async fn subscribe(
    broker: &dyn Broker,
    wanted: Vec<(Interest, Arc<dyn EventSink>)>,
    until: Instant,
) -> Result<Vec<Box<dyn Subscription>>, NodeError> {
    let mut subscriptions = Vec::with_capacity(wanted.len());
    for (interest, sink) in wanted {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let failure = |source| NodeError::Subscribe { topic: interest.topic.to_string(), source };
        loop {
            let answer = timeout_at(until, broker.subscribe(interest.clone(), Arc::clone(&sink)));
            let error = match answer.await {
                Ok(Ok(subscription)) => break subscriptions.push(subscription),
                Ok(Err(error)) => error,
                Err(_) => BrokerError::Unavailable {
                    broker: broker.name(),
                    address: broker.address(),
                    reason: "it did not answer in time".into(),
                },
            };
            let delay = backoff.next_delay(&mut rand::rng());
            if !error.is_retryable() || Instant::now() + delay >= until {
                return Err(failure(error));
            }
            tracing::warn!(topic = %interest.topic, %error, "not subscribed yet");
            sleep(delay).await;
        }
    }
    Ok(subscriptions)
}

/// Upper bounds of the delays between attempts to register.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
