//! Settings: calls and the connections that carry them.
//!
//! Pure.

use super::{PLAIN, Setting, set};
use crate::config::value::{LONGEST, count, duration, show_duration};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        flag: "client-request-timeout",
        environment: &["CALLBOARD_CLIENT_REQUEST_TIMEOUT", "MICRO_CLIENT_REQUEST_TIMEOUT"],
        placeholder: "DURATION",
        summary: "Time that a call may take, all its attempts together.",
        allowed: "a duration above zero of at most 8760h, e.g. 5s",
        read: |config, text| set(&mut config.client_request_timeout, duration(text)),
        check: |config| {
            !config.client_request_timeout.is_zero() && config.client_request_timeout <= LONGEST
        },
        show: |config| show_duration(config.client_request_timeout),
        ..PLAIN
    },
    Setting {
        flag: "client-retries",
        environment: &["CALLBOARD_CLIENT_RETRIES", "MICRO_CLIENT_RETRIES"],
        placeholder: "COUNT",
        summary: "Further attempts of a call that may be repeated, on other nodes.",
        allowed: "a number from 0 to 100",
        read: |config, text| set(&mut config.client_retries, count(text)),
        check: |config| config.client_retries <= 100,
        show: |config| config.client_retries.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "client-pool-size",
        environment: &["CALLBOARD_CLIENT_POOL_SIZE", "MICRO_CLIENT_POOL_SIZE"],
        placeholder: "COUNT",
        summary: "Connections to each node, per arbiter; one carries many calls at once. To a node of \
                  Go Micro, whose connections carry one call, up to 100 times as many are kept.",
        allowed: "a number from 1 to 1024",
        read: |config, text| set(&mut config.client_pool_size, count(text)),
        check: |config| (1..=1024).contains(&config.client_pool_size),
        show: |config| config.client_pool_size.to_string(),
        ..PLAIN
    },
    Setting {
        flag: "client-pool-ttl",
        environment: &["CALLBOARD_CLIENT_POOL_TTL", "MICRO_CLIENT_POOL_TTL"],
        placeholder: "DURATION",
        summary: "Time after which an idle connection is closed.",
        allowed: "a duration above zero of at most 8760h, e.g. 60s",
        read: |config, text| set(&mut config.client_pool_ttl, duration(text)),
        check: |config| !config.client_pool_ttl.is_zero() && config.client_pool_ttl <= LONGEST,
        show: |config| show_duration(config.client_pool_ttl),
        ..PLAIN
    },
];
