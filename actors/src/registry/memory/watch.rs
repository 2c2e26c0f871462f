//! A watch on a registry in memory: a bounded queue of changes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::{NAME, Shared};
use crate::Deadline;
use crate::registry::{BoxFuture, Change, RegistryError, Watch, WatchScope};

/// What one watch has not read yet; lives in the registry.
///
/// At most [`MAX_QUEUED`] changes. One more replaces them all by a resynchronisation, whose
/// content is taken when it is read: nothing is lost and memory stays bounded.
#[derive(Debug)]
pub(super) struct WatchQueue {
    pub(super) scope: WatchScope,
    changes: VecDeque<Change>,
    resync: bool,
    wake: Arc<Notify>,
}

impl WatchQueue {
    /// Creates a queue that begins with a resynchronisation.
    pub(super) fn new(scope: WatchScope, wake: Arc<Notify>) -> Self {
        Self { scope, changes: VecDeque::new(), resync: true, wake }
    }

    /// Queues a change within the scope.
    pub(super) fn push(&mut self, change: &Change) {
        // A resynchronisation that has not been read yet will tell of this change, too.
        if self.resync {
            return;
        }
        if self.changes.len() == MAX_QUEUED {
            self.changes.clear();
            self.resync = true;
        } else {
            self.changes.push_back(change.clone());
        }
        self.wake.notify_one();
    }

    /// Has the reader look again when the next lease runs out.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// The reader's side; dropping it ends the watch.
pub(super) struct MemoryWatch {
    pub(super) id: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) wake: Arc<Notify>,
}

impl Watch for MemoryWatch {
    fn next(&mut self) -> BoxFuture<'_, Result<Change, RegistryError>> {
        Box::pin(async move {
            loop {
                let expiry = match self.read()? {
                    Read::Change(change) => return Ok(change),
                    Read::Nothing { next_expiry } => next_expiry,
                };
                // Nobody but the watchers looks after leases: there is no thread and no task.
                let woken = self.wake.notified();
                match expiry {
                    None => woken.await,
                    Some(at) => {
                        let at = Deadline::after(self.shared.began, at).instant();
                        // Woken or run out: either way there is something to read.
                        let _ = timeout_at(at, woken).await;
                    }
                }
            }
        })
    }
}

impl MemoryWatch {
    fn read(&self) -> Result<Read, RegistryError> {
        let mut state = self.shared.state.lock();
        state.expire(self.shared.now());
        let Some(queue) = state.watches.get_mut(self.id) else {
            return Err(RegistryError::WatchEnded { registry: NAME, reason: ENDED.into() });
        };
        if let Some(change) = queue.changes.pop_front() {
            return Ok(Read::Change(change));
        }
        let scope = queue.scope.clone();
        if std::mem::take(&mut queue.resync) {
            return Ok(Read::Change(Change::Resync(state.leases.snapshot(&scope))));
        }
        Ok(Read::Nothing { next_expiry: state.leases.next_expiry(&scope) })
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.shared.state.lock().watches.remove(self.id);
    }
}

enum Read {
    Change(Change),
    Nothing { next_expiry: Option<Duration> },
}

/// Changes a watch may leave unread before they are replaced by a resynchronisation.
pub(super) const MAX_QUEUED: usize = 256;

const ENDED: &str = "the registry had an outage";
