//! The contract of a registry, in code.
//!
//! Each property is a function that panics when the registry under test does not have it; [`all`]
//! runs every one that the registry's [`Harness`] says it can. Properties do not depend on each
//! other and ask for a fresh registry each.
//!
//! ```
//! use std::sync::Arc;
//!
//! use callboard_actors::registry::{BoxFuture, MemoryRegistry};
//! use callboard_actors::testing::registry::{self, Harness, Pair};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn pair(&self) -> BoxFuture<'_, Pair> {
//!         let registry = Arc::new(MemoryRegistry::new());
//!         Box::pin(async { Pair { one: registry.clone(), other: registry } })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
//! #     .block_on(async {
//! registry::all(&Memory).await;
//! #     });
//! ```

mod lease;
mod loss;
mod probe;
mod record;
mod watch;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

pub use self::lease::{
    deregistration_is_seen_and_repeatable, expires_after_its_ttl, registering_again_is_renewing,
    renewal_keeps_a_lease, renewing_the_unknown_says_so, update_is_seen, visible_after_register,
};
pub use self::loss::{
    a_lease_that_was_lost_is_told_and_begins_anew, nodes_and_watches_outlive_the_loss_of_everything,
};
pub use self::record::{
    large_records_survive, lists_every_version_once, many_nodes_are_merged, reads_agree,
    two_versions_live_side_by_side, unicode_survives, unknown_names_are_empty,
};
pub use self::watch::{
    watch_begins_with_a_resync_and_keeps_order, watch_can_be_opened_again_after_a_restart,
    watch_loses_nothing_when_a_read_is_dropped, watch_of_all_sees_every_service,
    watch_of_one_sees_only_that, watch_tells_of_an_expiry, watch_tells_of_one_node_among_others,
};
use crate::registry::{BoxFuture, Registry};

/// Makes registries to test and says what can be asked of them.
pub trait Harness: Send + Sync {
    /// Two handles on one registry that nobody else uses.
    ///
    /// Empty, unless [`can_register`](Self::can_register) is `false`. The handles may be the same
    /// where a process only ever has one.
    fn pair(&self) -> BoxFuture<'_, Pair>;

    /// The shortest TTL that the registry keeps to; 1 s.
    fn shortest_ttl(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// The longest a change may take to be seen, expiry beyond the TTL included; 5 s.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// How many nodes of one service it must bear; 100.
    fn nodes(&self) -> usize {
        100
    }

    /// Text in the largest record it must store, in bytes; 64 KiB.
    fn record_bytes(&self) -> usize {
        64 * 1024
    }

    /// Whether it can be written to, unlike a fixed list; `true`.
    fn can_register(&self) -> bool {
        true
    }

    /// Whether leases run out by themselves; `true`.
    fn can_expire(&self) -> bool {
        true
    }

    /// Whether [`restart`](Self::restart) does anything; `false`.
    fn can_restart(&self) -> bool {
        false
    }

    /// Restarts what the handles made last are connected to; it may forget everything.
    fn restart(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Whether [`lose_everything`](Self::lose_everything) does anything; `false`.
    fn can_lose_everything(&self) -> bool {
        false
    }

    /// Takes away what the handles made last are connected to, with all that it holds, and brings
    /// it back empty.
    fn lose_everything(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Two handles on one registry.
#[derive(Clone)]
pub struct Pair {
    /// What the properties write with.
    pub one: Arc<dyn Registry>,
    /// What they read with.
    pub other: Arc<dyn Registry>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pair").field(&self.one.name()).field(&self.other.name()).finish()
    }
}

/// Checks every property that `harness` admits.
///
/// # Panics
/// Names each property that does not hold, and why.
pub async fn all(harness: &dyn Harness) {
    let mut broken = Vec::new();
    for (name, property) in properties(harness) {
        if let Err(panic) = AssertUnwindSafe(property(harness)).catch_unwind().await {
            broken.push(format!("{name}: {}", text(&*panic)));
        }
    }
    assert!(broken.is_empty(), "the registry lacks these properties:\n{}", broken.join("\n"));
}

type Property = for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, ()>;

macro_rules! named {
    ($($property:ident),* $(,)?) => {
        [$((stringify!($property), (|harness| Box::pin($property(harness))) as Property)),*]
    };
}

fn properties(harness: &dyn Harness) -> Vec<(&'static str, Property)> {
    let mut properties = Vec::from(named![unknown_names_are_empty, reads_agree]);
    if !harness.can_register() {
        return properties;
    }
    properties.extend(named![
        visible_after_register,
        renewing_the_unknown_says_so,
        update_is_seen,
        deregistration_is_seen_and_repeatable,
        registering_again_is_renewing,
        two_versions_live_side_by_side,
        many_nodes_are_merged,
        unicode_survives,
        large_records_survive,
        lists_every_version_once,
        watch_begins_with_a_resync_and_keeps_order,
        watch_of_one_sees_only_that,
        watch_tells_of_one_node_among_others,
        watch_of_all_sees_every_service,
        watch_loses_nothing_when_a_read_is_dropped,
    ]);
    if harness.can_expire() {
        let expiring =
            named![expires_after_its_ttl, renewal_keeps_a_lease, watch_tells_of_an_expiry];
        properties.extend(expiring);
    }
    if harness.can_restart() {
        properties.extend(named![watch_can_be_opened_again_after_a_restart]);
    }
    if harness.can_lose_everything() {
        properties.extend(named![
            a_lease_that_was_lost_is_told_and_begins_anew,
            nodes_and_watches_outlive_the_loss_of_everything,
        ]);
    }
    properties
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked without a text")
}

#[cfg(test)]
mod tests;
