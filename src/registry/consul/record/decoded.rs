//! Records that were decoded before.
//!
//! Pure.

use std::collections::HashMap;
use std::sync::Arc;

use callboard_actors::registry::{NodeInfo, Service};

use super::{Entry, decode_one};

/// Records that were decoded before, by the ids that Consul has them under.
///
/// Consul tells of all nodes of a service when one has changed; what it has the same index of is
/// not decoded again.
#[derive(Debug, Default)]
pub(in crate::registry::consul) struct Decoded {
    records: HashMap<String, Known>,
}

/// A record and what it was decoded from; none if it is not one of ours.
#[derive(Debug)]
struct Known {
    modify_index: u64,
    /// Of the machine, which is the node's where that has none of its own.
    address: String,
    record: Option<Record>,
}

/// A node, and what it says of its version, which is mostly what others say of it.
#[derive(Debug)]
struct Record {
    /// Without nodes.
    service: Arc<Service>,
    node: NodeInfo,
}

impl Decoded {
    /// As [`decode`](super::decode), but for what is known already, and not merged: a version is
    /// there several times where its nodes do not stand together or say different things of it.
    pub(in crate::registry::consul) fn decode(
        &mut self,
        name: &str,
        entries: &[Entry],
    ) -> Vec<Service> {
        let mut before = std::mem::take(&mut self.records);
        let mut versions = Versions::default();
        before.values().filter_map(|known| known.record.as_ref()).for_each(|it| versions.note(it));
        let mut rows: Vec<(Arc<Service>, Vec<NodeInfo>)> = Vec::new();
        for entry in entries.iter().filter(|entry| entry.is_passing()) {
            let Entry { node, service, .. } = entry;
            let is_same = |known: &Known| {
                known.modify_index == service.modify_index
                    && known.modify_index > 0
                    && known.address == node.address
            };
            let known = before.remove(&service.id).filter(is_same).unwrap_or_else(|| Known {
                modify_index: service.modify_index,
                address: node.address.clone(),
                record: decode_one(name, entry).and_then(|service| versions.share(service)),
            });
            if let Some(Record { service, node }) = &known.record {
                match rows.last_mut().filter(|(last, _)| Arc::ptr_eq(last, service)) {
                    Some((_, nodes)) => nodes.push(node.clone()),
                    None => rows.push((Arc::clone(service), vec![node.clone()])),
                }
            }
            self.records.insert(service.id.clone(), known);
        }
        let services = rows.into_iter();
        services.map(|(service, nodes)| Service { nodes, ..Service::clone(&service) }).collect()
    }
}

/// What a node said of each version.
#[derive(Default)]
struct Versions(HashMap<String, Arc<Service>>);

impl Versions {
    fn note(&mut self, record: &Record) {
        if !self.0.contains_key(&record.service.version) {
            self.0.insert(record.service.version.clone(), Arc::clone(&record.service));
        }
    }

    /// A record of one node, which shares what was said before.
    fn share(&mut self, mut service: Service) -> Option<Record> {
        let node = service.nodes.pop()?;
        let known = self.0.get(&service.version).filter(|known| ***known == service);
        let service = known.map_or_else(|| Arc::new(service), Arc::clone);
        let record = Record { service, node };
        self.note(&record);
        Some(record)
    }
}

#[cfg(test)]
impl Decoded {
    /// How many different things nodes say of their versions.
    pub(super) fn said(&self) -> usize {
        let records = self.records.values().filter_map(|known| known.record.as_ref());
        let said = records.map(|record| Arc::as_ptr(&record.service));
        said.collect::<std::collections::HashSet<_>>().len()
    }
}
