//! Keeps subscriptions announced in the registry.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::Addr;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Directory;
use super::directory::note_types;
use crate::broker::{BrokerError, BrokerHome, BrokerPlace, EventDesk, Interest};
use crate::heartbeat::{Announce, Heartbeat, Release, Retire};
use crate::registry::{RegistryError, Service};
use crate::supervisor::{Child, Restart};

/// What of this node is announced; subscribers with equal interests share an announcement.
#[derive(Default)]
pub(super) struct Announcements {
    entries: Mutex<HashMap<Interest, Arc<Entry>>>,
    next: AtomicU64,
}

/// One interest; the lock is held while the registry is asked, so that what is announced and who
/// holds it cannot come apart.
#[derive(Default)]
struct Entry(tokio::sync::Mutex<State>);

#[derive(Default)]
struct State {
    holders: usize,
    heartbeats: Vec<Addr<Heartbeat>>,
    /// Under which it is announced, and where they are known.
    ids: Vec<String>,
    desk: Option<EventDesk>,
}

/// A share in an announcement; dropping it gives it up.
pub(super) struct Announced {
    entry: Arc<Entry>,
    home: BrokerHome,
    is_open: bool,
}

impl Announcements {
    /// Has an interest announced, or joins those who have.
    pub(super) async fn add(
        &self,
        directory: &dyn Directory,
        desk: &EventDesk,
        (home, place): (&BrokerHome, &BrokerPlace),
        interest: Interest,
    ) -> Result<Announced, BrokerError> {
        let entry = self.entry(&interest);
        let mut state = entry.0.lock().await;
        if state.holders == 0 {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            // An attempt that was abandoned may have left some.
            state.withdraw().await;
            let mut records = directory.records(&interest, &place.node, number);
            for node in records.iter_mut().flat_map(|record| &mut record.nodes) {
                note_types(node, interest.types);
            }
            let ids = records.iter().flat_map(|record| &record.nodes).map(|node| node.id.clone());
            state.ids = ids.collect();
            state.desk = Some(desk.clone());
            desk.know(&state.ids, &interest);
            for record in records {
                let heartbeat = start(home, place, record).await?;
                state.heartbeats.push(heartbeat.clone());
                if let Err(error) = announce(&heartbeat, home).await {
                    state.withdraw().await;
                    return Err(error);
                }
            }
        }
        state.holders += 1;
        drop(state);
        Ok(Announced { entry, home: home.clone(), is_open: true })
    }
}

impl Announcements {
    fn entry(&self, interest: &Interest) -> Arc<Entry> {
        let mut entries = self.entries.lock();
        if entries.len() >= ENTRIES_MANY {
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(entries.entry(interest.clone()).or_default())
    }
}

async fn start(
    home: &BrokerHome,
    place: &BrokerPlace,
    record: Service,
) -> Result<Addr<Heartbeat>, BrokerError> {
    let name = format!("announcement of {}", record.name);
    let (registry, options) = (Arc::clone(&home.registry), home.heartbeat);
    let is_announced = Arc::<AtomicBool>::default();
    let child = Child::new(name, move || {
        let (registry, is_announced) = (Arc::clone(&registry), Arc::clone(&is_announced));
        Heartbeat::new(registry, record.clone(), options, is_announced)
    });
    let child = child.restart(Restart::Transient).shutdown(DEREGISTRATION);
    place.supervisor.start_child(child).await.map_err(|_| BrokerError::Stopped)
}

async fn announce(heartbeat: &Addr<Heartbeat>, home: &BrokerHome) -> Result<(), BrokerError> {
    let answer = heartbeat.send(Announce).await.map_err(|_| BrokerError::Stopped)?;
    answer.map_err(|error| match error {
        error @ RegistryError::Unsupported { .. } => BrokerError::Unavailable {
            broker: super::NAME,
            address: home.registry.address(),
            reason: error.to_string(),
        },
        error => BrokerError::Registry(error),
    })
}

impl State {
    /// Takes everything back from the registry.
    async fn withdraw(&mut self) {
        for heartbeat in self.heartbeats.drain(..) {
            // It has logged what the registry said; the lease runs out in any case.
            let _ = heartbeat.send(Release).await;
            heartbeat.do_send(Retire);
        }
        if let Some(desk) = self.desk.take() {
            desk.forget(&std::mem::take(&mut self.ids));
        }
    }
}

impl Entry {
    async fn leave(&self) {
        let mut state = self.0.lock().await;
        state.holders -= 1;
        if state.holders == 0 {
            state.withdraw().await;
        }
    }
}

impl Announced {
    /// Gives the share up; once this resolves the registry has been told, if it was the last.
    pub(super) async fn withdraw(mut self) {
        let left = self.leave();
        // The arbiter is gone, and what it had announced with it.
        let _ = left.await;
    }

    /// Gives the share up on the client's arbiter, where it goes on whoever stops waiting.
    fn leave(&mut self) -> oneshot::Receiver<()> {
        let (done, left) = oneshot::channel();
        if std::mem::take(&mut self.is_open) {
            let entry = Arc::clone(&self.entry);
            self.home.caller.spawn(async move {
                entry.leave().await;
                drop(done);
            });
        }
        left
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.lock().keys()).finish()
    }
}

/// Interests remembered at least, before those that nobody holds are forgotten.
const ENTRIES_MANY: usize = 1024;

/// Time the registry has to take an announcement back when the node is torn down.
const DEREGISTRATION: Duration = Duration::from_secs(3);
