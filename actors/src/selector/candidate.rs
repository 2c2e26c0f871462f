//! A node as callers see it: its record, its load, its health.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::health::{Health, Outcome, Standing, Verdict};
use super::load::{Load, Total};
use super::moment::{AtomicMoment, Moment};
use super::options::SelectorOptions;
use super::ring;
use crate::client::link::Links;
use crate::registry::{EndpointInfo, NodeInfo, Service};

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
    release: Arc<Release>,
    shared: Arc<Shared>,
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
        let (counted, codecs) = (AtomicU32::new(0), codecs_of(&node));
        Self { vitals, seed, links: Arc::default(), counted, release, shared, node, codecs }
    }

    /// The same node with another record.
    pub(super) fn renewed(&self, node: NodeInfo, release: Arc<Release>) -> Self {
        let vitals = Vitals {
            load: self.vitals.load.carry_over(),
            health: self.vitals.health.carry_over(),
            warming_since: self.vitals.warming_since,
        };
        let (links, shared) = (Arc::clone(&self.links), Arc::clone(&self.shared));
        let (counted, codecs) = (AtomicU32::new(0), codecs_of(&node));
        Self { vitals, seed: self.seed, links, counted, release, shared, node, codecs }
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

    /// Takes note that a call begins. It must be [finished](Self::finish) once, on this very
    /// candidate, however it ends; also when its future is dropped.
    ///
    /// Not a guard, because whoever keeps the calls of a connection finishes many at once.
    pub fn begin(&self) {
        self.vitals.load.begin();
        if self.shared.is_hashed() {
            self.counted.fetch_add(1, Ordering::Relaxed);
            self.shared.total.add(self.seed, 1);
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

    /// Calls begun from here and not ended.
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

/// Everything a pick without filters looks at, on one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Vitals {
    pub(super) load: Load,
    pub(super) health: Health,
    /// When slow start began; never for a node that was there from the beginning.
    warming_since: Moment,
}

impl Vitals {
    /// The share it gets of what is due to a node, from a tenth up to 1 at the end of slow start.
    pub(super) fn share(&self, now: Moment, options: &SelectorOptions) -> f32 {
        if self.warming_since == Moment::NEVER {
            return 1.0;
        }
        let elapsed = now.since(self.warming_since);
        if elapsed >= options.slow_start {
            return 1.0;
        }
        (elapsed.as_secs_f32() / options.slow_start.as_secs_f32()).max(SHARE_MIN)
    }
}

/// What the nodes of one version have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: String,
    metadata: BTreeMap<String, String>,
    endpoints: Vec<EndpointInfo>,
    /// Those of its endpoints, ordered.
    fingerprints: Box<[u64]>,
}

impl Release {
    pub(super) fn of(service: &Service) -> Self {
        let (version, metadata) = (service.version.clone(), service.metadata.clone());
        let mut endpoints = service.endpoints.clone();
        endpoints.sort_by(|one, other| one.name.cmp(&other.name));
        let mut fingerprints: Box<[u64]> =
            endpoints.iter().filter_map(EndpointInfo::fingerprint).collect();
        fingerprints.sort_unstable();
        Self { version, metadata, endpoints, fingerprints }
    }

    fn endpoint(&self, name: &str) -> Option<&EndpointInfo> {
        let found = self.endpoints.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        Some(&self.endpoints[found])
    }

    fn has_other_types(&self, endpoint: &str, fingerprint: u64) -> bool {
        // A fingerprint includes the endpoint's name, so that nearly always this is the whole look.
        self.fingerprints.binary_search(&fingerprint).is_err()
            && self.endpoint(endpoint).is_some_and(|known| known.fingerprint().is_some())
    }

    /// Whether its nodes answer an endpoint, or do not tell what they answer.
    pub(super) fn answers(&self, endpoint: &str) -> bool {
        self.endpoints.is_empty() || self.endpoint(endpoint).is_some()
    }
}

/// What the nodes of one service have in common, from first to last.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: String,
    pub(super) options: SelectorOptions,
    pub(super) total: Total,
    /// Calls that have ended.
    pub(super) ended: AtomicU64,
    /// Whether nodes have been chosen by hash, which is what the total is for.
    is_hashed: AtomicBool,
    epoch: Instant,
    /// When something was last learnt about one of its nodes.
    heard: AtomicMoment,
}

impl Shared {
    pub(super) fn new(service: String, options: SelectorOptions, epoch: Instant) -> Self {
        Self {
            service,
            options,
            total: Total::default(),
            ended: AtomicU64::new(0),
            is_hashed: AtomicBool::new(false),
            epoch,
            heard: AtomicMoment::default(),
        }
    }

    /// Has calls counted from now on.
    pub(super) fn count(&self) {
        if !self.is_hashed() {
            self.is_hashed.store(true, Ordering::Relaxed);
        }
    }

    fn is_hashed(&self) -> bool {
        self.is_hashed.load(Ordering::Relaxed)
    }

    /// When something was last learnt about one of its nodes.
    pub(super) fn heard(&self) -> Moment {
        self.heard.load()
    }

    /// The moment that an instant is; what lies before the epoch counts as the epoch.
    pub(super) fn moment(&self, now: Instant) -> Moment {
        Moment::after_epoch(now.saturating_duration_since(self.epoch))
    }
}

/// A new node gets a tenth of its share at once, otherwise nothing would ever warm it.
const SHARE_MIN: f32 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::ServiceNodes;

    #[test]
    fn what_a_pick_looks_at_fits_one_cache_line() {
        assert_eq!(size_of::<Vitals>(), 64);
    }

    #[test]
    fn a_node_takes_what_it_tells_and_anything_when_it_does_not() {
        let candidate = |codecs: Option<&str>| {
            let mut node = NodeInfo::new("a", "127.0.0.1:1");
            node.metadata.extend(codecs.map(|it| (NodeInfo::CODECS.to_owned(), it.to_owned())));
            let service = Service::new("greeter", "1").node(node);
            let nodes = ServiceNodes::fixed("greeter", vec![service]);
            Arc::clone(&nodes.load().candidates()[0])
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

    #[test]
    fn the_share_of_a_new_node_grows_linearly_from_a_tenth() {
        let options = SelectorOptions::default();
        let begin = Moment::after_epoch(Duration::from_secs(5));
        let vitals = Vitals { warming_since: begin, ..Vitals::default() };
        let share = |seconds| vitals.share(begin.plus(Duration::from_secs(seconds)), &options);
        let expected = [(0, 0.1), (1, 0.1), (3, 0.3), (7, 0.7), (10, 1.0), (1000, 1.0)];
        for (seconds, expected) in expected {
            assert!((share(seconds) - expected).abs() < 1e-5, "{seconds} s: {}", share(seconds));
        }
    }

    #[test]
    fn a_node_that_was_there_from_the_beginning_gets_its_whole_share() {
        let share = Vitals::default().share(Moment::NEVER, &SelectorOptions::default());
        assert!((share - 1.0).abs() < f32::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_readmitted_node_is_as_fast_as_it_is_now() {
        let node = NodeInfo::new("a", "127.0.0.1:1");
        let nodes = ServiceNodes::fixed("greeter", vec![Service::new("greeter", "1").node(node)]);
        let snapshot = nodes.load();
        let (candidate, begin) = (&snapshot.candidates()[0], Instant::now());
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
