//! One view of many records.
//!
//! Pure.

use std::collections::BTreeMap;

use callboard_actors::registry::Service;

/// Merges records of one node each into one service per name and version, all in order.
///
/// Each record comes with a number that grows with its changes. Of two records of one node the
/// newer counts, and a version has the metadata and endpoints of its newest record.
pub(super) fn merged<'a>(records: impl Iterator<Item = (u64, &'a Service)>) -> Vec<Service> {
    let mut newest: BTreeMap<(&str, &str, &str), (u64, &Service)> = BTreeMap::new();
    for (changed, service) in records {
        for node in &service.nodes {
            let key = (&*service.name, &*service.version, &*node.id);
            let known = newest.entry(key).or_insert((changed, service));
            if known.0 < changed {
                *known = (changed, service);
            }
        }
    }
    let mut services: Vec<(u64, Service)> = Vec::new();
    for (changed, service) in newest.into_values() {
        match services.last_mut().filter(|(_, last)| last.is_same_version(service)) {
            None => services.push((changed, service.clone())),
            Some((last_changed, last)) => {
                last.nodes.extend(service.nodes.iter().cloned());
                if *last_changed < changed {
                    *last_changed = changed;
                    last.metadata.clone_from(&service.metadata);
                    last.endpoints.clone_from(&service.endpoints);
                }
            }
        }
    }
    services.into_iter().map(|(_, service)| service).collect()
}

#[cfg(test)]
mod tests {
    use std::slice;

    use callboard_actors::registry::NodeInfo;

    use super::*;

    fn service(version: &str, id: &str, address: &str) -> Service {
        let mut service = Service::new("greeter", version).node(NodeInfo::new(id, address));
        service.metadata.insert("from".into(), address.into());
        service
    }

    #[test]
    fn nodes_are_grouped_by_version_in_order() {
        let (a, b, c) =
            (service("1", "a", "x:1"), service("1", "b", "x:2"), service("2", "a", "x:3"));
        let view = merged([(3, &c), (2, &b), (1, &a)].into_iter());
        assert_eq!(view.len(), 2);
        let ids: Vec<_> = view[0].nodes.iter().map(|node| &*node.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(view[0].metadata["from"], "x:2");
        assert_eq!(view[1], c);
        assert_eq!(merged([(2, &b), (9, &a)].into_iter())[0].metadata["from"], "x:1");
    }

    #[test]
    fn the_newer_of_two_records_of_one_node_counts() {
        let (old, new) = (service("1", "a", "x:1"), service("1", "a", "x:2"));
        assert_eq!(merged([(1, &old), (2, &new)].into_iter()), slice::from_ref(&new));
        assert_eq!(merged([(2, &new), (1, &old)].into_iter()), [new]);
    }
}
