//! The record of a service: its versions, endpoints and nodes.
//!
//! Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::schema::Schema;

/// One version of a service and the nodes that run it.
///
/// ```
/// use callboard_actors::registry::{NodeInfo, Service};
///
/// let service = Service::new("greeter", "1.0.0").node(NodeInfo::new("greeter-1", "127.0.0.1:9000"));
/// assert_eq!(service.nodes.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What callers say, e.g. `greeter`.
    pub name: String,
    /// Free text; compared for equality only.
    pub version: String,
    /// Labels of the service as a whole.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What it answers.
    #[serde(default)]
    pub endpoints: Vec<EndpointInfo>,
    /// Where it runs.
    #[serde(default)]
    pub nodes: Vec<NodeInfo>,
}

impl Service {
    /// Creates a record without nodes.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Adds a node and returns the whole.
    #[must_use]
    pub fn node(mut self, node: NodeInfo) -> Self {
        self.nodes.push(node);
        self
    }

    /// Whether name and version are those of `other`.
    pub fn is_same_version(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }
}

/// One running instance of a service.
///
/// ```
/// use callboard_actors::registry::NodeInfo;
///
/// let node = NodeInfo::new("greeter-1", "127.0.0.1:9000").label("zone", "eu-1");
/// assert_eq!(node.metadata["zone"], "eu-1");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Unique among all nodes, e.g. `greeter-0192…`.
    pub id: String,
    /// Where it listens: `host:port`, or `unix:` and a path.
    pub address: String,
    /// Labels, e.g. its zone.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Differs between process starts, so that a restarted node is seen as new.
    #[serde(default)]
    pub incarnation: u64,
}

impl NodeInfo {
    /// Creates a node without labels.
    pub fn new(id: impl Into<String>, address: impl Into<String>) -> Self {
        Self { id: id.into(), address: address.into(), ..Self::default() }
    }

    /// The label that holds the content types of the codecs that a node speaks, the one that it
    /// likes best first, with commas between them.
    pub const CODECS: &'static str = "callboard-codecs";

    /// Content types that are read of that label at most; 64.
    pub const CODECS_MOST: usize = 64;

    /// Adds a label and returns the whole.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// The content types of the codecs that it speaks; none if it does not tell.
    ///
    /// ```
    /// use callboard_actors::registry::NodeInfo;
    ///
    /// let node = NodeInfo::new("greeter-1", "127.0.0.1:9000");
    /// assert_eq!(node.codecs().count(), 0);
    /// let node = node.label(NodeInfo::CODECS, "application/x-bincode,application/json");
    /// assert_eq!(node.codecs().last(), Some("application/json"));
    /// ```
    pub fn codecs(&self) -> impl Iterator<Item = &str> {
        let list = self.metadata.get(Self::CODECS).map(String::as_str).unwrap_or_default();
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.take(Self::CODECS_MOST)
    }
}

/// One thing a service answers.
///
/// ```
/// use callboard_actors::registry::{EndpointInfo, EndpointKind};
///
/// let hello = EndpointInfo { name: "Greeter.Hello".into(), ..EndpointInfo::default() };
/// assert_eq!(hello.kind, EndpointKind::Unary);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// E.g. `Greeter.Hello`.
    pub name: String,
    /// How it answers.
    #[serde(default)]
    pub kind: EndpointKind,
    /// What the request looks like.
    #[serde(default, skip_serializing_if = "Schema::is_empty")]
    pub request: Schema,
    /// What the reply looks like.
    #[serde(default, skip_serializing_if = "Schema::is_empty")]
    pub reply: Schema,
    /// Labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl EndpointInfo {
    /// The label that holds the fingerprint of the endpoint's types, in 16 hexadecimal digits.
    pub const FINGERPRINT: &'static str = "fingerprint";

    /// What is equal where client and server have the same types; absent if it does not tell.
    pub fn fingerprint(&self) -> Option<u64> {
        u64::from_str_radix(self.metadata.get(Self::FINGERPRINT)?, 16).ok()
    }
}

/// How an endpoint answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// One request, one reply.
    #[default]
    Unary,
    /// A conversation.
    Stream,
}
