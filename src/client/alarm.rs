//! Waking a task at a moment, whatever executor it is on.

use callboard_actors::Deadline;
use std::task::Waker;

use super::ServiceRef;

/// Has a task woken at a deadline, by one of the system's own threads, unless it is dropped before.
pub(crate) struct Alarm {
    service: ServiceRef,
    shard: usize,
    entry: usize,
}

impl Alarm {
    pub(crate) fn set(service: &ServiceRef, deadline: Deadline, waker: Waker) -> Self {
        let caller = service.system().caller();
        let shard = caller.shard_index();
        let entry = caller.expiry(shard).insert(deadline.instant(), waker);
        Self { service: service.clone(), shard, entry }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.service.system().caller().expiry(self.shard).remove(self.entry);
    }
}
