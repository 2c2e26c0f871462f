//! From settings to the parts of a node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_rt::ArbiterHandle;
use callboard_actors::broker::{Broker, DirectBroker, MemoryBroker};
use callboard_actors::heartbeat::HeartbeatOptions;
use callboard_actors::node::NodeParts;
use callboard_actors::registry::{MemoryRegistry, NodeInfo, Registry, Service};
use callboard_actors::selector::{Filter, Strategy};
use callboard_actors::supervisor::Supervisor;
use callboard_actors::transport::{MemoryTransport, Transport};
use uuid::Uuid;

use super::builder::SystemBuilder;
use super::inside::SystemPlace;
use crate::broker::http;
use crate::codec::Codecs;
use crate::config::{
    AdvertiseAddress, BrokerKind, Config, ListenAddress, RegistryInterface, RegistryKind,
    SelectorKind, TransportKind, advertised,
};
use crate::debug;
use crate::error::Error;
use crate::handler::{HandlerHome, Placement};
use crate::registry::{Interfaces, MdnsOptions, MdnsRegistry, StaticRegistry, consul};
use crate::transport::{GoMicroTransport, HttpOptions, NativeTransport};

/// Carries settings over into the options of the engine.
pub(super) fn with_settings(mut builder: SystemBuilder) -> SystemBuilder {
    let (config, options) = (&builder.config, &mut builder.options);
    options.start_timeout = config.start_timeout;
    options.settle_time = config.settle_time;
    options.drain_timeout = config.drain_timeout;
    // The setting's own limit keeps it far below.
    options.max_frame = u32::try_from(config.max_frame).unwrap_or(u32::MAX);
    options.heartbeat =
        HeartbeatOptions { ttl: config.register_ttl, interval: config.renewal_interval() };
    options.caller.timeout = config.client_request_timeout;
    options.caller.retries = config.client_retries;
    let own = builder.strategy.take();
    options.caller.strategy = own.unwrap_or_else(|| strategy(config.selector));
    options.caller.is_named = config.selector == SelectorKind::Named;
    let labels = config.selector_labels.iter();
    let labels: Vec<_> = labels.map(|(name, value)| Filter::label(name, value)).collect();
    if !labels.is_empty() {
        options.caller.filters.push(Filter::prefer(labels));
    }
    options.caller.connections_per_arbiter = config.client_pool_size;
    options.caller.connection.idle_time = config.client_pool_ttl;
    builder
}

/// How many arbiters the settings, or else the handlers, ask for.
pub(super) fn arbiters(builder: &SystemBuilder) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    builder.config.arbiters.unwrap_or_else(|| {
        let wanted = builder.handlers.iter().map(|handler| match handler.placement {
            Placement::Single => 1,
            Placement::Pool(count) => count.min(cores),
            Placement::PerArbiter => cores,
        });
        wanted.max().unwrap_or(1)
    })
}

/// Makes a node's parts for these arbiters, and the home of its handlers, who find their system in
/// `place`.
pub(super) fn assemble(
    builder: SystemBuilder,
    arbiters: Vec<ArbiterHandle>,
    place: &SystemPlace,
) -> Result<(NodeParts, HandlerHome), Error> {
    let config = builder.config;
    let registry = match builder.registry {
        Some(registry) => registry,
        None => registry(&config)?,
    };
    let transport = builder.transport.unwrap_or_else(|| transport(&config, builder.http));
    let codecs = Codecs::with(&builder.codecs);
    let broker = builder.broker.unwrap_or_else(|| broker(&config, &codecs));
    let mut labels = config.server_metadata.clone();
    labels.extend(codecs.label().map(|label| (NodeInfo::CODECS.to_owned(), label)));
    let home = HandlerHome {
        service: config.server_name.clone(),
        arbiters: arbiters.clone(),
        middleware: builder.middleware,
        codecs,
        intensity: builder.handler_intensity,
    };
    let mut service = Service::new(&config.server_name, &config.server_version);
    service.metadata.extend(builder.service_metadata);
    let node = NodeInfo {
        id: config.server_id.clone().unwrap_or_else(|| fresh_id(&config.server_name)),
        address: String::new(),
        metadata: labels,
        incarnation: incarnation(),
    };
    warn_if_open(&config);
    let mut handlers = builder.handlers;
    // A node that serves nothing does not listen either.
    if builder.has_debug && !handlers.is_empty() {
        handlers.push(debug::plan());
    }
    let advertise = config.server_advertise.clone();
    let parts = NodeParts {
        service,
        listen: listen_on(&*transport, &config.server_address, &node.id),
        node,
        registry,
        transport,
        broker,
        advertise: Box::new(move |listen| advertise_as(listen, advertise.as_ref())),
        handler_supervisor: Supervisor::builder("handlers").intensity(home.intensity),
        handlers: handlers.into_iter().map(|handler| handler.build(&home, place)).collect(),
        arbiters,
        hooks: builder.hooks,
        options: builder.options,
    };
    Ok((parts, home))
}

fn registry(config: &Config) -> Result<Arc<dyn Registry>, Error> {
    Ok(match config.registry {
        RegistryKind::Mdns => {
            let interfaces = match config.interface() {
                RegistryInterface::Loopback => Interfaces::Loopback,
                RegistryInterface::Name(name) => Interfaces::Name(name),
                RegistryInterface::Address(address) => Interfaces::Address(address),
                RegistryInterface::All => Interfaces::All,
            };
            Arc::new(MdnsRegistry::new(MdnsOptions::default().interfaces(interfaces))?)
        }
        RegistryKind::Static => {
            // Validation has made sure that there is one.
            let address = config.registry_address.as_deref().unwrap_or_default();
            // An entry has an equals sign; a file's path may have one too, but then it exists.
            if address.contains('=') && !std::path::Path::new(address).exists() {
                Arc::new(StaticRegistry::parse(address)?)
            } else {
                Arc::new(StaticRegistry::file(address))
            }
        }
        RegistryKind::Consul => consul::open(config.registry_address.as_deref())?,
        RegistryKind::Memory => Arc::new(MemoryRegistry::new()),
    })
}

fn transport(config: &Config, http: HttpOptions) -> Arc<dyn Transport> {
    match config.transport {
        TransportKind::Tcp => {
            let idle = config.client_pool_size.saturating_mul(CALLS_PER_CONNECTION);
            let go_micro = GoMicroTransport::default().idle(idle, config.client_pool_ttl);
            Arc::new(NativeTransport::default().go_micro(go_micro).http(http))
        }
        TransportKind::Memory => Arc::new(MemoryTransport::new()),
    }
}

fn broker(config: &Config, codecs: &Codecs) -> Arc<dyn Broker> {
    match config.broker {
        BrokerKind::Direct => Arc::new(DirectBroker::new(Arc::new(codecs.clone()))),
        BrokerKind::Http => Arc::new(http(codecs)),
        BrokerKind::Memory => Arc::new(MemoryBroker::new()),
    }
}

/// A transport in memory has no use for an address of the network: there the node's id will do.
fn listen_on(transport: &dyn Transport, address: &ListenAddress, node: &str) -> Vec<String> {
    if transport.name() == "memory" {
        vec![format!("memory:{node}")]
    } else {
        address.candidates().collect()
    }
}

fn strategy(kind: SelectorKind) -> Strategy {
    match kind {
        SelectorKind::PowerOfTwo | SelectorKind::Label | SelectorKind::Named => Strategy::PeakEwma,
        SelectorKind::Random => Strategy::Random,
        SelectorKind::RoundRobin => Strategy::RoundRobin,
        SelectorKind::LeastInFlight => Strategy::LeastInFlight,
        SelectorKind::Hash => Strategy::ConsistentHash,
    }
}

fn fresh_id(service: &str) -> String {
    format!("{service}-{}", Uuid::now_v7())
}

/// Greater for a later start, as long as the clock goes forward.
fn incarnation() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Microseconds fit for the next half a million years.
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn advertise_as(listen: &str, advertise: Option<&AdvertiseAddress>) -> Result<String, String> {
    let Ok(address) = listen.parse::<SocketAddr>() else {
        // A path, or a name in memory: there is nothing to choose.
        return Ok(advertise.map_or_else(|| listen.to_owned(), |other| other.with_port(0)));
    };
    if let Some(advertise) = advertise {
        return Ok(advertise.with_port(address.port()));
    }
    if !address.ip().is_unspecified() {
        return Ok(listen.to_owned());
    }
    let interfaces = if_addrs::get_if_addrs().map_err(|error| error.to_string())?;
    let addresses = interfaces.iter().map(if_addrs::Interface::ip);
    Ok(advertised(address, addresses.chain([IpAddr::V4(Ipv4Addr::LOCALHOST)])).to_string())
}

/// A connection to a node of Go Micro carries one call at a time, one of our own many: as many idle
/// ones are kept for each that would be kept to a node of ours.
const CALLS_PER_CONNECTION: usize = 100;

/// There is no encryption yet, so whoever can reach the port can read and call.
fn warn_if_open(config: &Config) {
    if !config.server_address.is_local() {
        let address = config.server_address.to_string();
        tracing::warn!(address, "listening beyond this machine without encryption");
    }
}
