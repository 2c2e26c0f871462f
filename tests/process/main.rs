//! Real processes on loopback: killed, stopped, restarted under load, and every call accounted for.
//!
//! The binary is its own server and its own client: started with [`program::VARIABLE`] it is what
//! that says, otherwise it runs the scenarios. `cargo test --test process -- killed` runs those
//! whose name contains `killed`.

mod child;
mod journal;
#[path = "../shared/ports.rs"]
mod ports;
mod program;
mod runner;
mod scenario;
mod stage;

use std::process::ExitCode;

use self::runner::Scenario;

fn main() -> ExitCode {
    match program::requested() {
        Some(program) => program::run(program),
        None => runner::run(LANES),
    }
}

/// Lanes run side by side, the scenarios of a lane one after the other. The long outage has a lane
/// of its own; what measures time does not run beside the overload.
const LANES: &[&[Scenario]] = &[
    &[("a_registry_outage_of_a_minute_fails_no_call", scenario::outage::run)],
    &[
        ("a_silent_node_is_left_within_three_seconds", scenario::silent::run),
        ("a_killed_node_fails_only_what_was_in_flight", scenario::killed::run),
    ],
    &[
        ("a_rolling_restart_fails_no_call", scenario::rolling::over_mdns),
        ("a_rolling_restart_at_the_same_addresses_fails_no_call", scenario::rolling::at_addresses),
    ],
    &[
        ("hostile_peers_disturb_nobody_and_leave_nothing_behind", scenario::hostile::run),
        ("an_overload_is_refused_fast_and_leaves_no_trace", scenario::overload::run),
        ("a_killed_server_ends_each_stream_once", scenario::streams::server_killed),
        ("a_killed_client_leaves_nothing_of_its_streams", scenario::streams::client_killed),
        ("a_killed_subscriber_costs_nobody_else_an_event", scenario::events::subscriber_killed),
        ("a_killed_member_leaves_its_group_s_events_to_the_other", scenario::events::member_killed),
    ],
];
