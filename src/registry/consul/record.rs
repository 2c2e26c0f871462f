//! A node's record, as Consul keeps it for Go Micro and for us.
//!
//! Pure.

mod decoded;

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_actors::registry::{Catalogue, NodeInfo, Service};
use serde::{Deserialize, Serialize};

pub(super) use self::decoded::Decoded;
use super::endpoint;
use super::tags::{self, Tags};
use crate::transport::Generation;

/// What an agent is asked to register; the order of the fields is that of Go Micro's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Registration<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    tags: Vec<String>,
    port: u16,
    address: &'a str,
    check: Check,
}

#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "TTL")]
    ttl: String,
    #[serde(rename = "DeregisterCriticalServiceAfter")]
    gone_after: String,
}

/// What `/v1/health/service` says of a node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    node: Machine,
    service: Registered,
    #[serde(default)]
    checks: Option<Vec<Health>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Machine {
    #[serde(default)]
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Registered {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    address: String,
    /// Grows with each change of the record; 0 where an agent does not tell.
    #[serde(default)]
    modify_index: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

/// Under which id Consul keeps a node's record.
///
/// To Consul an id is unique on its agent; to us a node is known by its id within a version.
pub(super) fn key(service: &Service, node: &NodeInfo) -> String {
    format!("{}@{}@{}", node.id, service.name, service.version)
}

/// The body that registers a node.
///
/// # Errors
/// What cannot be expressed.
pub(super) fn encode(service: &Service, node: &NodeInfo, ttl: Duration) -> Result<String, String> {
    let (address, port) = split(&node.address);
    let mut labels = node.metadata.clone();
    labels.entry(PROTOCOL.to_owned()).or_insert_with(|| MUCP.to_owned());
    labels.insert(INCARNATION.to_owned(), node.incarnation.to_string());
    labels.insert(NODE.to_owned(), node.id.clone());
    if !service.metadata.is_empty() {
        labels.insert(SERVICE_METADATA.to_owned(), json(&service.metadata)?);
    }
    let mut tags = Tags::default();
    for (name, value) in &labels {
        tags.add('t', &json(&BTreeMap::from([(name, value)]))?);
    }
    for endpoint in &service.endpoints {
        tags.add('e', &endpoint::encode(endpoint)?);
    }
    tags.add('v', &service.version);
    json(&Registration {
        id: &key(service, node),
        name: &service.name,
        tags: tags.finish()?,
        port,
        address,
        check: Check {
            ttl: milliseconds(ttl),
            gone_after: milliseconds((ttl + AFTER_TTL).max(GONE_AFTER_LEAST)),
        },
    })
}

/// The versions of a service and their nodes; those that are critical are left out.
pub(super) fn decode(name: &str, entries: &[Entry]) -> Vec<Service> {
    let decoded = entries.iter().filter(|entry| entry.is_passing());
    merged(decoded.filter_map(|entry| decode_one(name, entry)))
}

/// Records of one node each, as services.
fn merged(records: impl IntoIterator<Item = Service>) -> Vec<Service> {
    Catalogue::new(records).records()
}

impl Entry {
    fn is_passing(&self) -> bool {
        !self.checks.iter().flatten().any(|check| check.status == "critical")
    }
}

fn decode_one(name: &str, entry: &Entry) -> Option<Service> {
    let Registered { id, tags, port, address, .. } = &entry.service;
    let all = || tags.iter().flatten().map(String::as_str);
    // Others use Consul too, first of all Consul; they have no such tag.
    let version = tags::decode('v', all()).next()?;
    let mut service = Service::new(name, version);
    service.endpoints =
        tags::decode('e', all()).filter_map(|text| endpoint::decode(&text)).collect();
    let mut labels = BTreeMap::new();
    for text in tags::decode('t', all()) {
        labels.extend(serde_json::from_str::<BTreeMap<String, String>>(&text).unwrap_or_default());
    }
    let host = if address.is_empty() { &entry.node.address } else { address };
    let place = join(host, *port);
    let incarnation = labels.remove(INCARNATION).and_then(|text| text.parse().ok());
    let mut node = NodeInfo { id: id.clone(), ..NodeInfo::default() };
    if let Some(incarnation) = incarnation {
        if labels.get(PROTOCOL).is_some_and(|protocol| protocol == MUCP) {
            labels.remove(PROTOCOL);
        }
        if let Some(text) = labels.remove(SERVICE_METADATA) {
            service.metadata = serde_json::from_str(&text).unwrap_or_default();
        }
        if let Some(id) = labels.remove(NODE) {
            node.id = id;
        }
        node.incarnation = incarnation;
        node.address = place;
    } else {
        let generation = match labels.get(PROTOCOL).map(String::as_str) {
            None => Generation::Early,
            Some(MUCP) => Generation::Current,
            // Something else that is built with Go Micro, gRPC for one.
            Some(_) => return None,
        };
        node.address = format!("{}:{place}/{name}", generation.scheme());
    }
    node.metadata = labels;
    Some(service.node(node))
}

/// Host and port; what has no port, a Unix socket for one, stays whole.
fn split(address: &str) -> (&str, u16) {
    let parts = address.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some((host.trim_start_matches('[').trim_end_matches(']'), port))
    });
    parts.unwrap_or((address, 0))
}

fn join(host: &str, port: u16) -> String {
    match port {
        0 => host.to_owned(),
        port if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    }
}

/// A duration as Go reads it.
fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

/// The label that tells Go Micro's clients which wire a node speaks; ours speaks that one too.
const PROTOCOL: &str = "protocol";
const MUCP: &str = "mucp";

/// Labels that only our nodes have.
const INCARNATION: &str = "callboard-incarnation";
const NODE: &str = "callboard-node";
const SERVICE_METADATA: &str = "callboard-service";

/// Consul forgets a node whose lease ended this long ago, but not sooner than a minute after.
const AFTER_TTL: Duration = Duration::from_secs(5);
const GONE_AFTER_LEAST: Duration = Duration::from_secs(65);

#[cfg(test)]
mod tests {
    use callboard_actors::registry::{EndpointInfo, EndpointKind, Schema};

    use super::*;

    fn service() -> Service {
        let mut service = Service::new("greeter", "1.0.0");
        service.metadata.insert("type".into(), "helloworld".into());
        service.endpoints = vec![
            EndpointInfo {
                name: "Greeter.Hello".into(),
                request: Schema {
                    values: vec![Schema::new("name", "string")],
                    ..Schema::from("Hello")
                },
                reply: "HelloReply".into(),
                metadata: BTreeMap::from([("audience".into(), "all".into())]),
                ..EndpointInfo::default()
            },
            EndpointInfo {
                name: "Greeter.Chat".into(),
                kind: EndpointKind::Stream,
                ..EndpointInfo::default()
            },
        ];
        service
    }

    /// What Consul makes of a registration.
    fn stored(record: &str, status: &str) -> Entry {
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        let entry = serde_json::json!({
            "Node": { "Address": "10.0.0.9" },
            "Service": record,
            "Checks": [{ "Status": "passing" }, { "Status": status }],
        });
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn nothing_of_a_record_is_lost() {
        for address in ["127.0.0.1:9000", "[::1]:9000", "unix:/run/greeter.sock", "memory:one"] {
            let mut node = NodeInfo::new("greeter-1", address).label("zone", "eu-1");
            node.incarnation = u64::MAX;
            let record = encode(&service(), &node, Duration::from_secs(30)).unwrap();
            let decoded = decode("greeter", &[stored(&record, "passing")]);
            assert_eq!(decoded, [service().node(node)]);
        }
    }

    #[test]
    fn a_lease_is_a_check() {
        let node = NodeInfo::new("greeter-1", "127.0.0.1:9000");
        let record = encode(&service(), &node, Duration::from_secs(90)).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["Check"]["TTL"], "90000ms");
        assert_eq!(record["Check"]["DeregisterCriticalServiceAfter"], "95000ms");
        assert_eq!((&record["Address"], &record["Port"]), (&"127.0.0.1".into(), &9000.into()));
    }

    #[test]
    fn critical_nodes_are_left_out_and_those_with_a_warning_are_not() {
        let node = NodeInfo::new("greeter-1", "127.0.0.1:9000");
        let record = encode(&service(), &node, Duration::from_secs(30)).unwrap();
        assert_eq!(decode("greeter", &[stored(&record, "critical")]), []);
        assert_eq!(decode("greeter", &[stored(&record, "warning")]).len(), 1);
    }

    #[test]
    fn what_has_the_same_index_is_not_decoded_again() {
        let node = NodeInfo::new("greeter-1", "127.0.0.1:9000");
        let record = encode(&service(), &node, Duration::from_secs(30)).unwrap();
        let at = |index: u64, status: &str| {
            let mut entry = stored(&record, status);
            entry.service.modify_index = index;
            [entry]
        };
        let mut decoded = Decoded::default();
        let expected = [service().node(node)];
        assert_eq!(decoded.decode("greeter", &at(7, "passing")), expected);
        let mut other = at(7, "passing");
        // What cannot be: it shows that nobody looks.
        other[0].service.tags = None;
        assert_eq!(decoded.decode("greeter", &other), expected);
        other[0].node.address = "127.0.0.2".into();
        assert_eq!(decoded.decode("greeter", &other), []);
        assert_eq!(decoded.decode("greeter", &at(8, "passing")), expected);
        assert_eq!(decoded.decode("greeter", &at(8, "critical")), []);
        assert_eq!(decoded.decode("greeter", &at(8, "passing")), expected);
        other[0].service.modify_index = 0;
        assert_eq!(decoded.decode("greeter", &other), [], "an agent that tells no index");
        assert_eq!(decoded.decode("greeter", &at(0, "passing")), expected);
    }

    #[test]
    fn what_nodes_say_of_their_version_is_kept_once() {
        let node = |id: &str| NodeInfo::new(id, "127.0.0.1:9000");
        let at = |service: &Service, id: &str, index: u64| {
            let record = encode(service, &node(id), Duration::from_secs(30)).unwrap();
            let mut entry = stored(&record, "passing");
            entry.service.modify_index = index;
            entry
        };
        let mut other = service();
        other.metadata.insert("type".into(), "other".into());
        let mut decoded = Decoded::default();
        let (one, two) = (|index| at(&service(), "1", index), at(&service(), "2", 1));
        let both = [service().node(node("1")).node(node("2"))];
        assert_eq!(decoded.decode("greeter", &[one(1), two]), both);
        assert_eq!(decoded.said(), 1);
        // Also with what is decoded later, though it comes first.
        let (two, three) = (at(&service(), "2", 1), at(&other, "3", 1));
        let told = [both[0].clone(), other.clone().node(node("3"))];
        assert_eq!(decoded.decode("greeter", &[one(2), two, three]), told);
        assert_eq!(decoded.said(), 2);
    }

    #[test]
    fn subscribers_of_both_go_micros_are_read() {
        for (name, service, address) in [
            ("2016", "topic:gm.topic", "mucp-2016:127.0.0.1:9311/topic:gm.topic"),
            ("current", "micro.http.broker", "mucp-2016:127.0.0.1:9311/micro.http.broker"),
        ] {
            let path = format!(
                "{}/tests/captures/{name}/60-broker-consul-topic.json",
                env!("CARGO_MANIFEST_DIR")
            );
            let text = std::fs::read(&path).unwrap();
            let entries: Vec<Entry> = serde_json::from_slice(&text).unwrap();
            let services = decode(service, &entries);
            assert_eq!((services.len(), &*services[0].version), (1, "ff.http.broadcast"));
            let node = &services[0].nodes[0];
            assert_eq!((&*node.address, &*node.metadata["secure"]), (address, "false"));
            let topic = node.metadata.get("topic").map(String::as_str);
            assert_eq!(topic, (name == "current").then_some("gm.topic"));
        }
    }

    #[test]
    fn nodes_of_both_go_micros_are_read() {
        for (name, address) in [
            ("2016", "mucp-2016:127.0.0.1:9210/gm.greeter"),
            ("current", "mucp:127.0.0.1:9210/gm.greeter"),
        ] {
            let path = format!(
                "{}/tests/captures/{name}/72-consul-health-service.json",
                env!("CARGO_MANIFEST_DIR")
            );
            let text = std::fs::read(&path).unwrap();
            let entries: Vec<Entry> = serde_json::from_slice(&text).unwrap();
            let services = decode("gm.greeter", &entries);
            assert_eq!(services.len(), 1);
            assert_eq!((&*services[0].version, services[0].nodes.len()), ("1.0.0", 1));
            assert_eq!(services[0].nodes[0].address, address);
            assert_eq!(services[0].nodes[0].metadata["zone"], "eu-1");
            let hello = services[0].endpoints.iter().find(|it| it.name == "Greeter.Hello").unwrap();
            assert_eq!(
                (&*hello.request.kind, &*hello.reply.kind),
                ("HelloRequest", "HelloResponse")
            );
            assert_eq!(hello.request.values, [Schema::new("name", "string")]);
            let chat = services[0].endpoints.iter().find(|it| it.name == "Greeter.Chat").unwrap();
            assert_eq!(chat.kind, EndpointKind::Stream);
        }
    }
}
