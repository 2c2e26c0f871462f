//! Settings: who a node is, and where it listens.
//!
//! Pure.

use callboard_actors::Metadata;

use super::{PLAIN, Setting, is_name, set};
use crate::config::Config;
use crate::config::choice::{Choice, TransportKind};
use crate::config::value::{duration, optional, pairs, show_duration, show_pairs};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        flag: "server-name",
        environment: &["CALLBOARD_SERVER_NAME", "MICRO_SERVER_NAME"],
        placeholder: "NAME",
        summary: "The name of the service, by which callers find it.",
        allowed: NAME,
        read: |config, text| set(&mut config.server_name, Ok(text.into())),
        check: |config| is_name(&config.server_name),
        show: |config| config.server_name.clone(),
        ..PLAIN
    },
    Setting {
        flag: "server-version",
        environment: &["CALLBOARD_SERVER_VERSION", "MICRO_SERVER_VERSION"],
        placeholder: "VERSION",
        summary: "The version of the service.",
        allowed: NAME,
        read: |config, text| set(&mut config.server_version, Ok(text.into())),
        check: |config| is_name(&config.server_version),
        show: |config| config.server_version.clone(),
        ..PLAIN
    },
    Setting {
        flag: "server-id",
        environment: &["CALLBOARD_SERVER_ID", "MICRO_SERVER_ID"],
        placeholder: "ID",
        summary: "The node's id, unique among all nodes.",
        allowed: NAME,
        read: |config, text| set(&mut config.server_id, Ok(optional(text))),
        check: |config| config.server_id.as_deref().is_none_or(is_name),
        show: |config| config.server_id.clone().unwrap_or_else(|| "a new one per start".into()),
        ..PLAIN
    },
    Setting {
        flag: "server-address",
        environment: &["CALLBOARD_SERVER_ADDRESS", "MICRO_SERVER_ADDRESS"],
        placeholder: "ADDRESS",
        summary: "Where the node listens: `127.0.0.1:9000`, a range of ports \
                  `127.0.0.1:9000-9010`, `:9000` for all interfaces, or `unix:/path`. \
                  Port 0 is any free one.",
        allowed: "host:port, host:first-last, :port, unix:/path",
        read: |config, text| set(&mut config.server_address, text.parse().map_err(Into::into)),
        show: |config| config.server_address.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "server-advertise",
        environment: &["CALLBOARD_SERVER_ADVERTISE", "MICRO_SERVER_ADVERTISE"],
        placeholder: "ADDRESS",
        summary: "The address that is announced, where it differs from the one listened on.",
        allowed: "host, host:port",
        read: |config, text| {
            let value = optional(text).map(|text| text.parse()).transpose();
            set(&mut config.server_advertise, value.map_err(Into::into))
        },
        show: |config| match &config.server_advertise {
            Some(address) => address.to_string(),
            None => "where it listens, or a routable address if on all interfaces".into(),
        },
        ..PLAIN
    },
    Setting {
        flag: "server-metadata",
        environment: &["CALLBOARD_SERVER_METADATA", "MICRO_SERVER_METADATA"],
        placeholder: "PAIRS",
        summary: "Labels of the node: `zone=a,rack=7`. May be repeated; adds to what is there.",
        allowed: "name=value pairs separated by commas, at most 64 and 16 KiB",
        read: |config, text| pairs(text).map(|pairs| config.server_metadata.extend(pairs)),
        check: has_little_metadata,
        show: show_metadata,
        ..PLAIN
    },
    Setting {
        flag: "transport",
        environment: &["CALLBOARD_TRANSPORT", "MICRO_TRANSPORT"],
        placeholder: "NAME",
        summary: "How bytes travel between nodes: tcp, memory.",
        allowed: "tcp, memory",
        names: TransportKind::names,
        read: |config, text| set(&mut config.transport, TransportKind::parse(text)),
        show: |config| config.transport.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "settle-time",
        environment: &["CALLBOARD_SETTLE_TIME"],
        placeholder: "DURATION",
        summary: "Time between leaving the registry and refusing requests, for callers that only \
                  know the registry; may be 0.",
        allowed: "a duration of at most 8760h, e.g. 500ms",
        read: |config, text| set(&mut config.settle_time, duration(text)),
        check: |config| config.settle_time <= crate::config::value::LONGEST,
        show: |config| show_duration(config.settle_time),
        ..PLAIN
    },
    Setting {
        flag: "drain-timeout",
        environment: &["CALLBOARD_DRAIN_TIMEOUT"],
        placeholder: "DURATION",
        summary: "Time that accepted requests have to finish when the node stops; may be 0.",
        allowed: "a duration of at most 8760h, e.g. 10s",
        read: |config, text| set(&mut config.drain_timeout, duration(text)),
        check: |config| config.drain_timeout <= crate::config::value::LONGEST,
        show: |config| show_duration(config.drain_timeout),
        ..PLAIN
    },
];

fn has_little_metadata(config: &Config) -> bool {
    let pairs = &config.server_metadata;
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    pairs.len() <= Metadata::MAX_ENTRIES && bytes <= Metadata::MAX_BYTES && !pairs.contains_key("")
}

fn show_metadata(config: &Config) -> String {
    let pairs = show_pairs(config.server_metadata.iter());
    if pairs.is_empty() { "none".into() } else { pairs }
}

const NAME: &str = "1 to 255 bytes without spaces and control characters";
