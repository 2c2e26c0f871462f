//! Settings: where nodes are announced and found, how one is chosen, how events get there.
//!
//! Pure.

use callboard_actors::Metadata;

use super::{PLAIN, Setting, set};
use crate::config::choice::{BrokerKind, Choice, RegistryInterface, RegistryKind, SelectorKind};
use crate::config::value::{duration, optional, pairs, show_duration, show_pairs};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        flag: "registry",
        environment: &["CALLBOARD_REGISTRY", "MICRO_REGISTRY"],
        placeholder: "NAME",
        summary: "Where nodes are announced and found: mdns, static, consul, memory.",
        allowed: "mdns, static, consul, memory",
        names: RegistryKind::names,
        read: |config, text| set(&mut config.registry, RegistryKind::parse(text)),
        show: |config| config.registry.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "registry-address",
        environment: &["CALLBOARD_REGISTRY_ADDRESS", "MICRO_REGISTRY_ADDRESS"],
        placeholder: "ADDRESS",
        summary: "Where the registry is. For static: `greeter=127.0.0.1:9001,127.0.0.1:9002;…`, \
                  or a file. For consul: the agent's `host:port` or `https://host:port`, \
                  default 127.0.0.1:8500. \
                  Mdns has none.",
        allowed: "an address as the registry understands it, of at most 64 KiB",
        read: |config, text| set(&mut config.registry_address, Ok(optional(text))),
        check: |config| config.registry_address.as_ref().is_none_or(|text| text.len() <= 64 * 1024),
        show: |config| config.registry_address.clone().unwrap_or_else(|| "none".into()),
        ..PLAIN
    },
    Setting {
        flag: "registry-interface",
        environment: &["CALLBOARD_REGISTRY_INTERFACE"],
        placeholder: "INTERFACE",
        summary: "The network interface that mdns uses: loopback, all, a name, or an IP address.",
        allowed: "loopback, all, the name of an interface, an IP address",
        names: || vec!["loopback", "all"],
        read: |config, text| {
            set(&mut config.registry_interface, RegistryInterface::parse(text).map(Some))
        },
        show: |config| match &config.registry_interface {
            Some(interface) => interface.to_string(),
            None => "loopback if server-address is, else all".into(),
        },
        ..PLAIN
    },
    Setting {
        flag: "broker",
        environment: &["CALLBOARD_BROKER", "MICRO_BROKER"],
        placeholder: "NAME",
        summary: "How events reach their subscribers: direct (from node to node), http (as \
                  Go Micro does), memory (this process only).",
        allowed: "direct, http, memory",
        names: BrokerKind::names,
        read: |config, text| set(&mut config.broker, BrokerKind::parse(text)),
        show: |config| config.broker.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "broker-address",
        environment: &["CALLBOARD_BROKER_ADDRESS", "MICRO_BROKER_ADDRESS"],
        placeholder: "ADDRESS",
        summary: "Where the broker is. Direct, http and memory have none.",
        allowed: "an address as the broker understands it, of at most 4 KiB",
        read: |config, text| set(&mut config.broker_address, Ok(optional(text))),
        check: |config| config.broker_address.as_ref().is_none_or(|text| text.len() <= 4096),
        show: |config| config.broker_address.clone().unwrap_or_else(|| "none".into()),
        ..PLAIN
    },
    Setting {
        flag: "selector",
        environment: &["CALLBOARD_SELECTOR", "MICRO_SELECTOR"],
        placeholder: "NAME",
        summary: "How a node is chosen for a call: p2c (the better of two random ones), random, \
                  round-robin, least-in-flight, hash (by the call's key), label (by \
                  selector-labels), named (the service's name is an address).",
        allowed: "p2c, random, round-robin, least-in-flight, hash, label, named, default, cache, \
                  blacklist, roundrobin",
        names: SelectorKind::names,
        read: |config, text| set(&mut config.selector, SelectorKind::parse(text)),
        show: |config| config.selector.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "selector-labels",
        environment: &["CALLBOARD_SELECTOR_LABELS"],
        placeholder: "PAIRS",
        summary: "Labels of the nodes that calls go to if possible, the best first: \
                  `dc=eu-1a,region=eu`. With any selector.",
        allowed: "name=value pairs separated by commas, at most 64 and 16 KiB",
        read: |config, text| set(&mut config.selector_labels, pairs(text)),
        check: |config| are_few_labels(&config.selector_labels),
        show: |config| match &*config.selector_labels {
            [] => "none".into(),
            labels => show_pairs(labels.iter().map(|(name, value)| (name, value))),
        },
        ..PLAIN
    },
    Setting {
        flag: "register-ttl",
        environment: &["CALLBOARD_REGISTER_TTL", "MICRO_REGISTER_TTL"],
        placeholder: "DURATION",
        summary: "Time after which the registry forgets a node that is gone.",
        allowed: "a duration of 100ms to 8760h, e.g. 30s",
        read: |config, text| set(&mut config.register_ttl, duration(text)),
        check: |config| {
            (SHORTEST_LEASE..=crate::config::value::LONGEST).contains(&config.register_ttl)
        },
        show: |config| show_duration(config.register_ttl),
        ..PLAIN
    },
    Setting {
        flag: "register-interval",
        environment: &["CALLBOARD_REGISTER_INTERVAL", "MICRO_REGISTER_INTERVAL"],
        placeholder: "DURATION",
        summary: "Time between renewals of that lease; shorter than register-ttl.",
        allowed: "a duration above zero and below register-ttl, e.g. 10s",
        read: |config, text| set(&mut config.register_interval, duration(text).map(Some)),
        check: |config| config.register_interval.is_none_or(|interval| !interval.is_zero()),
        show: |config| {
            config.register_interval.map_or_else(|| "register-ttl / 3".into(), show_duration)
        },
        ..PLAIN
    },
];

fn are_few_labels(labels: &[(String, String)]) -> bool {
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    labels.len() <= Metadata::MAX_ENTRIES
        && bytes <= Metadata::MAX_BYTES
        && labels.iter().all(|(name, _)| !name.is_empty())
}

/// Shorter leases are lost whenever a machine is busy.
const SHORTEST_LEASE: std::time::Duration = std::time::Duration::from_millis(100);
