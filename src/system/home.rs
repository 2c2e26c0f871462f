//! The threads a system lives on.

use std::sync::Arc;

use actix_rt::{Arbiter, ArbiterHandle, System};
use callboard_actors::client::use_shard;
use callboard_actors::node::NodeRef;
use callboard_actors::transport::Hello;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot};

use super::builder::SystemBuilder;
use super::inside::SystemPlace;
use super::{DETACHED_MOST, Inner, LocalTable, ServiceSystem, assemble};
use crate::codec::{Form, Forms};
use crate::error::Error;

/// The threads of a system.
pub(super) struct Home {
    arbiter: ArbiterHandle,
    /// Those made for this system; they end with it.
    others: Mutex<Vec<Arbiter>>,
}

impl Home {
    pub(super) fn arbiter(&self) -> &ArbiterHandle {
        &self.arbiter
    }

    fn close(&self) {
        for arbiter in self.others.lock().drain(..) {
            arbiter.stop();
        }
    }
}

/// Starts a system on the present arbiter, or on a thread of its own.
pub(super) async fn start(builder: SystemBuilder) -> Result<ServiceSystem, Error> {
    let (started, outcome) = oneshot::channel();
    if let Some(arbiter) = Arbiter::try_current().filter(|_| System::is_registered()) {
        // Not in the present task, which may be one outside of the arbiter's own.
        arbiter.spawn_fn(move || {
            actix_rt::spawn(start_for(builder, started));
        });
    } else {
        let name = format!("callboard {}", builder.config.server_name);
        let thread = std::thread::Builder::new().name(name);
        let spawned = thread.spawn(move || host(builder, started));
        spawned.map_err(|error| Error::Threads(error.to_string()))?;
    }
    outcome.await.unwrap_or_else(|_| Err(Error::Threads("the thread ended at once".into())))
}

/// Lives as long as the system that it hosts.
fn host(builder: SystemBuilder, started: oneshot::Sender<Result<ServiceSystem, Error>>) {
    System::new().block_on(async move {
        if let Some(node) = Box::pin(start_for(builder, started)).await {
            node.ended().await;
        }
    });
}

/// Starts a system for somebody who waits, and stops it if nobody does any more.
async fn start_for(
    builder: SystemBuilder,
    started: oneshot::Sender<Result<ServiceSystem, Error>>,
) -> Option<NodeRef> {
    match start_here(builder).await {
        Err(error) => {
            // Nobody waits any more: then nobody misses it.
            let _ = started.send(Err(error));
            None
        }
        Ok(system) => {
            let node = system.inner.node.clone();
            if let Err(Ok(unwanted)) = started.send(Ok(system)) {
                unwanted.stop().await;
            }
            Some(node)
        }
    }
}

async fn start_here(builder: SystemBuilder) -> Result<ServiceSystem, Error> {
    let others: Vec<_> = (1..assemble::arbiters(&builder))
        .map(|_| Arbiter::try_new())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Threads(error.to_string()))?;
    let first = Arbiter::current();
    let mut arbiters = vec![first.clone()];
    arbiters.extend(others.iter().map(Arbiter::handle));
    for (index, arbiter) in arbiters.iter().enumerate() {
        arbiter.spawn_fn(move || use_shard(index));
    }
    // The present thread is the first shard from here on, not only once the queue gets there.
    use_shard(0);
    let home = Arc::new(Home { arbiter: first, others: Mutex::new(others) });
    let started = start_node(builder, arbiters, Arc::clone(&home)).await;
    let system = started.inspect_err(|_| home.close())?;
    // However the node ends, and whether anybody still holds a handle: its threads end too.
    let own = Arc::clone(&system.inner);
    actix_rt::spawn(async move {
        own.node.ended().await;
        own.home.close();
    });
    Ok(system)
}

/// Starts the node, with a handle to the system ready before the first of its actors.
async fn start_node(
    builder: SystemBuilder,
    arbiters: Vec<ArbiterHandle>,
    home: Arc<Home>,
) -> Result<ServiceSystem, Error> {
    let client_middleware = builder.client_middleware.clone().into();
    let forms = Forms::new(Form::with_fallback(builder.codec, builder.fallback));
    let place = SystemPlace::default();
    let (mut parts, handlers) = assemble::assemble(builder, arbiters, &place)?;
    let (service, own) = (parts.service.name.clone(), place.clone());
    parts.hooks.prepared = Some(Box::new(move |node| {
        let info = node.node();
        let hello = Arc::new(Hello::new(&service, &info.id, info.incarnation));
        let (local, node) = (local_table(node), node.clone());
        let detached = Arc::new(Semaphore::new(DETACHED_MOST));
        let inner = Inner {
            node,
            service,
            hello,
            local,
            handlers,
            client_middleware,
            home,
            detached,
            forms,
            topics: RwLock::default(),
        };
        own.fill(ServiceSystem { inner: Arc::new(inner) });
    }));
    callboard_actors::node::start(parts).await?;
    Ok(place.system().expect("a node that has started was prepared before"))
}

fn local_table(node: &NodeRef) -> LocalTable {
    let mut table = LocalTable::default();
    for handler in node.server().routes().handlers() {
        for endpoint in 0..handler.endpoints().len() {
            if let Some(local) = handler.local(endpoint) {
                table.insert((*local).type_id(), local);
            }
        }
    }
    table
}
