//! The contract of a broker, in code.
//!
//! Each property is a function that panics when the broker under test does not have it; [`all`]
//! runs every one that the broker's [`Harness`] says it can. Properties do not depend on each other
//! and ask for fresh brokers each.
//!
//! ```
//! use std::sync::Arc;
//!
//! use callboard_actors::broker::MemoryBroker;
//! use callboard_actors::registry::BoxFuture;
//! use callboard_actors::testing::broker::{self, Harness, Nodes};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn nodes(&self) -> BoxFuture<'_, Nodes> {
//!         let broker = Arc::new(MemoryBroker::new());
//!         Box::pin(async { Nodes::new([broker.clone(), broker.clone(), broker]) })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
//! #     .block_on(async {
//! broker::all(&Memory).await;
//! #     });
//! ```

#![allow(clippy::missing_panics_doc, reason = "a property that does not hold panics")]

mod answers;
mod fan_out;
mod probe;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

pub use self::answers::{
    a_full_subscriber_refuses_and_another_member_takes_over, a_slow_subscriber_delays_no_other,
    failures_are_counted, nobody_is_no_error,
};
pub use self::fan_out::{
    a_closed_subscription_gets_nothing, a_group_gets_each_event_once, a_thousand_subscribers,
    bad_names_are_refused, events_survive_as_they_are, every_subscriber_gets_each_event,
    groups_and_others_do_not_disturb_each_other, one_publisher_s_events_stay_in_order,
    publishers_at_once_lose_nothing,
};
use crate::broker::Broker;
use crate::registry::BoxFuture;

/// Makes brokers to test and says what can be asked of them.
pub trait Harness: Send + Sync {
    /// Three nodes' brokers that reach each other, and that nobody else uses.
    fn nodes(&self) -> BoxFuture<'_, Nodes>;

    /// The longest a new subscription may take to be seen by publishers; 10 s.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// How many subscribers it must bear on one node; 1,000.
    fn subscribers(&self) -> u32 {
        1000
    }

    /// Bytes in the largest event that it must carry; 1 MiB.
    fn event_bytes(&self) -> usize {
        1 << 20
    }

    /// A content type that all nodes understand; `application/json`.
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    /// Whether [`Published`](crate::broker::Published) tells failures from successes; `true`.
    fn tells_failures(&self) -> bool {
        true
    }
}

/// The brokers of three nodes.
pub struct Nodes {
    /// One for each; equal where there is no difference.
    pub brokers: [Arc<dyn Broker>; 3],
    /// What must live as long as they do.
    _guard: Box<dyn Any + Send>,
}

impl Nodes {
    /// Nodes that need nothing else.
    pub fn new(brokers: [Arc<dyn Broker>; 3]) -> Self {
        Self::guarded(brokers, ())
    }

    /// Nodes that need what `guard` holds.
    pub fn guarded(brokers: [Arc<dyn Broker>; 3], guard: impl Send + 'static) -> Self {
        Self { brokers, _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.brokers.iter().map(|broker| broker.name())).finish()
    }
}

/// Checks every property that `harness` admits.
///
/// # Panics
/// The properties that failed, each with its reason.
pub async fn all(harness: &dyn Harness) {
    let mut failed = Vec::new();
    for (name, property) in properties() {
        if let Err(panic) = AssertUnwindSafe(property(harness)).catch_unwind().await {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            failed.push(format!("{name}: {}", text.unwrap_or("it panicked")));
        }
    }
    assert!(failed.is_empty(), "{} properties failed:\n{}", failed.len(), failed.join("\n"));
}

type Property = for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, ()>;

fn properties() -> Vec<(&'static str, Property)> {
    macro_rules! properties {
        ($($name:ident),* $(,)?) => {
            vec![$((stringify!($name), (|harness| Box::pin($name(harness))) as Property)),*]
        };
    }
    properties![
        every_subscriber_gets_each_event,
        a_group_gets_each_event_once,
        groups_and_others_do_not_disturb_each_other,
        a_closed_subscription_gets_nothing,
        one_publisher_s_events_stay_in_order,
        publishers_at_once_lose_nothing,
        events_survive_as_they_are,
        a_thousand_subscribers,
        bad_names_are_refused,
        nobody_is_no_error,
        failures_are_counted,
        a_full_subscriber_refuses_and_another_member_takes_over,
        a_slow_subscriber_delays_no_other,
    ]
}
