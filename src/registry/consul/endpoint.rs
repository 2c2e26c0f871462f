//! An endpoint of a record, as Go Micro writes it.
//!
//! Pure.

use std::collections::BTreeMap;

use callboard_actors::registry::{EndpointInfo, EndpointKind, Schema};
use serde::{Deserialize, Serialize};

/// What Go Micro would write of an endpoint.
///
/// # Errors
/// What cannot be expressed.
pub(super) fn encode(endpoint: &EndpointInfo) -> Result<String, String> {
    let mut metadata = endpoint.metadata.clone();
    let is_stream = endpoint.kind == EndpointKind::Stream;
    metadata.insert(STREAM.to_owned(), is_stream.to_string());
    let endpoint = Endpoint {
        name: endpoint.name.clone(),
        request: Some(Value::of(&endpoint.request)),
        response: Some(Value::of(&endpoint.reply)),
        metadata: Some(metadata),
    };
    serde_json::to_string(&endpoint).map_err(|error| error.to_string())
}

/// The endpoint that can be called, if it is one.
pub(super) fn decode(text: &str) -> Option<EndpointInfo> {
    let endpoint: Endpoint = serde_json::from_str(text).ok()?;
    let mut metadata = endpoint.metadata.unwrap_or_default();
    // Subscribers stand in the same list, and nobody can call them.
    if metadata.get("subscriber").is_some_and(|value| value == "true") {
        return None;
    }
    let is_stream = metadata.remove(STREAM).is_some_and(|value| value == "true");
    let kind = if is_stream { EndpointKind::Stream } else { EndpointKind::Unary };
    let schema = |value: Option<Value>| {
        value.map(|value| value.into_schema(Schema::DEPTH_MOST)).unwrap_or_default()
    };
    Some(EndpointInfo {
        name: endpoint.name,
        kind,
        request: schema(endpoint.request),
        reply: schema(endpoint.response),
        metadata,
    })
}

/// An endpoint as Go Micro writes it.
#[derive(Debug, Serialize, Deserialize)]
struct Endpoint {
    #[serde(default)]
    name: String,
    #[serde(default)]
    request: Option<Value>,
    #[serde(default)]
    response: Option<Value>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

/// The type of a message.
#[derive(Debug, Serialize, Deserialize)]
struct Value {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    /// Those of its fields.
    #[serde(default)]
    values: Option<Vec<Value>>,
}

impl Value {
    fn of(schema: &Schema) -> Self {
        let Schema { name, kind, values } = schema;
        let values = (!values.is_empty()).then(|| values.iter().map(Self::of).collect());
        Self { name: name.clone(), kind: kind.clone(), values }
    }

    /// The schema, of which `depth` levels are taken.
    fn into_schema(self, depth: usize) -> Schema {
        let Self { name, kind, values } = self;
        let values = values.into_iter().flatten().filter(|_| depth > 1);
        let values = values.map(|value| value.into_schema(depth - 1)).collect();
        Schema { name, kind, values }
    }
}

/// The label of an endpoint that says whether it is a stream.
const STREAM: &str = "stream";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::consul::tags;

    #[test]
    fn endpoints_are_written_as_go_micro_writes_them() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/captures/2016/72-consul-health-service.json"
        );
        let entries: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let tags: Vec<String> =
            serde_json::from_value(entries[0]["Service"]["Tags"].clone()).unwrap();
        let texts: Vec<_> = tags::decode('e', tags.iter().map(String::as_str)).collect();
        assert!(texts.iter().any(|text| text.contains("inner_msg")), "a nested one is among them");
        for text in texts {
            assert_eq!(encode(&decode(&text).unwrap()).unwrap(), text);
        }
    }
}
