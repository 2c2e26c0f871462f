//! The watches of a registry in memory, found by what they follow.
//!
//! Pure.

use std::collections::{BTreeSet, HashMap};

use super::watch::WatchQueue;
use crate::registry::{Change, WatchScope};

/// All running watches, by number.
///
/// What concerns one service reaches those that follow it or all, and looks at no others.
#[derive(Debug, Default)]
pub(super) struct Watches {
    queues: HashMap<usize, WatchQueue>,
    of_all: BTreeSet<usize>,
    of_service: HashMap<String, BTreeSet<usize>>,
    next: usize,
}

impl Watches {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }

    /// Adds one and returns its number.
    pub(super) fn insert(&mut self, queue: WatchQueue) -> usize {
        let number = self.next;
        self.next += 1;
        match &queue.scope {
            WatchScope::All => self.of_all.insert(number),
            WatchScope::Service(name) => {
                self.of_service.entry(name.clone()).or_default().insert(number)
            }
        };
        self.queues.insert(number, queue);
        number
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut WatchQueue> {
        self.queues.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: usize) {
        let Some(queue) = self.queues.remove(&number) else { return };
        match queue.scope {
            WatchScope::All => drop(self.of_all.remove(&number)),
            WatchScope::Service(name) => {
                if let Some(watches) = self.of_service.get_mut(&name) {
                    watches.remove(&number);
                    if watches.is_empty() {
                        self.of_service.remove(&name);
                    }
                }
            }
        }
    }

    /// Ends them all.
    pub(super) fn end(&mut self) {
        self.of_all.clear();
        self.of_service.clear();
        self.queues.drain().for_each(|(_, queue)| queue.wake());
    }

    /// Queues a change for all that follow its service.
    pub(super) fn tell(&mut self, change: &Change) {
        let (Change::Created(one) | Change::Updated(one) | Change::Deleted(one)) = change else {
            return;
        };
        self.each(&one.name, |queue| queue.push(change));
    }

    /// Has all that follow a service look again when the next lease runs out.
    pub(super) fn wake(&mut self, service: &str) {
        self.each(service, |queue| queue.wake());
    }

    fn each(&mut self, service: &str, act: impl Fn(&mut WatchQueue)) {
        let own = self.of_service.get(service).into_iter().flatten();
        for number in own.chain(&self.of_all) {
            if let Some(queue) = self.queues.get_mut(number) {
                act(queue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry::Service;

    #[test]
    fn a_change_looks_at_no_watch_of_another_service() {
        let mut watches = Watches::default();
        for index in 0..100 {
            add(&mut watches, WatchScope::Service(format!("service-{index}")));
        }
        let own = [watches.next - 1, add(&mut watches, WatchScope::All)];
        let looked = std::cell::Cell::new(0);
        watches.each("service-99", |_| looked.set(looked.get() + 1));
        assert_eq!(looked.get(), own.len());
        for number in own {
            watches.remove(number);
        }
        assert_eq!((watches.len(), watches.of_service.len()), (99, 99));
        watches.tell(&Change::Deleted(Service::new("service-99", "1")));
        watches.end();
        assert_eq!((watches.len(), watches.of_service.len()), (0, 0));
    }

    fn add(watches: &mut Watches, scope: WatchScope) -> usize {
        watches.insert(WatchQueue::new(scope, Arc::default()))
    }
}
