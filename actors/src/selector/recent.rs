//! What this thread looked at last, so that looking again costs no change to shared memory.
//!
//! Taking a snapshot out of the place where its writer puts it takes two atomic changes, which is
//! as much as all the rest of a pick. Whether it is still the latest takes one read.

use std::cell::RefCell;
use std::sync::Arc;

use super::plain::PlainRoutes;
use super::snapshot::Snapshot;

/// A snapshot that this thread used.
struct Recent {
    /// Number of the service among all of the process.
    service: u64,
    version: u64,
    snapshot: Arc<Snapshot>,
    /// What this thread has found out about it.
    plain: PlainRoutes,
}

/// Hands `look` the snapshot of a service, which `load` fetches if this thread has not got it, and
/// the routes that this thread knows to be plain while it is the latest one.
///
/// `load` must be called after `version` was read, so that it is not older.
#[inline]
pub(super) fn with_recent<T>(
    service: u64,
    version: u64,
    load: impl Fn() -> Arc<Snapshot>,
    look: impl FnOnce(&Snapshot, &PlainRoutes) -> T,
) -> T {
    RECENT.with(|recent| {
        // Looking runs the user's filters. Should one of them look at a service itself, it may
        // find this thread's memory in use, and does without.
        if let Ok(all) = recent.try_borrow()
            && let Some(known) = all.iter().find(|it| it.service == service)
            && known.version == version
        {
            return look(&known.snapshot, &known.plain);
        }
        let snapshot = load();
        if let Ok(mut all) = recent.try_borrow_mut() {
            let (snapshot, plain) = (Arc::clone(&snapshot), PlainRoutes::default());
            remember(&mut all, Recent { service, version, snapshot, plain });
        }
        look(&snapshot, &PlainRoutes::default())
    })
}

/// Displaces what was known of the same service, or else what was remembered first.
fn remember(all: &mut Vec<Recent>, recent: Recent) {
    all.retain(|it| it.service != recent.service);
    if all.len() >= SERVICES_MOST {
        all.remove(0);
    }
    all.push(recent);
}

thread_local! {
    static RECENT: RefCell<Vec<Recent>> = const { RefCell::new(Vec::new()) };
}

/// Services whose nodes a thread remembers.
const SERVICES_MOST: usize = 8;
