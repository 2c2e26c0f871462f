//! The registrations that this process holds, and when each must be announced again or ends.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::announcement::{TTL_MAX, TTL_MIN, label};
use super::record::{Key, Record};

/// One registration.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) record: Record,
    /// The name of its DNS-SD instance.
    pub(super) label: String,
    pub(super) ttl: Duration,
    /// The beat of the announcement with which the record changed last.
    pub(super) changed: u64,
    ends: Instant,
    announced: Option<Instant>,
    /// When an announcement is owed; a renewal owes one.
    owed: Option<Instant>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// There was none before.
    New,
    /// It was the same, and is prolonged.
    Renewed,
    /// It replaces another record.
    Changed,
    /// It is not held: there are too many.
    Full,
}

/// All registrations, ordered by key.
#[derive(Debug, Default)]
pub(super) struct Leases {
    leases: BTreeMap<Key, Lease>,
    departed: HashMap<String, Instant>,
}

impl Leases {
    /// Holds `record` for `ttl`.
    pub(super) fn hold(&mut self, record: Record, ttl: Duration, beat: u64, now: Instant) -> Held {
        if let Some(lease) = self.leases.get_mut(&record.key) {
            lease.renew(ttl, now);
            if lease.record.digest == record.digest {
                return Held::Renewed;
            }
            lease.owed = Some(now);
            lease.changed = beat;
            lease.record = record;
            return Held::Changed;
        }
        if self.leases.len() >= LEASES_MAX {
            return Held::Full;
        }
        let ttl = ttl.clamp(TTL_MIN, TTL_MAX);
        let label = self.free_label(&record.key, now);
        let (ends, owed) = (now + ttl, Some(now));
        let key = record.key.clone();
        let lease = Lease { record, label, ttl, changed: beat, ends, announced: None, owed };
        self.leases.insert(key, lease);
        Held::New
    }

    /// Prolongs a registration; false when there is none.
    pub(super) fn renew(&mut self, key: &Key, ttl: Duration, now: Instant) -> bool {
        self.leases.get_mut(key).map(|lease| lease.renew(ttl, now)).is_some()
    }

    /// Ends a registration.
    pub(super) fn release(&mut self, key: &Key, now: Instant) -> Option<Lease> {
        let lease = self.leases.remove(key)?;
        self.departed.insert(lease.label.clone(), now);
        Some(lease)
    }

    /// The registrations that were not renewed in time.
    pub(super) fn ended(&self, now: Instant) -> Vec<Key> {
        let ended = self.leases.values().filter(|lease| lease.ends <= now);
        ended.map(|lease| lease.record.key.clone()).collect()
    }

    /// The registrations that must be announced now.
    pub(super) fn owed(&self, now: Instant) -> Vec<Key> {
        let owed = self.leases.values().filter(|lease| lease.owed.is_some_and(|at| at <= now));
        owed.map(|lease| lease.record.key.clone()).collect()
    }

    /// Whether a registration must be announced now.
    pub(super) fn is_owed(&self, key: &Key, now: Instant) -> bool {
        self.leases.get(key).and_then(|lease| lease.owed).is_some_and(|at| at <= now)
    }

    /// Says that a registration was announced.
    pub(super) fn announced(&mut self, key: &Key, now: Instant) {
        if let Some(lease) = self.leases.get_mut(key) {
            lease.announced = Some(now);
            lease.owed = None;
        }
    }

    /// Owes one or all registrations an announcement at a later time.
    pub(super) fn postpone(&mut self, key: Option<&Key>, at: Instant) {
        for lease in self.leases.values_mut() {
            if key.is_none_or(|key| *key == lease.record.key) {
                lease.owed = Some(at);
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let dues = |lease: &Lease| lease.owed.map_or(lease.ends, |at| at.min(lease.ends));
        self.leases.values().map(dues).min()
    }

    pub(super) fn lease(&self, key: &Key) -> Option<&Lease> {
        self.leases.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// A label that was not withdrawn just now.
    ///
    /// Goodbyes are repeated and answers are delayed, so what the network still carries about an
    /// old instance must not be about the new one. A new name is also exempt from the limit of one
    /// announcement per record and second.
    fn free_label(&mut self, key: &Key, now: Instant) -> String {
        self.departed.retain(|_, left| now.saturating_duration_since(*left) < DEPARTURE);
        let base = label(key);
        let mut free = base.clone();
        for generation in 2..GENERATIONS_MAX {
            if !self.departed.contains_key(&free) {
                break;
            }
            free = format!("{base} #{generation}");
        }
        free
    }
}

impl Lease {
    fn renew(&mut self, ttl: Duration, now: Instant) {
        self.ttl = ttl.clamp(TTL_MIN, TTL_MAX);
        self.ends = now + self.ttl;
        // Renewals may come much faster than others need to hear of them.
        let spaced = self.announced.map_or(now, |at| now.max(at + self.ttl / BEATS_PER_TTL));
        self.owed = Some(self.owed.map_or(spaced, |at| at.min(spaced)));
    }
}

/// Announcements per TTL at most, beside those that carry news.
pub(super) const BEATS_PER_TTL: u32 = 4;

/// Registrations that one process may hold.
const LEASES_MAX: usize = 10_000;

/// How long the name of a withdrawn instance is not used again.
const DEPARTURE: Duration = Duration::from_secs(3);

/// Names tried for one node; reached by a node that comes and goes 300 times a second.
const GENERATIONS_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::slice;

    use callboard_actors::registry::{NodeInfo, Service};

    use super::*;

    const TTL: Duration = Duration::from_secs(4);
    const SECOND: Duration = Duration::from_secs(1);

    fn record(address: &str) -> Record {
        let service = Service::new("greeter", "1").node(NodeInfo::new("a", address));
        Record::split(&service).unwrap().remove(0)
    }

    fn held(now: Instant) -> (Leases, Key) {
        let mut leases = Leases::default();
        let record = record("127.0.0.1:1");
        let key = record.key.clone();
        assert_eq!(leases.hold(record, TTL, 1, now), Held::New);
        (leases, key)
    }

    #[test]
    fn a_new_registration_is_owed_at_once_and_ends_after_its_ttl() {
        let now = Instant::now();
        let (mut leases, key) = held(now);
        assert_eq!(leases.owed(now), slice::from_ref(&key));
        leases.announced(&key, now);
        assert_eq!(leases.owed(now + TTL), []);
        assert_eq!(leases.next_due(), Some(now + TTL));
        assert_eq!(leases.ended(now + SECOND), []);
        assert_eq!(leases.ended(now + TTL), [key]);
    }

    #[test]
    fn frequent_renewals_owe_one_announcement_per_quarter_ttl() {
        let now = Instant::now();
        let (mut leases, key) = held(now);
        leases.announced(&key, now);
        for tenth in 1..5 {
            assert!(leases.renew(&key, TTL, now + SECOND * tenth / 10));
        }
        assert_eq!(leases.owed(now + SECOND / 2), []);
        assert_eq!(leases.owed(now + SECOND), slice::from_ref(&key));
        leases.announced(&key, now + SECOND);
        assert_eq!(leases.next_due(), Some(now + SECOND * 4 / 10 + TTL));
        assert!(leases.release(&key, now).is_some());
        assert!(!leases.renew(&key, TTL, now));
    }

    #[test]
    fn a_changed_record_is_owed_at_once_and_returns_the_old_one() {
        let now = Instant::now();
        let (mut leases, key) = held(now);
        leases.announced(&key, now);
        assert_eq!(leases.hold(record("127.0.0.1:1"), TTL, 2, now), Held::Renewed);
        assert_eq!((leases.owed(now), leases.lease(&key).unwrap().changed), (vec![], 1));
        assert_eq!(leases.hold(record("127.0.0.1:2"), TTL, 3, now), Held::Changed);
        assert_eq!(leases.lease(&key).unwrap().record.service.nodes[0].address, "127.0.0.1:2");
        assert_eq!((leases.owed(now), leases.lease(&key).unwrap().changed), (vec![key], 3));
    }

    #[test]
    fn a_name_is_not_used_again_right_after_it_was_withdrawn() {
        let now = Instant::now();
        let (mut leases, key) = held(now);
        let mut label_at = |now| {
            leases.release(&key, now).unwrap();
            assert_eq!(leases.hold(record("127.0.0.1:1"), TTL, 1, now), Held::New);
            leases.lease(&key).unwrap().label.clone()
        };
        assert_eq!(label_at(now), "a greeter 1 #2");
        assert_eq!(label_at(now), "a greeter 1 #3");
        assert_eq!(label_at(now + DEPARTURE), "a greeter 1");
    }

    #[test]
    fn no_more_are_held_than_the_limit() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let mut hold = |index: usize| {
            let service = Service::new("x", "").node(NodeInfo::new(index.to_string(), "a:1"));
            leases.hold(Record::split(&service).unwrap().remove(0), TTL, 1, now) != Held::Full
        };
        assert!((0..LEASES_MAX).all(&mut hold));
        assert!(!hold(LEASES_MAX));
        assert!(hold(0), "a renewal needs no room");
    }
}
