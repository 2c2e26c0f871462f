//! A watcher on a registry in memory, and subscribers that note what they are told.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::fut::wrap_future;
use actix::prelude::{ActorContext, Addr, AtomicResponse};
use tokio::sync::{mpsc, watch};
use tokio::time::{pause, timeout};

use super::super::*;
use crate::registry::{BoxFuture, MemoryRegistry, NodeInfo, Watch, WatchScope};
use crate::testing::start_once;

/// Longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(3600);

pub(super) struct World {
    pub(super) registry: MemoryRegistry,
    pub(super) options: WatcherOptions,
    pub(super) state: WatcherState,
    pub(super) watcher: Addr<Watcher>,
}

impl World {
    pub(super) fn start() -> Self {
        Self::with(WatcherOptions::default())
    }

    pub(super) fn with(options: WatcherOptions) -> Self {
        pause();
        let (registry, state) = (MemoryRegistry::new(), WatcherState::default());
        let port = Arc::new(registry.clone());
        let watcher = start_once(Watcher::new(port, options.clone(), state.clone()));
        Self { registry, options, state, watcher }
    }

    pub(super) fn restart(&mut self) {
        let port = Arc::new(self.registry.clone());
        // The last address of the old incarnation goes, and all it was doing with it.
        self.watcher.do_send(Stop);
        self.watcher = start_once(Watcher::new(port, self.options.clone(), self.state.clone()));
    }

    pub(super) async fn register(&self, version: &str, node: &str) {
        self.registry.register(greeter(version, node), LONG).await.unwrap();
    }

    pub(super) async fn register_named(&self, name: &str) {
        let service = Service::new(name, "1").node(NodeInfo::new(name, format!("{name}:1")));
        self.registry.register(service, LONG).await.unwrap();
    }

    pub(super) async fn lookup(&self, service: &str) -> Result<Arc<ServiceView>, LookupError> {
        let answer = self.watcher.send(Lookup { service: service.into() });
        timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
    }

    pub(super) async fn subscribe(
        &self,
        service: &str,
        listener: &Listener,
    ) -> Result<(), LookupError> {
        let recipient = listener.address.clone().recipient();
        self.watcher.send(Subscribe { service: service.into(), recipient }).await.unwrap()
    }
}

impl Handler<Stop> for Watcher {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// A subscriber, and what it was told.
pub(super) struct Listener {
    pub(super) address: Addr<Ear>,
    pub(super) told: mpsc::UnboundedReceiver<ViewChanged>,
    gate: watch::Sender<bool>,
}

impl Listener {
    pub(super) fn start(capacity: usize) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let (gate, open) = watch::channel(true);
        let address = Ear { told: sender, open, capacity }.start();
        Self { address, told, gate }
    }

    pub(super) fn block(&self) {
        self.gate.send_replace(false);
    }

    pub(super) fn unblock(&self) {
        self.gate.send_replace(true);
    }

    pub(super) async fn view(&mut self) -> Arc<ServiceView> {
        let told = timeout(PATIENCE, self.told.recv()).await.expect("news in time").unwrap();
        told.view.expect("a view")
    }

    pub(super) async fn next(&mut self) -> Vec<String> {
        let view = self.view().await;
        nodes(&view).into_iter().map(str::to_owned).collect()
    }

    pub(super) async fn assert_silent(&mut self) {
        let next = timeout(Duration::from_millis(300), self.told.recv()).await;
        assert!(next.is_err(), "it was told of {next:?}");
    }

    pub(super) fn drain(&mut self) -> Vec<Arc<ServiceView>> {
        std::iter::from_fn(|| self.told.try_recv().ok()).filter_map(|told| told.view).collect()
    }
}

pub(super) struct Ear {
    told: mpsc::UnboundedSender<ViewChanged>,
    open: watch::Receiver<bool>,
    capacity: usize,
}

impl Actor for Ear {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.capacity);
    }
}

impl Handler<ViewChanged> for Ear {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: ViewChanged, _: &mut Self::Context) -> Self::Result {
        let (told, mut open) = (self.told.clone(), self.open.clone());
        let wait = async move {
            open.wait_for(|open| *open).await.unwrap();
            told.send(message).unwrap();
        };
        AtomicResponse::new(Box::pin(wrap_future(wait)))
    }
}

impl Handler<Stop> for Ear {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// A registry that does nothing, watching included.
pub(super) struct Unwatchable {
    pub(super) attempts: Arc<AtomicU64>,
}

impl Registry for Unwatchable {
    fn name(&self) -> &'static str {
        "unwatchable"
    }

    fn register(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        unsupported("register")
    }

    fn renew(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        unsupported("renew")
    }

    fn deregister(&self, _: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        unsupported("deregister")
    }

    fn get(&self, _: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        unsupported("get")
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        unsupported("list")
    }

    fn watch(&self, _: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        unsupported("watch")
    }
}

fn unsupported<T: Send>(operation: &'static str) -> BoxFuture<'static, Result<T, RegistryError>> {
    Box::pin(async move { Err(RegistryError::Unsupported { registry: "unwatchable", operation }) })
}

pub(super) fn greeter(version: &str, node: &str) -> Service {
    Service::new("greeter", version).node(NodeInfo::new(node, format!("{node}:1")))
}

pub(super) fn nodes(view: &ServiceView) -> Vec<&str> {
    view.versions.iter().flat_map(|v| v.nodes()).map(|node| node.id.as_str()).collect()
}

const PATIENCE: Duration = Duration::from_secs(60);
