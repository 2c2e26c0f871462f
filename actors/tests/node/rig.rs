//! Nodes with a handler that echoes, in one network and one registry.

use std::any::Any;
use std::sync::Arc;

use callboard_actors::Metadata;
use callboard_actors::broker::{ContentTypes, DirectBroker};
use callboard_actors::inbox::InboxStatus;
use callboard_actors::message::RequestId;
use callboard_actors::node::{HandlerParts, Hooks, NodeOptions, NodeParts};
use callboard_actors::registry::{EndpointInfo, MemoryRegistry, NodeInfo, Service};
use callboard_actors::server::{Arrival, HandlerPort, Lane, ReplySlot};
use callboard_actors::supervisor::Supervisor;
use callboard_actors::transport::MemoryTransport;
use tokio::time::Instant;

/// A node of the service `echo`.
pub(crate) fn server(registry: &MemoryRegistry, network: &MemoryTransport, id: &str) -> NodeParts {
    let info = |name: &str| EndpointInfo { name: name.to_owned(), ..EndpointInfo::default() };
    let echo = HandlerParts {
        name: "Echo".to_owned(),
        port: Arc::new(Echo([info("Echo.Say"), info("Echo.Never")])),
        start: Box::new(|_| Box::pin(async { Ok(()) })),
    };
    NodeParts { handlers: vec![echo], ..client(registry, network, id) }
}

/// A node that serves nothing.
pub(crate) fn client(registry: &MemoryRegistry, network: &MemoryTransport, id: &str) -> NodeParts {
    NodeParts {
        service: Service::new("echo", "1"),
        node: NodeInfo::new(id, ""),
        registry: Arc::new(registry.clone()),
        transport: Arc::new(network.endpoint(id)),
        broker: Arc::new(DirectBroker::new(Arc::new(Texts))),
        listen: vec![format!("memory:{id}")],
        advertise: Box::new(|listen| Ok(listen.to_owned())),
        handler_supervisor: Supervisor::builder("handlers"),
        handlers: Vec::new(),
        arbiters: vec![actix_rt::Arbiter::current()],
        hooks: Hooks::default(),
        options: NodeOptions::default(),
    }
}

/// What the nodes understand.
pub(crate) const TYPES: &[&str] = &["text/plain", "text/x-loud"];

/// These, of which the first one may say which types it needs.
struct Texts;

impl ContentTypes for Texts {
    fn find(&self, content_type: &str) -> Option<u16> {
        TYPES.find(content_type.split(';').next()?)
    }

    fn name(&self, number: u16) -> &'static str {
        TYPES.name(number)
    }

    fn types(&self, content_type: &str) -> Option<u64> {
        content_type.split_once("types=")?.1.parse().ok()
    }
}

/// Repeats what it is told, without an actor.
struct Echo([EndpointInfo; 2]);

impl HandlerPort for Echo {
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.0
    }

    fn codec(&self, content_type: &str) -> Option<u16> {
        (content_type == "text/plain").then_some(0)
    }

    fn lane(&self) -> Box<dyn Lane> {
        Box::new(Echoing { kept: Vec::new() })
    }

    fn inboxes(&self) -> Vec<Arc<dyn InboxStatus>> {
        Vec::new()
    }

    fn local(&self, _: usize) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

struct Echoing {
    /// Requests that are never answered.
    kept: Vec<ReplySlot>,
}

impl Lane for Echoing {
    fn push(&mut self, endpoint: usize, _: u16, mut arrival: Arrival) {
        if endpoint == 0 {
            arrival.reply.reply(&Metadata::new(), &arrival.body);
        } else {
            self.kept.push(arrival.reply);
        }
    }

    fn flush(&mut self, _: Instant) {}

    fn cancel(&self, _: u64, _: Option<RequestId>) {}
}
