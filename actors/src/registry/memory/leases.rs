//! The table of leases behind [`MemoryRegistry`](super::MemoryRegistry).
//!
//! Time is what has passed since the table was made. Every operation that changes what is known
//! returns the events, in order. An operation costs no more for the services that it is not about.
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

/// What happened to a version; its record is made only where somebody wants to know.
#[derive(Debug)]
pub(super) enum Event {
    Created(Key),
    Updated(Key),
    /// The version as it last was.
    Deleted(Service),
}

impl Event {
    /// The service's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Created(key) | Self::Updated(key) => &key.0,
            Self::Deleted(service) => &service.name,
        }
    }
}

impl Leases {
    /// Writes the nodes of `service`, each until `until`.
    pub(super) fn register(&mut self, service: Service, until: Duration) -> Option<Event> {
        let key = (service.name, service.version);
        let is_new = !self.versions.contains_key(&key);
        let version = self.versions.entry(key.clone()).or_insert_with(Version::empty);
        let mut differs = version.metadata != service.metadata;
        differs |= version.endpoints != service.endpoints;
        version.metadata = service.metadata;
        version.endpoints = service.endpoints;
        for node in service.nodes {
            let id = node.id.clone();
            if let Some(lease) = version.nodes.get_mut(&id) {
                differs |= lease.node != node;
                lease.node = node;
                extend(&mut self.ends, &mut version.ends, lease, until);
                continue;
            }
            differs = true;
            let end = (until, self.next_number);
            self.next_number += 1;
            self.ends.insert(end, (key.clone(), id.clone()));
            version.ends.insert(end);
            version.nodes.insert(id, Lease { node, end });
        }
        match (is_new, differs) {
            (true, _) => Some(Event::Created(key)),
            (false, true) => Some(Event::Updated(key)),
            (false, false) => None,
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
            if let Some(version) = version.as_mut()
                && let Some(lease) = version.nodes.get_mut(&node.id)
            {
                extend(&mut self.ends, &mut version.ends, lease, until);
            }
        }
        Ok(())
    }

    /// Ends the leases of the nodes of `service`.
    pub(super) fn deregister(&mut self, service: &Service) -> Option<Event> {
        self.end(&key(service), service.nodes.iter().map(|node| node.id.as_str()))
    }

    /// Ends every lease of the node `id`; looks at all versions.
    pub(super) fn forget(&mut self, id: &str) -> Vec<Event> {
        let runs =
            |(key, version): (&Key, &Version)| version.nodes.contains_key(id).then(|| key.clone());
        let keys: Vec<_> = self.versions.iter().filter_map(runs).collect();
        keys.iter().filter_map(|key| self.end(key, [id])).collect()
    }

    /// Ends every lease.
    pub(super) fn forget_all(&mut self) -> Vec<Event> {
        self.ends.clear();
        let versions = std::mem::take(&mut self.versions);
        versions.into_iter().map(|(key, version)| Event::Deleted(version.record(&key))).collect()
    }

    /// Ends the leases that ran out at `now`; looks at no others.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Event> {
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

    /// What a watch tells of an event; nothing of a version that is gone by now.
    pub(super) fn change(&self, event: Event) -> Option<Change> {
        let record = |key: &Key| Some(self.versions.get(key)?.record(key));
        match event {
            Event::Created(key) => record(&key).map(Change::Created),
            Event::Updated(key) => record(&key).map(Change::Updated),
            Event::Deleted(service) => Some(Change::Deleted(service)),
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
    fn end<'a>(&mut self, key: &Key, ids: impl IntoIterator<Item = &'a str>) -> Option<Event> {
        let version = self.versions.get_mut(key)?;
        let mut ended = Vec::new();
        for id in ids {
            if let Some(lease) = version.nodes.remove(id) {
                self.ends.remove(&lease.end);
                version.ends.remove(&lease.end);
                ended.push(lease);
            }
        }
        if ended.is_empty() {
            return None;
        }
        if !version.nodes.is_empty() {
            return Some(Event::Updated(key.clone()));
        }
        let mut last = self.versions.remove(key)?;
        last.nodes.extend(ended.into_iter().map(|lease| (lease.node.id.clone(), lease)));
        Some(Event::Deleted(last.record(key)))
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
