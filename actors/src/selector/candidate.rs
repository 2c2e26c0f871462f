//! A node as callers see it: its record, its load, its health.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::health::{Outcome, Standing, Verdict};
use super::moment::Moment;
use super::release::Release;
use super::ring;
use super::shared::Shared;
use super::vitals::Vitals;
use crate::client::link::Links;
use crate::registry::{EndpointInfo, NodeInfo};
use crate::sorted::Keyed;

/// A node that may be picked, always in an `Arc`.
///
/// It lives as long as its node: an update of the registry keeps it, with its load, its health
/// and its connections, while id, incarnation, address and version stay the same. A changed record
/// (other labels, say) makes a new one that takes over health, latency and connections.
pub struct Candidate {
    vitals: Vitals,
    seed: u64,
    /// The connections to it.
    pub links: Arc<Links>,
    /// Its calls that are in the service's total.
    counted: AtomicU32,
    /// Where the latest snapshot has it; for the writer of snapshots alone.
    seat: AtomicU32,
    release: Arc<Release>,
    shared: Arc<Shared>,
    /// Its own copy, beside the rest in memory: filters look at it.
    node: NodeInfo,
    /// The content types of the codecs that it speaks; empty when it does not tell.
    codecs: Box<[Box<str>]>,
}

impl Candidate {
    pub(super) fn new(
        node: NodeInfo,
        release: Arc<Release>,
        shared: Arc<Shared>,
        warming_since: Moment,
    ) -> Self {
        let vitals = Vitals { warming_since, ..Vitals::default() };
        let seed = ring::hash(&node.id);
        let (counted, seat, codecs) =
            (AtomicU32::default(), AtomicU32::default(), codecs_of(&node));
        Self { vitals, seed, links: Arc::default(), counted, seat, release, shared, node, codecs }
    }

    /// The same node with another record.
    pub(super) fn renewed(&self, node: NodeInfo, release: Arc<Release>) -> Self {
        let vitals = Vitals {
            load: self.vitals.load.carry_over(),
            health: self.vitals.health.carry_over(),
            warming_since: self.vitals.warming_since,
        };
        let (links, shared) = (Arc::clone(&self.links), Arc::clone(&self.shared));
        let (counted, seat, codecs) =
            (AtomicU32::default(), AtomicU32::default(), codecs_of(&node));
        Self { vitals, seed: self.seed, links, counted, seat, release, shared, node, codecs }
    }

    /// The node's record.
    pub fn node(&self) -> &NodeInfo {
        &self.node
    }

    /// The version it runs.
    pub fn version(&self) -> &str {
        &self.release.version
    }

    /// Labels of its version as a whole.
    pub fn service_metadata(&self) -> &BTreeMap<String, String> {
        &self.release.metadata
    }

    /// What it answers, ordered by name; empty when it does not tell.
    pub fn endpoints(&self) -> &[EndpointInfo] {
        &self.release.endpoints
    }

    /// The record of one endpoint.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointInfo> {
        self.release.endpoint(name)
    }

    /// Whether it answers an endpoint, or does not tell what it answers.
    pub fn answers(&self, endpoint: &str) -> bool {
        self.release.answers(endpoint)
    }

    /// Whether it tells of an endpoint's types, and they are others than those of this fingerprint.
    pub fn has_other_types(&self, endpoint: &str, fingerprint: u64) -> bool {
        self.release.has_other_types(endpoint, fingerprint)
    }

    /// Whether it speaks the codec of a content type, whose parameters do not count, or does not
    /// tell what it speaks.
    pub fn takes(&self, content_type: &str) -> bool {
        let is_named = |name: &str| {
            let rest = content_type.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([';', ' ']))
        };
        self.codecs.is_empty() || self.codecs.iter().any(|name| is_named(name))
    }

    /// The value of a label of the node or else of its version.
    pub fn label(&self, name: &str) -> Option<&String> {
        self.node.metadata.get(name).or_else(|| self.release.metadata.get(name))
    }

    /// Takes note that this many calls begin. Each must be [finished](Self::finish) once, on this
    /// very candidate, however it ends; also when its future is dropped.
    ///
    /// Not a guard, because whoever keeps the calls of a connection finishes many at once.
    pub fn begin(&self, calls: u32) {
        self.vitals.load.begin(calls);
        if self.shared.is_hashed() {
            self.counted.fetch_add(calls, Ordering::Relaxed);
            self.shared.total.add(self.seed, i64::from(calls));
        }
    }

    /// Takes note that this many calls that had [begun](Self::begin) ended; how is told apart, to
    /// [`mark`](Self::mark).
    pub fn finish(&self, calls: u32) {
        self.vitals.load.end(calls);
        self.shared.ended.fetch_add(u64::from(calls), Ordering::Relaxed);
        if self.shared.is_hashed() {
            // Those that began before anybody chose by hash are not in the total.
            let fewer = |counted: u32| Some(counted.saturating_sub(calls));
            let counted = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
            let ended = counted.map_or(0, |counted| counted.min(calls));
            self.shared.total.add(self.seed, -i64::from(ended));
        }
    }

    /// Takes note of something that was learnt about the node apart from a call.
    pub fn mark(&self, outcome: Outcome, now: Instant) {
        let (now, options) = (self.shared.moment(now), &self.shared.options);
        self.shared.heard.store(now);
        match outcome {
            Outcome::Success { latency } => {
                self.vitals.load.observe(latency, now, options.latency_decay);
            }
            Outcome::Failure | Outcome::Overloaded => {
                self.vitals.load.penalise(now, options.latency_decay);
            }
            Outcome::Unreachable | Outcome::Draining | Outcome::Returned | Outcome::Cancelled => {}
        }
        match self.vitals.health.record(outcome, now, options) {
            Verdict::Unchanged => {}
            Verdict::Ejected(duration) => {
                tracing::info!(
                    service = %self.shared.service, node = %self.node.id,
                    address = %self.node.address, ?outcome, ?duration, "node ejected"
                );
            }
            Verdict::Readmitted => {
                // What it was like while it failed would keep calls away for several decay times.
                self.vitals.load.forget();
                if let Outcome::Success { latency } = outcome {
                    self.vitals.load.observe(latency, now, options.latency_decay);
                }
                tracing::info!(
                    service = %self.shared.service, node = %self.node.id, "node readmitted"
                );
            }
        }
    }

    /// Takes note that the node is about to leave: it is skipped from now on.
    pub fn mark_draining(&self, now: Instant) {
        self.mark(Outcome::Draining, now);
    }

    /// Calls begun from here and not ended; those to the only node of a service count as soon as
    /// their connection takes them.
    pub fn in_flight(&self) -> u32 {
        self.vitals.load.in_flight()
    }

    /// The peak-EWMA latency as it counts now; `None` when nothing was observed yet.
    pub fn latency(&self, now: Instant) -> Option<Duration> {
        self.vitals.load.latency(self.shared.moment(now), self.shared.options.latency_decay)
    }

    /// Whether it may be picked.
    pub fn standing(&self, now: Instant) -> Standing {
        self.vitals.health.standing(self.shared.moment(now))
    }

    /// Ejections that are not forgiven yet.
    pub fn ejections(&self) -> u32 {
        self.vitals.health.ejections()
    }

    /// What a pick looks at.
    pub(super) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// The hash of the node's id: the same for all incarnations, on all machines.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// Where the latest snapshot has it.
    pub(super) fn seat(&self) -> u32 {
        self.seat.load(Ordering::Relaxed)
    }

    /// Takes note of where the next snapshot has it.
    pub(super) fn take_seat(&self, seat: u32) {
        self.seat.store(seat, Ordering::Relaxed);
    }
}

impl Keyed for Arc<Candidate> {
    fn key(&self) -> &str {
        &self.node.id
    }
}

fn codecs_of(node: &NodeInfo) -> Box<[Box<str>]> {
    node.codecs().map(Box::from).collect()
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("node", &self.node)
            .field("version", &self.release.version)
            .field("vitals", &self.vitals)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Service;
    use crate::selector::ServiceNodes;

    #[test]
    fn a_node_takes_what_it_tells_and_anything_when_it_does_not() {
        let candidate = |codecs: Option<&str>| {
            let mut node = NodeInfo::new("a", "127.0.0.1:1");
            node.metadata.extend(codecs.map(|it| (NodeInfo::CODECS.to_owned(), it.to_owned())));
            let service = Service::new("greeter", "1").node(node);
            let nodes = ServiceNodes::fixed("greeter", vec![service]);
            Arc::clone(nodes.load().candidate(0).unwrap())
        };
        let told = candidate(Some("application/x-bincode, application/json"));
        for taken in
            ["application/json", "application/json; charset=utf-8", "application/x-bincode"]
        {
            assert!(told.takes(taken), "{taken}");
        }
        for other in ["application/jsonp", "application/msgpack", "", "application"] {
            assert!(!told.takes(other), "{other}");
        }
        assert!(candidate(None).takes("application/msgpack"));
        assert!(candidate(Some(" ,")).takes("application/msgpack"), "that tells nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_readmitted_node_is_as_fast_as_it_is_now() {
        let node = NodeInfo::new("a", "127.0.0.1:1");
        let nodes = ServiceNodes::fixed("greeter", vec![Service::new("greeter", "1").node(node)]);
        let snapshot = nodes.load();
        let (candidate, begin) = (snapshot.candidate(0).unwrap(), Instant::now());
        for _ in 0..20 {
            candidate.mark(Outcome::Failure, begin);
        }
        assert_eq!(candidate.standing(begin), Standing::Ejected);
        assert!(candidate.latency(begin) > Some(Duration::from_secs(1)));
        let later = begin + Duration::from_secs(2);
        let latency = Duration::from_millis(1);
        candidate.mark(Outcome::Success { latency }, later);
        assert_eq!(candidate.standing(later), Standing::Ready);
        assert!(candidate.latency(later).is_some_and(|known| known <= latency * 2));
    }
}
