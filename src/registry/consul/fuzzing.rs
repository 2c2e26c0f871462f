//! Tags and records as strangers may leave them in Consul.

use std::time::Duration;

use callboard_actors::registry::{NodeInfo, Service};
use serde_json::{Value, json};

use super::record::{self, Entry};
use super::tags;

/// The bytes as raw tags, one a line; as Consul's answer; and as a node whose tags are packed here.
pub(crate) fn consul(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    raw_tags(&text);
    if let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(bytes) {
        records(&entries);
    }
    if let Ok(entry) = serde_json::from_value(node(&text)) {
        records(&[entry]);
    }
}

/// What can be read of tags is bounded, and what was read can be written.
fn raw_tags(text: &str) {
    for kind in ['v', 'e', 't'] {
        let found: Vec<_> = tags::decode(kind, text.split('\n')).collect();
        assert!(found.iter().map(String::len).sum::<usize>() <= TAGS_MOST);
        let packed: Vec<_> = found.iter().map(|text| tags::encode(kind, text)).collect();
        let again: Vec<_> = tags::decode(kind, packed.iter().map(String::as_str)).collect();
        assert_eq!(again, found);
    }
}

/// What is read as one of our nodes is written and read again as the same.
fn records(entries: &[Entry]) {
    let services = record::decode("greeter", entries);
    assert!(services.iter().map(|service| service.nodes.len()).sum::<usize>() <= entries.len());
    for service in &services {
        assert_eq!(service.name, "greeter");
        for node in &service.nodes {
            // Those of Go Micro have an address that is never written.
            if !node.address.starts_with("mucp") {
                written(service, node);
            }
        }
    }
}

fn written(service: &Service, node: &NodeInfo) {
    let alone = Service { nodes: Vec::new(), ..service.clone() };
    let once = again(&alone, node);
    let [first] = &once.nodes[..] else { panic!("{once:?}") };
    assert_eq!((&once.version, &once.metadata), (&alone.version, &alone.metadata));
    assert_eq!(once.endpoints, alone.endpoints);
    let expected = NodeInfo { address: first.address.clone(), ..node.clone() };
    assert_eq!(*first, expected);
    // An address may be written in a shorter way, once.
    let without_nodes = Service { nodes: Vec::new(), ..once.clone() };
    assert_eq!(again(&without_nodes, first), once);
}

/// Registers a node and reads it as Consul tells of it.
fn again(service: &Service, node: &NodeInfo) -> Service {
    let record = record::encode(service, node, Duration::from_secs(30));
    let record: Value = record
        .and_then(|record| serde_json::from_str(&record).map_err(|error| error.to_string()))
        .unwrap_or_else(|error| panic!("{error}: {service:?} {node:?}"));
    let entry = json!({ "Node": { "Address": "10.0.0.9" }, "Service": record, "Checks": null });
    let entry: Entry = serde_json::from_value(entry).unwrap_or_else(|error| panic!("{error}"));
    let mut services = record::decode(&service.name, &[entry]);
    match services.pop() {
        Some(service) if services.is_empty() => service,
        other => panic!("{service:?} {node:?} came back as {other:?}"),
    }
}

/// A node of which the lines tell: `a HOST PORT` its address, others the kind of a tag and what is
/// in it.
fn node(text: &str) -> Value {
    let (mut packed, mut address, mut port) = (Vec::new(), "", 0);
    for line in text.split('\n') {
        match line.split_once(' ') {
            Some(("a", place)) => {
                let (host, number) = place.split_once(' ').unwrap_or((place, ""));
                (address, port) = (host, number.parse::<u16>().unwrap_or(0));
            }
            Some((kind, payload)) => {
                packed.extend(kind.chars().next().map(|kind| tags::encode(kind, payload)));
            }
            None => {}
        }
    }
    let service = json!({ "ID": "n-1", "Tags": packed, "Port": port, "Address": address });
    json!({ "Node": { "Address": "10.0.0.9" }, "Service": service, "Checks": [] })
}

/// What the tags of a node may become.
const TAGS_MOST: usize = 256 * 1024;
