//! The contract of a transport, in code.
//!
//! Each property is a function that panics when the transport at hand breaks it.
//! [`transport_conformance!`](crate::transport_conformance) makes a test of each:
//!
//! ```
//! use callboard_actors::testing::transport::Harness;
//! use callboard_actors::transport::MemoryTransport;
//!
//! callboard_actors::transport_conformance! {
//!     #[tokio::test(start_paused = true)]
//!     Harness::new(MemoryTransport::new(), "memory:0", "memory:nobody")
//! }
//! ```
//!
//! They hold on paused time too. Every wait ends after ten seconds.

#![allow(clippy::missing_panics_doc, reason = "a property that does not hold panics")]

mod connecting;
mod ending;
mod peer;
mod talking;

use std::sync::Arc;

pub use self::connecting::{
    a_connection_to_nobody_fails, a_hundred_connections_live_side_by_side,
    a_name_is_listened_on_once, both_sides_learn_who_the_other_is, half_a_greeting_harms_nobody,
    the_same_address_can_be_listened_on_again,
};
pub use self::ending::{
    a_dropped_connection_ends, a_dropped_listener_leaves_connections_open,
    a_goodbye_comes_after_all_messages, a_goodbye_crosses_messages_of_the_peer,
    an_undefined_route_breaks_the_protocol, writing_to_a_dropped_peer_fails,
};
pub use self::peer::{Peer, outgoing, separate};
pub use self::talking::{
    a_failed_body_leaves_nothing_behind, a_route_can_be_defined_after_a_failure,
    bodies_of_all_sizes_arrive, both_sides_write_much_before_they_read,
    every_kind_of_message_arrives_unchanged, metadata_above_the_limits_are_refused,
    ten_thousand_messages_arrive_in_order, what_is_too_large_is_refused_and_the_rest_goes_on,
    what_was_handed_over_is_counted,
};
use crate::transport::Transport;

/// A transport under test and where it can be reached.
#[derive(Clone)]
pub struct Harness {
    transport: Arc<dyn Transport>,
    listen: String,
    nobody: String,
}

impl Harness {
    /// Creates a harness; `listen` must be free, and nobody may listen on `nobody`.
    pub fn new(
        transport: impl Transport,
        listen: impl Into<String>,
        nobody: impl Into<String>,
    ) -> Self {
        Self { transport: Arc::new(transport), listen: listen.into(), nobody: nobody.into() }
    }
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness")
            .field("transport", &self.transport.name())
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Makes a test of each property of a transport.
///
/// Takes the attribute of the tests and an expression that makes a fresh
/// [`Harness`](crate::testing::transport::Harness).
#[macro_export]
macro_rules! transport_conformance {
    (#[$attribute:meta] $harness:expr) => {
        $crate::transport_conformance! {
            #[$attribute] $harness;
            both_sides_learn_who_the_other_is
            a_connection_to_nobody_fails
            a_name_is_listened_on_once
            the_same_address_can_be_listened_on_again
            half_a_greeting_harms_nobody
            a_hundred_connections_live_side_by_side
            every_kind_of_message_arrives_unchanged
            ten_thousand_messages_arrive_in_order
            bodies_of_all_sizes_arrive
            what_is_too_large_is_refused_and_the_rest_goes_on
            metadata_above_the_limits_are_refused
            a_failed_body_leaves_nothing_behind
            a_route_can_be_defined_after_a_failure
            both_sides_write_much_before_they_read
            what_was_handed_over_is_counted
            a_goodbye_comes_after_all_messages
            a_goodbye_crosses_messages_of_the_peer
            a_dropped_connection_ends
            writing_to_a_dropped_peer_fails
            a_dropped_listener_leaves_connections_open
            an_undefined_route_breaks_the_protocol
        }
    };
    (#[$attribute:meta] $harness:expr; $($property:ident)*) => {
        $(
            #[$attribute]
            async fn $property() {
                $crate::testing::transport::$property($harness).await;
            }
        )*
    };
}
