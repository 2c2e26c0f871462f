//! Whom to wake at which moment, for alarms of which nearly all are taken back before they ring.
//!
//! A timer for each would cost more than a call within the process. So there is one for all of
//! them, set to the earliest, and a pass over the table when it fires.
//!
//! Pure.

use std::task::Waker;

use slab::Slab;
use tokio::time::Instant;

/// The alarms that one timer looks after.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    entries: Slab<(Instant, Waker)>,
    /// What the timer is set to.
    earliest: Option<Instant>,
}

impl Alarms {
    /// Adds one; its key, and whether the timer must be set anew.
    pub(crate) fn insert(&mut self, at: Instant, waker: Waker) -> (usize, bool) {
        let is_sooner = self.earliest.is_none_or(|earliest| at < earliest);
        if is_sooner {
            self.earliest = Some(at);
        }
        (self.entries.insert((at, waker)), is_sooner)
    }

    /// Replaces the waker of an alarm.
    pub(crate) fn update(&mut self, key: usize, waker: &Waker) {
        if let Some((_, known)) = self.entries.get_mut(key) {
            known.clone_from(waker);
        }
    }

    /// Whether this waker's task is the one that is woken.
    pub(crate) fn wakes(&self, key: usize, waker: &Waker) -> bool {
        self.entries.get(key).is_some_and(|(_, known)| known.will_wake(waker))
    }

    /// Takes an alarm back; the waker is to be dropped where nothing is locked.
    pub(crate) fn remove(&mut self, key: usize) -> Option<Waker> {
        self.entries.try_remove(key).map(|(_, waker)| waker)
    }

    /// Everybody who was to be woken.
    pub(crate) fn into_wakers(self) -> Vec<Waker> {
        self.entries.into_iter().map(|(_, (_, waker))| waker).collect()
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// When the timer is to fire.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// The timer has fired: whom to wake, once. An alarm that rang stays until it is removed.
    pub(crate) fn ring(&mut self, now: Instant) -> Vec<Waker> {
        let moments = self.entries.iter().map(|(_, (at, _))| *at);
        self.earliest = moments.filter(|at| *at > now).min();
        let due = self.entries.iter().filter(|(_, (at, _))| *at <= now);
        due.map(|(_, (_, waker))| waker.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_timer_is_set_to_the_earliest_and_rings_all_that_are_due() {
        let (now, mut alarms) = (Instant::now(), Alarms::default());
        let after = |millis| now + Duration::from_millis(millis);
        assert!(alarms.insert(after(20), Waker::noop().clone()).1);
        let (early, is_sooner) = alarms.insert(after(10), Waker::noop().clone());
        assert!(is_sooner && !alarms.insert(after(30), Waker::noop().clone()).1);
        assert_eq!(alarms.earliest(), Some(after(10)));
        drop(alarms.remove(early));
        assert_eq!(alarms.ring(after(20)).len(), 1);
        assert_eq!(alarms.earliest(), Some(after(30)));
        assert_eq!(alarms.ring(after(40)).len(), 2, "it stays until it is removed");
        assert_eq!(alarms.earliest(), None);
    }
}
