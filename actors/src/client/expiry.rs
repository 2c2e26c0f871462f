//! Wakes callers whose deadline has passed, for calls that no connection looks after, whatever
//! executor their tasks are on.

use std::sync::Arc;
use std::task::Waker;

use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::alarms::Alarms;

/// The deadlines of the calls that one thread waits for.
#[derive(Debug)]
pub struct Expiry {
    table: Mutex<Alarms>,
    /// Tells the timer of an earlier deadline.
    sooner: Notify,
}

impl Expiry {
    /// Starts the timer on an arbiter; it ends with the last handle.
    pub fn start(arbiter: &ArbiterHandle) -> Arc<Self> {
        let expiry = Arc::new(Self { table: Mutex::default(), sooner: Notify::new() });
        let weak = Arc::downgrade(&expiry);
        arbiter.spawn(async move {
            while let Some(expiry) = weak.upgrade() {
                expiry.turn().await;
            }
        });
        expiry
    }

    /// Has `waker` woken once at `deadline`, unless it is [removed](Self::remove) before.
    pub fn insert(&self, deadline: Instant, waker: Waker) -> usize {
        let (key, is_sooner) = self.table.lock().insert(deadline, waker);
        if is_sooner {
            self.sooner.notify_one();
        }
        key
    }

    /// Replaces the waker of an entry.
    pub fn update(&self, key: usize, waker: &Waker) {
        self.table.lock().update(key, waker);
    }

    /// Forgets an entry.
    pub fn remove(&self, key: usize) {
        let _removed = self.table.lock().remove(key);
    }

    /// Waits for the earliest deadline, or for an earlier one; wakes whose deadline has passed.
    async fn turn(&self) {
        let earliest = self.table.lock().earliest();
        let idle = Instant::now() + IDLE;
        let until = earliest.map_or(idle, |earliest| earliest.min(idle));
        if timeout_at(until, self.sooner.notified()).await.is_err() {
            let due = self.table.lock().ring(Instant::now());
            due.into_iter().for_each(Waker::wake);
        }
    }
}

/// How often the timer looks whether anybody still needs it.
const IDLE: std::time::Duration = std::time::Duration::from_secs(1);
