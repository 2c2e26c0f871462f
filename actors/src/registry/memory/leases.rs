//! The table of leases behind [`MemoryRegistry`](super::MemoryRegistry).
//!
//! Time is what has passed since the table was made. Every operation that changes what is known
//! returns the changes, in order.
//!
//! Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::registry::{Change, EndpointInfo, NodeInfo, Service, WatchScope};

/// Who holds a lease until when, by name and version of the service.
#[derive(Debug, Default)]
pub(super) struct Leases {
    versions: BTreeMap<Key, Version>,
}

/// Name and version.
type Key = (String, String);

#[derive(Debug)]
struct Version {
    metadata: BTreeMap<String, String>,
    endpoints: Vec<EndpointInfo>,
    nodes: BTreeMap<String, Lease>,
}

#[derive(Debug)]
struct Lease {
    node: NodeInfo,
    until: Duration,
}

impl Leases {
    /// Writes the nodes of `service`, each until `until`.
    pub(super) fn register(&mut self, service: Service, until: Duration) -> Option<Change> {
        let key = (service.name, service.version);
        let before = self.versions.get(&key).map(|version| version.record(&key));
        let version = self.versions.entry(key.clone()).or_insert_with(Version::empty);
        version.metadata = service.metadata;
        version.endpoints = service.endpoints;
        for node in service.nodes {
            version.nodes.insert(node.id.clone(), Lease { node, until });
        }
        let after = version.record(&key);
        match before {
            None => Some(Change::Created(after)),
            Some(before) if before != after => Some(Change::Updated(after)),
            Some(_) => None,
        }
    }

    /// Extends the leases of `service` to `until`, or says which node has none.
    pub(super) fn renew(&mut self, service: &Service, until: Duration) -> Result<(), String> {
        let mut version = self.versions.get_mut(&key(service));
        let missing = service.nodes.iter().find(|node| {
            version.as_ref().is_none_or(|version| !version.nodes.contains_key(&node.id))
        });
        if let Some(node) = missing {
            return Err(node.id.clone());
        }
        for node in &service.nodes {
            if let Some(lease) = version.as_mut().and_then(|v| v.nodes.get_mut(&node.id)) {
                lease.until = until;
            }
        }
        Ok(())
    }

    /// Ends the leases of the nodes of `service`.
    pub(super) fn deregister(&mut self, service: &Service) -> Vec<Change> {
        let withdrawn = key(service);
        self.retain(|key, id, _| {
            *key != withdrawn || !service.nodes.iter().any(|node| node.id == id)
        })
    }

    /// Ends every lease of the node `id`.
    pub(super) fn forget(&mut self, id: &str) -> Vec<Change> {
        self.retain(|_, other, _| other != id)
    }

    /// Ends every lease.
    pub(super) fn forget_all(&mut self) -> Vec<Change> {
        self.retain(|_, _, _| false)
    }

    /// Ends the leases that ran out at `now`.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Change> {
        self.retain(|_, _, until| until > now)
    }

    /// When the next lease in `scope` runs out.
    pub(super) fn next_expiry(&self, scope: &WatchScope) -> Option<Duration> {
        let covered = self.versions.iter().filter(|((name, _), _)| scope.covers(name));
        covered.flat_map(|(_, version)| version.nodes.values().map(|lease| lease.until)).min()
    }

    /// Every version in `scope`, by name and version.
    pub(super) fn snapshot(&self, scope: &WatchScope) -> Vec<Service> {
        let covered = self.versions.iter().filter(|((name, _), _)| scope.covers(name));
        covered.map(|(key, version)| version.record(key)).collect()
    }

    /// How many leases there are.
    pub(super) fn len(&self) -> usize {
        self.versions.values().map(|version| version.nodes.len()).sum()
    }

    fn retain(&mut self, keep: impl Fn(&Key, &str, Duration) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        self.versions.retain(|key, version| {
            if version.nodes.iter().all(|(id, lease)| keep(key, id, lease.until)) {
                return true;
            }
            let before = version.record(key);
            version.nodes.retain(|id, lease| keep(key, id, lease.until));
            changes.push(if version.nodes.is_empty() {
                Change::Deleted(before)
            } else {
                Change::Updated(version.record(key))
            });
            !version.nodes.is_empty()
        });
        changes
    }
}

impl Version {
    fn empty() -> Self {
        Self { metadata: BTreeMap::new(), endpoints: Vec::new(), nodes: BTreeMap::new() }
    }

    fn record(&self, (name, version): &Key) -> Service {
        Service {
            name: name.clone(),
            version: version.clone(),
            metadata: self.metadata.clone(),
            endpoints: self.endpoints.clone(),
            nodes: self.nodes.values().map(|lease| lease.node.clone()).collect(),
        }
    }
}

fn key(service: &Service) -> Key {
    (service.name.clone(), service.version.clone())
}

/// Bytes of text in a record: what its size is measured by where nothing is encoded.
pub(super) fn text_bytes(service: &Service) -> usize {
    let endpoint = |endpoint: &EndpointInfo| {
        endpoint.name.len()
            + endpoint.request.len()
            + endpoint.reply.len()
            + labels(&endpoint.metadata)
    };
    let node = |node: &NodeInfo| node.id.len() + node.address.len() + labels(&node.metadata);
    service.name.len()
        + service.version.len()
        + labels(&service.metadata)
        + service.endpoints.iter().map(endpoint).sum::<usize>()
        + service.nodes.iter().map(node).sum::<usize>()
}

fn labels(labels: &BTreeMap<String, String>) -> usize {
    labels.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);
    const LATER: Duration = Duration::from_secs(2);

    #[test]
    fn leases_of_one_version_run_out_one_by_one() {
        let mut leases = Leases::default();
        leases.register(version("1", "a"), SOON);
        leases.register(version("1", "b"), LATER);
        assert_eq!(leases.expire(SOON / 2), []);
        assert_eq!(leases.expire(SOON), [Change::Updated(version("1", "b"))]);
        assert_eq!(leases.next_expiry(&WatchScope::All), Some(LATER));
        assert_eq!(leases.expire(LATER), [Change::Deleted(version("1", "b"))]);
        assert_eq!((leases.len(), leases.next_expiry(&WatchScope::All)), (0, None));
    }

    #[test]
    fn a_renewal_that_misses_a_node_extends_none() {
        let mut leases = Leases::default();
        leases.register(version("1", "a"), SOON);
        let both = version("1", "a").node(NodeInfo::new("b", "b:1"));
        assert_eq!(leases.renew(&both, LATER), Err("b".to_owned()));
        assert_eq!(leases.next_expiry(&WatchScope::All), Some(SOON));
        assert_eq!(leases.renew(&version("1", "a"), LATER), Ok(()));
        assert_eq!(leases.next_expiry(&WatchScope::All), Some(LATER));
    }

    #[test]
    fn a_forgotten_node_leaves_every_version() {
        let mut leases = Leases::default();
        leases.register(version("1", "a"), SOON);
        leases.register(version("2", "a"), SOON);
        leases.register(version("2", "b"), SOON);
        let changes = leases.forget("a");
        let expected = [Change::Deleted(version("1", "a")), Change::Updated(version("2", "b"))];
        assert_eq!(changes, expected);
    }

    #[test]
    fn the_size_of_a_record_counts_every_text() {
        let mut service = Service::new("12", "3").node(NodeInfo::new("4", "5").label("6", "7"));
        service.metadata.insert("8".into(), "9".into());
        service.endpoints.push(EndpointInfo {
            name: "a".into(),
            request: "b".into(),
            reply: "c".into(),
            metadata: BTreeMap::from([("d".into(), "e".into())]),
            ..EndpointInfo::default()
        });
        assert_eq!(text_bytes(&service), 14);
    }

    fn version(version: &str, node: &str) -> Service {
        Service::new("greeter", version).node(NodeInfo::new(node, format!("{node}:1")))
    }
}
