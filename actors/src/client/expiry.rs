//! Wakes callers whose deadline has passed, for calls that no connection looks after.
//!
//! A timer per call would cost more than a call within the process. Nearly all calls end long
//! before their deadline, so there is one timer, set to the earliest deadline, and a pass over the
//! table when it fires.

use std::sync::Arc;
use std::task::Waker;

use actix_rt::ArbiterHandle;
use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The deadlines of the calls that one thread waits for.
#[derive(Debug)]
pub struct Expiry {
    table: Mutex<Table>,
    /// Tells the timer of an earlier deadline.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: Slab<(Instant, Waker)>,
    /// What the timer is set to.
    earliest: Option<Instant>,
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
        let (key, is_sooner) = {
            let mut table = self.table.lock();
            let is_sooner = table.earliest.is_none_or(|earliest| deadline < earliest);
            if is_sooner {
                table.earliest = Some(deadline);
            }
            (table.entries.insert((deadline, waker)), is_sooner)
        };
        if is_sooner {
            self.sooner.notify_one();
        }
        key
    }

    /// Replaces the waker of an entry.
    pub fn update(&self, key: usize, waker: &Waker) {
        if let Some((_, known)) = self.table.lock().entries.get_mut(key) {
            known.clone_from(waker);
        }
    }

    /// Forgets an entry.
    pub fn remove(&self, key: usize) {
        self.table.lock().entries.try_remove(key);
    }

    /// Waits for the earliest deadline, or for an earlier one; wakes whose deadline has passed.
    async fn turn(&self) {
        let earliest = self.table.lock().earliest;
        let idle = Instant::now() + IDLE;
        let until = earliest.map_or(idle, |earliest| earliest.min(idle));
        if timeout_at(until, self.sooner.notified()).await.is_err() {
            let now = Instant::now();
            let mut table = self.table.lock();
            table.earliest =
                table.entries.iter().map(|(_, (at, _))| *at).filter(|at| *at > now).min();
            for (_, (deadline, waker)) in &table.entries {
                if *deadline <= now {
                    waker.wake_by_ref();
                }
            }
        }
    }
}

/// How often the timer looks whether anybody still needs it.
const IDLE: std::time::Duration = std::time::Duration::from_secs(1);
