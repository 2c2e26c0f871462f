//! The nodes of other registries that were seen, until they leave or fall silent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use callboard_actors::registry::Service;

use super::announcement::{Body, Sighting, Stamp};
use super::leases::BEATS_PER_TTL;
use super::record::Digest;

/// Everything seen on the network, by the name of its DNS-SD instance.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    entries: HashMap<String, Entry>,
}

/// A large record that must be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) instance: String,
    pub(super) digest: Digest,
    pub(super) size: usize,
    pub(super) at: Vec<SocketAddr>,
}

/// What an announcement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing, or only how long the node is believed.
    Nothing,
    /// The view.
    News,
    /// It was not remembered: there are too many.
    Full,
}

impl Nodes {
    /// Takes note of an announcement.
    pub(super) fn see(&mut self, instance: &str, sighting: Sighting, now: Instant) -> Seen {
        if !self.has_room_for(instance, &sighting) {
            return Seen::Full;
        }
        if sighting.body == Body::Gone && !self.entries.contains_key(instance) {
            return Seen::Nothing;
        }
        let entry = self.entries.entry(instance.to_owned()).or_insert_with(|| Entry::new(now));
        // The network repeats itself, and a cache may repeat what a dead node said. Only a new
        // beat is a sign of life.
        if entry.stamp.is_some_and(|last| !is_newer(sighting.stamp, last)) {
            return Seen::Nothing;
        }
        entry.silent_from = now + sighting.stamp.ttl + slack(sighting.stamp.ttl);
        entry.stamp = Some(sighting.stamp);
        if sighting.body == Body::Gone {
            return if entry.leave() { Seen::News } else { Seen::Nothing };
        }
        let returns = std::mem::take(&mut entry.is_gone);
        if entry.record.as_ref().is_some_and(|(digest, _)| *digest == sighting.digest) {
            entry.errand = None;
            return if returns { Seen::News } else { Seen::Nothing };
        }
        match sighting.body {
            Body::Here(service) => {
                entry.put(sighting.digest, *service, 0);
                Seen::News
            }
            Body::Elsewhere { size, at } => {
                entry.want(sighting.digest, size, at, now);
                // Until it is fetched a living node's last record is shown; a returning one's is
                // too old for that.
                if returns {
                    entry.record = None;
                }
                Seen::Nothing
            }
            Body::Gone => Seen::Nothing,
        }
    }

    /// Takes note of a goodbye; whether that changed the view.
    pub(super) fn forget(&mut self, instance: &str) -> bool {
        self.entries.remove(instance).is_some_and(|entry| entry.shown().is_some())
    }

    /// The nodes that fell silent; they are not shown any more.
    pub(super) fn fallen_silent(&mut self, now: Instant) -> Vec<String> {
        let silent = self.entries.iter_mut().filter(|(_, e)| !e.is_gone && e.silent_from <= now);
        silent
            .map(|(instance, entry)| {
                entry.leave();
                instance.clone()
            })
            .collect()
    }

    /// Up to `room` records to fetch now; each is given out once until [`fetched`](Self::fetched).
    pub(super) fn errands(&mut self, room: usize, now: Instant) -> Vec<Errand> {
        let is_due = |entry: &Entry| entry.fetch_due().is_some_and(|due| due <= now);
        let due = self.entries.iter_mut().filter(|(_, entry)| is_due(entry)).take(room);
        due.filter_map(|(instance, entry)| {
            let wanted = entry.errand.as_mut()?;
            wanted.due = None;
            let (digest, size, at) = (wanted.digest, wanted.size, wanted.at.clone());
            Some(Errand { instance: instance.clone(), digest, size, at })
        })
        .collect()
    }

    /// Takes note of a record that was fetched, or was not; whether that changed the view.
    pub(super) fn fetched(
        &mut self,
        instance: &str,
        digest: Digest,
        service: Option<Service>,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(instance) else { return false };
        let Some(wanted) = entry.errand.as_mut().filter(|wanted| wanted.digest == digest) else {
            return false;
        };
        let Some(service) = service else {
            wanted.due = Some(now + FETCH_RETRY * (1 << wanted.failures.min(FETCH_DOUBLINGS)));
            wanted.failures += 1;
            return false;
        };
        let size = wanted.size;
        entry.put(digest, service, size);
        true
    }

    /// When something is due next; errands only count while there is room for them.
    pub(super) fn next_due(&self, has_room: bool) -> Option<Instant> {
        let silent = self.entries.values().filter(|e| !e.is_gone).map(|entry| entry.silent_from);
        let errands = self.entries.values().filter(|_| has_room).filter_map(Entry::fetch_due);
        silent.chain(errands).min()
    }

    /// The records to show, each with the beat with which it changed last.
    pub(super) fn shown(&self) -> impl Iterator<Item = (u64, &Service)> {
        self.entries.values().filter_map(|entry| Some((entry.changed, entry.shown()?)))
    }

    fn has_room_for(&self, instance: &str, sighting: &Sighting) -> bool {
        if !self.entries.contains_key(instance) && self.entries.len() >= NODES_MAX {
            return false;
        }
        let Body::Elsewhere { size, .. } = sighting.body else { return true };
        let others = self.entries.iter().filter(|(name, _)| *name != instance);
        let taken: usize = others.map(|(_, entry)| entry.outsize).sum();
        taken + size <= OUTSIZE_MAX
    }
}

#[derive(Debug)]
struct Entry {
    stamp: Option<Stamp>,
    /// When it will have been silent for too long.
    silent_from: Instant,
    /// Left, or silent for too long; kept so that echoes of its last beat do not revive it.
    is_gone: bool,
    record: Option<(Digest, Service)>,
    changed: u64,
    errand: Option<Wanted>,
    /// Bytes of its record if that is large.
    outsize: usize,
}

#[derive(Debug)]
struct Wanted {
    digest: Digest,
    size: usize,
    at: Vec<SocketAddr>,
    /// None while it is being fetched.
    due: Option<Instant>,
    failures: u32,
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self {
            stamp: None,
            silent_from: now,
            is_gone: false,
            record: None,
            changed: 0,
            errand: None,
            outsize: 0,
        }
    }

    fn shown(&self) -> Option<&Service> {
        self.record.as_ref().filter(|_| !self.is_gone).map(|(_, service)| service)
    }

    fn fetch_due(&self) -> Option<Instant> {
        self.errand.as_ref()?.due
    }

    /// Shows it no more; whether it was shown.
    fn leave(&mut self) -> bool {
        self.errand = None;
        let was_shown = self.shown().is_some();
        self.is_gone = true;
        was_shown
    }

    fn put(&mut self, digest: Digest, service: Service, outsize: usize) {
        self.errand = None;
        self.outsize = outsize;
        self.changed = self.stamp.map_or(0, |stamp| stamp.beat);
        self.record = Some((digest, service));
    }

    fn want(&mut self, digest: Digest, size: usize, at: Vec<SocketAddr>, now: Instant) {
        self.outsize = size;
        match &mut self.errand {
            Some(wanted) if wanted.digest == digest => wanted.at = at,
            _ => self.errand = Some(Wanted { digest, size, at, due: Some(now), failures: 0 }),
        }
    }
}

/// A delayed answer may carry an older beat; a restarted registry starts its beats anew.
fn is_newer(stamp: Stamp, last: Stamp) -> bool {
    stamp.beat > last.beat || stamp.origin != last.origin
}

/// What a node may be late: renewals are announced up to a quarter TTL later, packets travel.
fn slack(ttl: Duration) -> Duration {
    ttl / BEATS_PER_TTL + TRAVEL
}

/// Nodes remembered, those that fell silent included.
const NODES_MAX: usize = 10_000;

/// Bytes of all large records together.
const OUTSIZE_MAX: usize = 64 * 1024 * 1024;

/// Delay after a first failed fetch; it doubles up to 32 times that.
const FETCH_RETRY: Duration = Duration::from_millis(100);
const FETCH_DOUBLINGS: u32 = 5;

/// Time for a packet to travel and for this thread to wake.
const TRAVEL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use callboard_actors::registry::NodeInfo;

    use super::*;

    const TTL: Duration = Duration::from_secs(4);

    fn service(address: &str) -> Service {
        Service::new("greeter", "1").node(NodeInfo::new("a", address))
    }

    fn sighting(beat: u64, address: &str) -> Sighting {
        Sighting {
            stamp: Stamp { origin: 1, beat, ttl: TTL },
            digest: Digest::of(address.as_bytes()),
            body: Body::Here(Box::new(service(address))),
        }
    }

    fn large(beat: u64, address: &str) -> Sighting {
        Sighting { body: Body::Elsewhere { size: 9, at: vec![] }, ..sighting(beat, address) }
    }

    fn shown(nodes: &Nodes) -> Vec<&str> {
        nodes.shown().map(|(_, service)| &*service.nodes[0].address).collect()
    }

    #[test]
    fn a_node_is_shown_until_it_says_goodbye() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        assert_eq!(nodes.see("a", sighting(1, "x:1"), now), Seen::News);
        assert_eq!(nodes.see("a", sighting(2, "x:1"), now), Seen::Nothing);
        assert_eq!(nodes.see("a", sighting(3, "x:2"), now), Seen::News);
        assert_eq!(nodes.see("a", sighting(2, "x:1"), now), Seen::Nothing);
        assert_eq!(shown(&nodes), ["x:2"]);
        assert!(nodes.forget("a"));
        assert!(!nodes.forget("a"));
        assert_eq!(shown(&nodes), [""; 0]);
    }

    #[test]
    fn a_node_that_falls_silent_is_revived_by_a_new_beat_only() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        nodes.see("a", sighting(1, "x:1"), now);
        let silent = nodes.next_due(true).unwrap();
        assert_eq!(silent, now + TTL + slack(TTL));
        assert_eq!(nodes.fallen_silent(now + TTL), [""; 0]);
        assert_eq!(nodes.fallen_silent(silent), ["a"]);
        assert_eq!(nodes.fallen_silent(silent), [""; 0]);
        assert_eq!(nodes.see("a", sighting(1, "x:1"), silent), Seen::Nothing);
        assert_eq!(shown(&nodes), [""; 0]);
        assert_eq!(nodes.see("a", sighting(2, "x:1"), silent), Seen::News);
        assert_eq!(shown(&nodes), ["x:1"]);
    }

    #[test]
    fn a_node_that_leaves_is_not_shown_though_echoes_of_it_arrive() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        let farewell = |beat| Sighting { body: Body::Gone, ..sighting(beat, "") };
        assert_eq!(nodes.see("a", farewell(1), now), Seen::Nothing);
        nodes.see("a", sighting(2, "x:1"), now);
        assert_eq!(nodes.see("a", farewell(3), now), Seen::News);
        assert_eq!(nodes.see("a", sighting(2, "x:1"), now), Seen::Nothing);
        assert_eq!(shown(&nodes), [""; 0]);
        assert_eq!(nodes.next_due(true), None);
        assert!(!nodes.forget("a"));
    }

    #[test]
    fn each_beat_prolongs_the_belief_in_a_node() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        nodes.see("a", sighting(1, "x:1"), now);
        nodes.see("a", sighting(2, "x:1"), now + TTL);
        nodes.see("a", sighting(2, "x:1"), now + TTL * 2);
        assert_eq!(nodes.next_due(true), Some(now + TTL * 2 + slack(TTL)));
    }

    #[test]
    fn a_restarted_registry_may_begin_its_beats_anew() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        nodes.see("a", sighting(9, "x:1"), now);
        let mut restarted = sighting(1, "x:2");
        restarted.stamp.origin = 2;
        assert_eq!(nodes.see("a", restarted, now), Seen::News);
        assert_eq!(shown(&nodes), ["x:2"]);
    }

    #[test]
    fn a_large_record_is_fetched_once_and_the_old_one_shown_meanwhile() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        nodes.see("a", sighting(1, "x:1"), now);
        assert_eq!(nodes.see("a", large(2, "x:2"), now), Seen::Nothing);
        let errands = nodes.errands(4, now);
        assert_eq!(errands.len(), 1);
        nodes.see("a", large(3, "x:2"), now);
        assert_eq!(nodes.errands(4, now), []);
        assert_eq!(shown(&nodes), ["x:1"]);
        assert!(nodes.fetched("a", errands[0].digest, Some(service("x:2")), now));
        nodes.see("a", large(4, "x:2"), now);
        assert_eq!(nodes.errands(4, now), []);
        assert_eq!(shown(&nodes), ["x:2"]);
    }

    #[test]
    fn a_failed_fetch_is_repeated_with_growing_delays() {
        let (mut nodes, mut now) = (Nodes::default(), Instant::now());
        nodes.see("a", large(1, "x:1"), now);
        for doubling in 0..4 {
            let errand = nodes.errands(1, now).remove(0);
            assert!(!nodes.fetched("a", errand.digest, None, now));
            assert_eq!(nodes.errands(1, now), []);
            assert_eq!(nodes.next_due(true), Some(now + FETCH_RETRY * (1 << doubling)));
            now += FETCH_RETRY * (1 << doubling);
        }
    }

    #[test]
    fn what_was_fetched_too_late_is_dropped() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        nodes.see("a", large(1, "x:1"), now);
        let old = nodes.errands(1, now).remove(0);
        nodes.see("a", large(2, "x:2"), now);
        assert!(!nodes.fetched("a", old.digest, Some(service("x:1")), now));
        assert_eq!(shown(&nodes), [""; 0]);
        assert_eq!(nodes.errands(1, now).len(), 1);
    }

    #[test]
    fn memory_is_bounded_in_nodes_and_in_bytes() {
        let (mut nodes, now) = (Nodes::default(), Instant::now());
        let mut huge = large(1, "x:1");
        huge.body = Body::Elsewhere { size: OUTSIZE_MAX, at: vec![] };
        assert_eq!(nodes.see("huge", huge.clone(), now), Seen::Nothing);
        assert_eq!(nodes.see("more", huge, now), Seen::Full);
        for index in 1..NODES_MAX {
            assert_eq!(nodes.see(&index.to_string(), sighting(1, "x:1"), now), Seen::News);
        }
        assert_eq!(nodes.see("more", sighting(1, "x:1"), now), Seen::Full);
        assert_eq!(nodes.see("1", sighting(2, "x:2"), now), Seen::News);
    }
}
