//! The table of leases behind [`MemoryRegistry`](super::MemoryRegistry).
//!
//! Time is what has passed since the table was made. Every operation that changes what is known
//! returns the changes, in order. An operation costs no more for the services that it is not about,
//! and little more for the nodes of a version that it is not about.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::registry::{Change, EndpointInfo, NodeInfo, Service, WatchScope};

/// Who holds a lease until when, by name and version of the service.
#[derive(Debug, Default)]
pub(super) struct Leases {
    versions: BTreeMap<Key, Version>,
    /// All leases by their end.
    ends: BTreeMap<End, Holder>,
    next_number: u64,
}

/// Name and version.
type Key = (String, String);

/// When a lease ends, and its number, which tells it from others that end then.
type End = (Duration, u64);

/// Whose lease it is: a version's, of the node with this id.
type Holder = (Key, String);

#[derive(Debug)]
struct Version {
    metadata: BTreeMap<String, String>,
    endpoints: Vec<EndpointInfo>,
    nodes: BTreeMap<String, Lease>,
    /// The leases of its nodes by their end.
    ends: BTreeSet<End>,
}

#[derive(Debug)]
struct Lease {
    node: NodeInfo,
    end: End,
}

impl Leases {
    /// Writes the nodes of `service`, each until `until`.
    pub(super) fn register(&mut self, service: Service, until: Duration) -> Vec<Change> {
        let key = key(&service);
        let Service { metadata, endpoints, nodes, .. } = service;
        let version = self.versions.entry(key.clone()).or_insert_with(Version::empty);
        let is_other = version.metadata != metadata || version.endpoints != endpoints;
        if is_other {
            (version.metadata, version.endpoints) = (metadata, endpoints);
        }
        let (mut came, mut changed) = (Vec::new(), Vec::new());
        for node in nodes {
            let id = node.id.clone();
            if let Some(lease) = version.nodes.get_mut(&id) {
                if lease.node != node {
                    changed.push(node.clone());
                    lease.node = node;
                }
                extend(&mut self.ends, &mut version.ends, lease, until);
                continue;
            }
            came.push(node.clone());
            let end = (until, self.next_number);
            self.next_number += 1;
            self.ends.insert(end, (key.clone(), id.clone()));
            version.ends.insert(end);
            version.nodes.insert(id, Lease { node, end });
        }
        // Nodes that came tell of the rest of the record, too.
        let is_updated = !changed.is_empty() || is_other && came.is_empty();
        let created = (!came.is_empty()).then(|| Change::Created(version.of_nodes(&key, came)));
        let updated = is_updated.then(|| Change::Updated(version.of_nodes(&key, changed)));
        created.into_iter().chain(updated).collect()
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
            if let Some(version) = version.as_mut()
                && let Some(lease) = version.nodes.get_mut(&node.id)
            {
                extend(&mut self.ends, &mut version.ends, lease, until);
            }
        }
        Ok(())
    }

    /// Ends the leases of the nodes of `service`.
    pub(super) fn deregister(&mut self, service: &Service) -> Option<Change> {
        self.end(&key(service), service.nodes.iter().map(|node| node.id.as_str()))
    }

    /// Ends every lease of the node `id`; looks at all versions.
    pub(super) fn forget(&mut self, id: &str) -> Vec<Change> {
        let runs =
            |(key, version): (&Key, &Version)| version.nodes.contains_key(id).then(|| key.clone());
        let keys: Vec<_> = self.versions.iter().filter_map(runs).collect();
        keys.iter().filter_map(|key| self.end(key, [id])).collect()
    }

    /// Ends every lease.
    pub(super) fn forget_all(&mut self) -> Vec<Change> {
        self.ends.clear();
        let versions = std::mem::take(&mut self.versions);
        versions.into_iter().map(|(key, version)| Change::Deleted(version.record(&key))).collect()
    }

    /// Ends the leases that ran out at `now`; looks at no others.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Change> {
        let mut ended: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for ((until, _), (key, id)) in &self.ends {
            if *until > now {
                break;
            }
            ended.entry(key.clone()).or_default().push(id.clone());
        }
        let end = |(key, ids): (Key, Vec<String>)| self.end(&key, ids.iter().map(String::as_str));
        ended.into_iter().filter_map(end).collect()
    }

    /// When the next lease in `scope` runs out.
    pub(super) fn next_expiry(&self, scope: &WatchScope) -> Option<Duration> {
        match scope {
            WatchScope::All => self.ends.keys().next().map(|(until, _)| *until),
            WatchScope::Service(name) => self.next_expiry_of(name),
        }
    }

    /// When the next lease of a service runs out.
    pub(super) fn next_expiry_of(&self, service: &str) -> Option<Duration> {
        let first = self.named(service).filter_map(|(_, version)| version.ends.first()).min();
        first.map(|(until, _)| *until)
    }

    /// Every version in `scope`, by name and version.
    pub(super) fn snapshot(&self, scope: &WatchScope) -> Vec<Service> {
        let record = |(key, version): (&Key, &Version)| version.record(key);
        match scope {
            WatchScope::All => self.versions.iter().map(record).collect(),
            WatchScope::Service(name) => self.named(name).map(record).collect(),
        }
    }

    /// How many leases there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The versions of one service.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Key, &'a Version)> {
        let first = (name.to_owned(), String::new());
        self.versions.range(first..).take_while(move |(key, _)| key.0 == name)
    }

    /// Ends the leases of these nodes of a version.
    fn end<'a>(&mut self, key: &Key, ids: impl IntoIterator<Item = &'a str>) -> Option<Change> {
        let version = self.versions.get_mut(key)?;
        let mut ended = BTreeMap::new();
        for id in ids {
            if let Some((id, lease)) = version.nodes.remove_entry(id) {
                self.ends.remove(&lease.end);
                version.ends.remove(&lease.end);
                ended.insert(id, lease.node);
            }
        }
        if ended.is_empty() {
            return None;
        }
        let change = Change::Deleted(version.of_nodes(key, ended.into_values().collect()));
        if version.nodes.is_empty() {
            self.versions.remove(key);
        }
        Some(change)
    }
}

impl Version {
    fn empty() -> Self {
        Self {
            metadata: BTreeMap::new(),
            endpoints: Vec::new(),
            nodes: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    fn record(&self, key: &Key) -> Service {
        self.of_nodes(key, self.nodes.values().map(|lease| lease.node.clone()).collect())
    }

    /// A record of these nodes.
    fn of_nodes(&self, (name, version): &Key, nodes: Vec<NodeInfo>) -> Service {
        Service {
            name: name.clone(),
            version: version.clone(),
            metadata: self.metadata.clone(),
            endpoints: self.endpoints.clone(),
            nodes,
        }
    }
}

/// Moves the end of a lease in both orders.
fn extend(
    all: &mut BTreeMap<End, Holder>,
    own: &mut BTreeSet<End>,
    lease: &mut Lease,
    until: Duration,
) {
    let end = (until, lease.end.1);
    if let Some(holder) = all.remove(&lease.end) {
        all.insert(end, holder);
    }
    own.remove(&lease.end);
    own.insert(end);
    lease.end = end;
}

fn key(service: &Service) -> Key {
    (service.name.clone(), service.version.clone())
}

/// Bytes of text in a record: what its size is measured by where nothing is encoded.
pub(super) fn text_bytes(service: &Service) -> usize {
    let endpoint = |endpoint: &EndpointInfo| {
        endpoint.name.len()
            + endpoint.request.size()
            + endpoint.reply.size()
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
mod tests;
