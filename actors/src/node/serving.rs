//! Makes a node reachable: as it starts, or once it subscribes to something.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::prelude::Addr;
use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::start::{announce, nested, start_child};
use super::{Advertise, NodeError, NodeRef};
use crate::broker::BrokerPlace;
use crate::heartbeat::Heartbeat;
use crate::registry::{NodeInfo, Registry, Service};
use crate::server::Acceptor;
use crate::supervisor::Child;
use crate::transport::{Hello, Listener, Transport, TransportError};

/// What a node needs so that others can reach it; kept until it has been used.
///
/// What has been done of it is not done again, so that it goes on where it failed.
pub(super) struct Serving {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) listen: Vec<String>,
    pub(super) advertise: Advertise,
    pub(super) arbiters: Vec<ArbiterHandle>,
    /// Without its address.
    pub(super) node: NodeInfo,
    /// Without its node.
    pub(super) record: Service,
    /// Where it listens, once it does.
    pub(super) listening: Option<String>,
}

impl NodeRef {
    /// Listens and registers, unless that has been done or the node starts just now; a registry that is down is tried again
    /// until `until`.
    ///
    /// To be awaited on the node's first arbiter.
    ///
    /// # Cancellation
    /// What has been done stays, and the next one goes on from there.
    ///
    /// # Errors
    /// As when cancelled.
    pub(super) async fn serve(&self, until: Instant) -> Result<(), NodeError> {
        let mut serving = self.shared.serving.lock().await;
        if let Some(own) = serving.as_mut() {
            own.run(self, until).await?;
            *serving = None;
        }
        Ok(())
    }
}

impl Serving {
    /// Goes on with what has not been done.
    pub(super) async fn run(&mut self, node: &NodeRef, until: Instant) -> Result<(), NodeError> {
        let address = match &self.listening {
            Some(address) => address.clone(),
            None => self.listen(node).await?,
        };
        if node.shared.node.get().is_none() {
            check_self(&*self.transport, &address, &self.node).await?;
            let root = &node.shared.root;
            let supervisor = nested(root, "subscriptions").await?;
            node.shared.broker.serve(BrokerPlace { node: self.node.clone(), supervisor });
            let _ = node.shared.node.set(self.node.clone());
        }
        let heartbeat = match node.shared.heartbeat.get() {
            Some(heartbeat) => heartbeat.clone(),
            None => self.start_heartbeat(node).await?,
        };
        announce(&heartbeat, &*self.registry, until, node.shared.options.start_timeout).await
    }

    /// Where it listens from then on.
    async fn listen(&mut self, node: &NodeRef) -> Result<String, NodeError> {
        let listener = self.listener().await?;
        let address = listener.address();
        self.node.address = (self.advertise)(&address)
            .map_err(|reason| NodeError::Advertise { listen: address.clone(), reason })?;
        let (service, id) = (&self.record.name, &self.node.id);
        tracing::info!(service, node = id, address, "listening");
        self.start_acceptor(node, listener).await?;
        self.listening = Some(address.clone());
        Ok(address)
    }

    async fn listener(&self) -> Result<Box<dyn Listener>, NodeError> {
        let mut last = None;
        for address in &self.listen {
            match self.transport.listen(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        let source = last.unwrap_or_else(|| TransportError::Listen {
            address: String::new(),
            reason: "no address was given".into(),
        });
        Err(NodeError::Listen { source })
    }

    async fn start_acceptor(
        &self,
        node: &NodeRef,
        listener: Box<dyn Listener>,
    ) -> Result<(), NodeError> {
        let root = &node.shared.root;
        let mut homes = Vec::new();
        for arbiter in &self.arbiters {
            homes.push((nested(root, "sessions").await?, Some(arbiter.clone())));
        }
        let (server, listener) = (Arc::clone(&node.shared.server), Arc::new(Mutex::new(listener)));
        let child = Child::new("acceptor", move || {
            Acceptor::new(Arc::clone(&server), Arc::clone(&listener), homes.clone())
        });
        start_child(root, "acceptor", child).await?;
        Ok(())
    }

    async fn start_heartbeat(&self, node: &NodeRef) -> Result<Addr<Heartbeat>, NodeError> {
        let record = Service { nodes: vec![self.node.clone()], ..self.record.clone() };
        let (registry, options) = (Arc::clone(&self.registry), node.shared.options.heartbeat);
        let is_announced = Arc::<AtomicBool>::default();
        let is_known = node.shared.server.announcement();
        let child = Child::new("heartbeat", move || {
            let (registry, is_announced) = (Arc::clone(&registry), Arc::clone(&is_announced));
            Heartbeat::new(registry, record.clone(), options, is_announced)
                .telling(Arc::clone(&is_known))
        });
        let child = child.shutdown(DEREGISTRATION);
        let heartbeat = start_child(&node.shared.root, "heartbeat", child).await?;
        // Nobody else sets it. It may register though its announcement is given up, and then has to
        // be released like any other.
        let _ = node.shared.heartbeat.set(heartbeat.clone());
        Ok(heartbeat)
    }
}

/// Connects to the own address, so that a node that cannot serve is never announced.
async fn check_self(
    transport: &dyn Transport,
    address: &str,
    node: &NodeInfo,
) -> Result<(), NodeError> {
    let hello = Arc::new(Hello::new("", &node.id, node.incarnation));
    let failure = |reason: String| NodeError::SelfCheck { address: address.to_owned(), reason };
    let attempt = timeout(SELF_CHECK, transport.connect(address, hello)).await;
    let socket = attempt
        .map_err(|_| failure(format!("no greeting within {SELF_CHECK:?}")))?
        .map_err(|error| failure(error.to_string()))?;
    if socket.peer().node == node.id {
        Ok(())
    } else {
        Err(failure(format!("node {} answers there", socket.peer().node)))
    }
}

/// Time the registry has to take a registration back when the node is torn down.
const DEREGISTRATION: std::time::Duration = std::time::Duration::from_secs(3);

/// Time a node has to answer itself.
const SELF_CHECK: std::time::Duration = std::time::Duration::from_secs(2);
