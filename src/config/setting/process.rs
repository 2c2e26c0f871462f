//! Settings: threads, limits and logs of the process.
//!
//! Pure.

use super::{PLAIN, Setting, set};
use crate::config::ValueError;
use crate::config::value::{LONGEST, bytes, count, duration, show_bytes, show_duration};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        flag: "start-timeout",
        environment: &["CALLBOARD_START_TIMEOUT"],
        placeholder: "DURATION",
        summary: "Time in which the node has to be registered after it was started.",
        allowed: "a duration above zero of at most 8760h, e.g. 10s",
        read: |config, text| set(&mut config.start_timeout, duration(text)),
        check: |config| !config.start_timeout.is_zero() && config.start_timeout <= LONGEST,
        show: |config| show_duration(config.start_timeout),
        ..PLAIN
    },
    Setting {
        flag: "arbiters",
        environment: &["CALLBOARD_ARBITERS"],
        placeholder: "COUNT",
        summary: "Threads that run actors; auto is what the handlers ask for, one as a rule.",
        allowed: "auto, a number from 1 to 1024",
        names: || vec!["auto"],
        read: |config, text| {
            let value = if text == "auto" { Ok(None) } else { count(text).map(Some) };
            set(&mut config.arbiters, value)
        },
        check: |config| config.arbiters.is_none_or(|arbiters| (1..=1024).contains(&arbiters)),
        show: |config| config.arbiters.map_or_else(|| "auto".into(), |count| count.to_string()),
    },
    Setting {
        flag: "max-frame",
        environment: &["CALLBOARD_MAX_FRAME"],
        placeholder: "SIZE",
        summary: "Size up to which a message is sent and accepted: `4MiB`, `64KiB`, or bytes.",
        allowed: "a size from 64KiB to 1GiB, e.g. 4MiB",
        read: |config, text| set(&mut config.max_frame, bytes(text)),
        check: |config| (64 << 10..=1 << 30).contains(&config.max_frame),
        show: |config| show_bytes(config.max_frame),
        ..PLAIN
    },
    Setting {
        flag: "log",
        environment: &["CALLBOARD_LOG", "RUST_LOG"],
        placeholder: "FILTER",
        summary: "What is logged: off, error, warn, info, debug, trace, also per module: \
                  `info,callboard=debug`.",
        allowed: "a level, or target=level pairs separated by commas, of at most 4 KiB",
        read: |config, text| {
            let value = if text.is_empty() { Err(ValueError::Empty) } else { Ok(text.into()) };
            set(&mut config.log, value)
        },
        check: |config| (1..=4096).contains(&config.log.len()),
        show: |config| config.log.clone(),
        ..PLAIN
    },
];
