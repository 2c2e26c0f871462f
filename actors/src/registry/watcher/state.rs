//! What outlives a restart of the watcher: views and who is told of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actix::{Recipient, dev::SendError};
use parking_lot::Mutex;

use super::{Freshness, ServiceView, ViewChanged};
use crate::registry::VersionView;

/// The last good views and the subscribers of a [`Watcher`](super::Watcher).
///
/// The watcher's factory keeps a clone and hands it to each incarnation, so that a restart loses
/// neither. It holds no more services than
/// [`WatcherOptions::services`](super::WatcherOptions::services).
#[derive(Clone, Default)]
pub struct WatcherState {
    // Only the watcher locks it, for as long as a table lookup takes.
    table: Arc<Mutex<Table>>,
}

impl fmt::Debug for WatcherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatcherState").field("services", &self.table.lock().entries.len()).finish()
    }
}

#[derive(Default)]
struct Table {
    entries: HashMap<String, Entry>,
    revision: u64,
}

#[derive(Default)]
struct Entry {
    view: Option<Arc<ServiceView>>,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    recipient: Recipient<ViewChanged>,
    /// The revision it was last told of; 0 for none.
    told: u64,
}

/// Whether every subscriber has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    All,
    /// A mailbox was full; try again soon.
    NotAll,
}

impl WatcherState {
    pub(super) fn services(&self) -> Vec<String> {
        self.table.lock().entries.keys().cloned().collect()
    }

    pub(super) fn view(&self, service: &str) -> Option<Arc<ServiceView>> {
        self.table.lock().entries.get(service)?.view.clone()
    }

    /// Makes room for what becomes known of `service`.
    pub(super) fn open(&self, service: &str) {
        self.table.lock().entries.entry(service.into()).or_default();
    }

    /// Forgets `service`; its subscribers learn that they are no longer told.
    pub(super) fn close(&self, service: &str) {
        let entry = self.table.lock().entries.remove(service);
        for subscriber in entry.into_iter().flat_map(|entry| entry.subscribers) {
            // A last word that must not be lost, and at most one per subscription.
            subscriber.recipient.do_send(ViewChanged { service: service.into(), view: None });
        }
    }

    /// Whether somebody is told of `service`; forgets subscribers that are gone.
    pub(super) fn has_subscribers(&self, service: &str) -> bool {
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(service) else { return false };
        entry.subscribers.retain(|subscriber| subscriber.recipient.connected());
        !entry.subscribers.is_empty()
    }

    /// Adds a subscriber, unless there are `limit`; repeating it has it told once more.
    pub(super) fn subscribe(
        &self,
        service: &str,
        recipient: Recipient<ViewChanged>,
        limit: usize,
    ) -> bool {
        let mut table = self.table.lock();
        let entry = table.entries.entry(service.into()).or_default();
        entry
            .subscribers
            .retain(|known| known.recipient.connected() && known.recipient != recipient);
        let accepted = entry.subscribers.len() < limit;
        if accepted {
            entry.subscribers.push(Subscriber { recipient, told: 0 });
        }
        accepted
    }

    pub(super) fn unsubscribe(&self, service: &str, recipient: &Recipient<ViewChanged>) {
        if let Some(entry) = self.table.lock().entries.get_mut(service) {
            entry.subscribers.retain(|known| known.recipient != *recipient);
        }
    }

    /// Replaces the view where it differs; says whether it did.
    pub(super) fn renew(
        &self,
        service: &str,
        versions: Vec<VersionView>,
        freshness: Freshness,
    ) -> bool {
        let mut table = self.table.lock();
        let revision = table.revision + 1;
        let entry = table.entries.entry(service.into()).or_default();
        // Both are in the fixed order of what is believed, and share most of it.
        let is_same = |view: &ServiceView| view.freshness == freshness && view.versions == versions;
        if entry.view.as_deref().is_some_and(is_same) {
            return false;
        }
        let view = ServiceView { name: service.into(), versions, freshness, revision };
        entry.view = Some(Arc::new(view));
        table.revision = revision;
        true
    }

    /// Marks the view as stale, if there is one.
    pub(super) fn mark_stale(&self, service: &str) {
        if let Some(view) = self.view(service) {
            self.renew(service, view.versions.clone(), Freshness::Stale);
        }
    }

    /// Tells every subscriber that does not know the current view.
    pub(super) fn publish(&self, service: &str) -> Told {
        let mut table = self.table.lock();
        let Some(Entry { view: Some(view), subscribers }) = table.entries.get_mut(service) else {
            return Told::All;
        };
        let mut told = Told::All;
        subscribers.retain_mut(|subscriber| {
            if subscriber.told == view.revision {
                return true;
            }
            let news = ViewChanged { service: service.into(), view: Some(Arc::clone(view)) };
            match subscriber.recipient.try_send(news) {
                Ok(()) => subscriber.told = view.revision,
                // The mailbox is full: it gets the newest view later, not each one in between.
                Err(SendError::Full(_)) => told = Told::NotAll,
                Err(SendError::Closed(_)) => return false,
            }
            true
        });
        told
    }
}
