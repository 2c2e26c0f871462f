//! What the properties look with: reads that are repeated and watches that are folded.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Harness;
use crate::Deadline;
use crate::registry::{
    Catalogue, Change, NodeInfo, Registry, RegistryError, Service, Watch, WatchScope,
};

/// Long enough that nothing expires while a property is checked.
pub(super) const LONG: Duration = Duration::from_secs(300);

/// The name most properties use.
pub(super) const NAME: &str = "greeter";

/// Version `version` of [`NAME`] on the node `node`.
pub(super) fn record(version: &str, node: &str) -> Service {
    Service::new(NAME, version).node(NodeInfo::new(node, format!("127.0.0.1:{}", port(node))))
}

/// Reads `name` until the answer is as expected.
pub(super) async fn until_found(
    harness: &dyn Harness,
    registry: &Arc<dyn Registry>,
    name: &str,
    expected: &[Service],
) {
    let deadline = Deadline::within(harness.patience());
    loop {
        let found = registry.get(name.into()).await.map(sorted);
        if found.as_ref().is_ok_and(|found| *found == sorted(expected.to_vec())) {
            return;
        }
        assert!(
            !deadline.has_passed(),
            "{name} did not become {} within {:?} but {}",
            brief(expected),
            harness.patience(),
            found.map_or_else(|error| error.to_string(), |found| brief(&found)),
        );
        sleep(POLL).await;
    }
}

/// The answer, or a panic that says what was asked.
pub(super) fn must<T>(answer: Result<T, RegistryError>, what: &str) -> T {
    answer.unwrap_or_else(|error| panic!("{what} failed: {error}"))
}

/// Panics unless `answer` is a lost lease.
pub(super) fn must_be_lost(answer: &Result<(), RegistryError>, what: &str) {
    assert!(
        matches!(answer, Err(RegistryError::LeaseLost { .. })),
        "{what} must answer LeaseLost, not {answer:?}"
    );
}

/// Panics unless the two are equal but for their order.
pub(super) fn must_equal(found: Vec<Service>, expected: Vec<Service>, what: &str) {
    let (found, expected) = (sorted(found), sorted(expected));
    assert!(found == expected, "{what}: {} instead of {}", brief(&found), brief(&expected));
}

/// By name, version and node id.
pub(super) fn sorted(mut services: Vec<Service>) -> Vec<Service> {
    services.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    for service in &mut services {
        service.nodes.sort_by(|a, b| a.id.cmp(&b.id));
    }
    services
}

/// Repeats what fails while a registry comes back.
pub(super) async fn persist<T, F>(harness: &dyn Harness, attempt: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, RegistryError>>,
{
    let deadline = Deadline::within(harness.patience());
    loop {
        match attempt().await {
            Err(error) if error.is_retryable() && !deadline.has_passed() => sleep(RETRY).await,
            answer => return must(answer, "to use a registry that was restarted"),
        }
    }
}

/// A watch, the services it has told of and the changes it has told.
pub(super) struct Follower {
    pub(super) watch: Box<dyn Watch>,
    pub(super) known: Vec<Service>,
    /// `created`, `updated`, `deleted` and name, version and node, one by one; `resync`.
    pub(super) told: Vec<String>,
    patience: Duration,
}

impl Follower {
    /// Opens a watch and reads the resynchronisation it must begin with.
    pub(super) async fn open(
        harness: &dyn Harness,
        registry: &Arc<dyn Registry>,
        scope: WatchScope,
    ) -> Self {
        let watch = must(registry.watch(scope).await, "to open a watch");
        let patience = harness.patience();
        let mut follower = Self { watch, known: Vec::new(), told: Vec::new(), patience };
        let first = timeout(patience, follower.watch.next()).await;
        let Ok(Ok(Change::Resync(known))) = first else {
            panic!("the first change must be a resync, not {first:?}");
        };
        follower.known = sorted(known);
        follower
    }

    /// Begins anew, once the registry is back.
    pub(super) async fn reopen(
        &mut self,
        harness: &dyn Harness,
        registry: &Arc<dyn Registry>,
        scope: WatchScope,
    ) {
        drop(persist(harness, || registry.watch(scope.clone())).await);
        *self = Self::open(harness, registry, scope).await;
    }

    /// Reads on until exactly `expected` is known, within the harness's patience and `extra`.
    pub(super) async fn until(&mut self, expected: &[Service], extra: Duration) {
        let expected = sorted(expected.to_vec());
        let patience = self.patience + extra;
        let deadline = Deadline::within(patience);
        while self.known != expected {
            let Ok(change) = timeout(deadline.time_left(), self.watch.next()).await else {
                panic!(
                    "the watch did not tell of {} within {patience:?}: it knows {} and told {:?}",
                    brief(&expected),
                    brief(&self.known),
                    self.told
                );
            };
            self.fold(must(change, "to read a watch"));
        }
    }

    /// Takes over one change, which must make sense after those before it.
    pub(super) fn fold(&mut self, change: Change) {
        let (kind, one) = match change {
            Change::Resync(known) => {
                self.known = sorted(known);
                self.told.push("resync".into());
                return;
            }
            Change::Created(ref one) => ("created", one),
            Change::Updated(ref one) => ("updated", one),
            Change::Deleted(ref one) => ("deleted", one),
        };
        let version = format!("{} {}", one.name, one.version);
        let mut known = Catalogue::new(std::mem::take(&mut self.known));
        for node in &one.nodes {
            let label = format!("{kind} {version} {}", node.id);
            let before = known.version(one).and_then(|version| version.node(&node.id));
            let follows = match kind {
                "created" => before.is_none(),
                "updated" => before.is_some_and(|before| **before != *node),
                _ => before.is_some(),
            };
            assert!(follows, "{label} does not follow from {:?}", self.told);
            self.told.push(label);
        }
        match (kind, known.version(one)) {
            _ if !one.nodes.is_empty() => {}
            // All of the version.
            ("deleted", Some(all)) => {
                let nodes = all.nodes().map(|node| format!("deleted {version} {}", node.id));
                self.told.extend(nodes);
            }
            ("updated", Some(before)) => {
                let differs = before.service().metadata != one.metadata
                    || before.service().endpoints != one.endpoints;
                assert!(differs, "an update of {version} changes nothing");
                self.told.push(format!("updated {version}"));
            }
            _ => panic!("{kind} {version} does not follow from {:?}", self.told),
        }
        known.apply(change);
        self.known = known.records();
    }

    /// Panics unless these changes were told, each once and in this order.
    ///
    /// A registry that had to resynchronise meanwhile may have skipped some.
    pub(super) fn must_have_told(&self, expected: &[&str]) {
        if !self.told.iter().any(|told| told == "resync") {
            assert_eq!(self.told, expected, "what the watch told");
        }
    }
}

/// Names, versions and nodes, without labels that may be long.
fn brief(services: &[Service]) -> String {
    let one = |service: &Service| {
        let nodes = service.nodes.iter().map(|node| format!("{} at {}", node.id, node.address));
        let nodes = nodes.take(MAX_SHOWN).collect::<Vec<_>>().join(", ");
        let labels = (service.metadata.len(), service.endpoints.len());
        format!(
            "{} {} on {} nodes ({nodes}), {labels:?} labels and endpoints",
            service.name,
            service.version,
            service.nodes.len()
        )
    };
    match services {
        [] => "nothing".into(),
        some => some.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// A port that differs between the nodes of a property.
fn port(node: &str) -> u16 {
    node.bytes()
        .fold(9000, |port, byte| (port * 31 + u32::from(byte)) % 50_000)
        .try_into()
        .map_or(1, |port: u16| port + 1)
}

const POLL: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_millis(20);
const MAX_SHOWN: usize = 5;
