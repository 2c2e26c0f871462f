//! One node's record as it is announced: its key, its JSON and the digest of that.
//!
//! Pure.

use std::fmt;
use std::str::FromStr;

use callboard_actors::registry::Service;

/// What an announcement replaces: the same node under the same name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) node: String,
}

/// The keys of all nodes in `service`.
pub(super) fn keys(service: &Service) -> Vec<Key> {
    let key = |id: &String| Key {
        name: service.name.clone(),
        version: service.version.clone(),
        node: id.clone(),
    };
    service.nodes.iter().map(|node| key(&node.id)).collect()
}

/// A record of exactly one node.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) key: Key,
    pub(super) service: Service,
    pub(super) json: Vec<u8>,
    pub(super) digest: Digest,
}

impl Record {
    /// One record per node of `service`, or what is wrong with it.
    pub(super) fn split(service: &Service) -> Result<Vec<Self>, String> {
        if service.name.is_empty() {
            return Err("its name is empty".into());
        }
        let keys = keys(service);
        let records = keys.into_iter().zip(&service.nodes).map(|(key, node)| {
            if node.id.is_empty() {
                return Err("a node's id is empty".into());
            }
            let service = Service { nodes: vec![node.clone()], ..service.clone() };
            let json = serde_json::to_vec(&service).map_err(|error| error.to_string())?;
            if json.len() > RECORD_MAX {
                return Err(format!(
                    "{} bytes of node {} are more than {RECORD_MAX}",
                    json.len(),
                    node.id
                ));
            }
            let digest = Digest::of(&json);
            Ok(Self { key, service, json, digest })
        });
        records.collect()
    }
}

/// Reads the record of one node.
pub(super) fn decode(json: &[u8]) -> Result<Service, String> {
    let service: Service = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let [node] = &service.nodes[..] else { return Err("not a record of one node".into()) };
    if service.name.is_empty() || node.id.is_empty() {
        return Err("the record lacks a name".into());
    }
    Ok(service)
}

/// 128 bits of FNV-1a; tells versions of a record apart and transfers from garbage.
///
/// It is no protection against an attacker, who on a network with mDNS could announce anything
/// anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest(u128);

impl Digest {
    /// Bytes of its text form.
    pub(super) const TEXT: usize = 32;

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(
            bytes
                .iter()
                .fold(FNV_OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME)),
        )
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Bytes of one node's record as JSON.
pub(super) const RECORD_MAX: usize = 64 * 1024;

const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use callboard_actors::registry::NodeInfo;

    use super::*;

    #[test]
    fn each_node_gets_a_record_of_its_own_that_reads_back() {
        let service = Service::new("grüße", "1")
            .node(NodeInfo::new("a", "127.0.0.1:1").label("zone", "東京"))
            .node(NodeInfo::new("b", "127.0.0.1:2"));
        let records = Record::split(&service).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records.iter().map(|r| r.key.clone()).collect::<Vec<_>>(), keys(&service));
        assert_eq!(decode(&records[0].json).unwrap(), records[0].service);
        assert_ne!(records[0].digest, records[1].digest);
    }

    #[test]
    fn schemas_of_endpoints_read_back() {
        use callboard_actors::registry::{EndpointInfo, Schema};

        let field = Schema::new("name", "string");
        let request = Schema { values: vec![field], ..Schema::from("Hello") };
        let (name, reply) = ("Greeter.Hello".to_owned(), Schema::from("String"));
        let endpoint = EndpointInfo { name, request, reply, ..EndpointInfo::default() };
        let mut service = Service::new("greeter", "1").node(NodeInfo::new("a", "127.0.0.1:1"));
        service.endpoints = vec![endpoint, EndpointInfo::default()];
        let [record] = &Record::split(&service).unwrap()[..] else { panic!("one node") };
        assert_eq!(decode(&record.json).unwrap(), service);
    }

    #[test]
    fn a_record_over_the_limit_is_refused() {
        let with = |bytes: usize| {
            let node = NodeInfo::new("a", "127.0.0.1:1").label("x", "y".repeat(bytes));
            Record::split(&Service::new("greeter", "1").node(node))
        };
        let overhead = with(0).unwrap()[0].json.len();
        assert!(with(RECORD_MAX - overhead).is_ok());
        assert!(with(RECORD_MAX - overhead + 1).unwrap_err().contains("are more than 65536"));
    }

    #[test]
    fn names_must_not_be_empty() {
        let node = || NodeInfo::new("a", "127.0.0.1:1");
        assert!(Record::split(&Service::new("", "1").node(node())).is_err());
        assert!(Record::split(&Service::new("x", "1").node(NodeInfo::new("", "a:1"))).is_err());
        assert!(decode(br#"{"name":"x","version":"1"}"#).is_err());
        assert!(
            decode(br#"{"name":"","version":"1","nodes":[{"id":"a","address":"b"}]}"#).is_err()
        );
    }

    #[test]
    fn a_digest_is_the_published_hash_and_survives_its_text() {
        assert_eq!(Digest::of(b"").to_string(), "6c62272e07bb014262b821756295c58d");
        assert_eq!(Digest::of(b"foobar").to_string(), "343e1662793c64bf6f0d3597ba446f18");
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().len(), Digest::TEXT);
    }
}
