//! What a message looks like, as a record tells it.
//!
//! Pure.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::service::Service;

/// The type of a message or of a part of it, in Go Micro's form.
///
/// ```
/// use callboard_actors::registry::Schema;
///
/// let name = Schema::new("name", "string");
/// let hello = Schema { values: vec![name], ..Schema::from("Hello") };
/// assert_eq!(hello.value("name").map(|value| value.kind.as_str()), Some("string"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    /// What its owner calls it: a field's name, or a message's type.
    pub name: String,
    /// The type's name, e.g. `Hello`, `string` or `[]int64`; empty where it has none, as a map.
    pub kind: String,
    /// What it consists of: fields, an enum's variants, or the one type of a list's elements.
    pub values: Vec<Schema>,
}

impl Schema {
    /// How deep a record describes messages, the message itself included: as Go Micro does.
    pub const DEPTH_MOST: usize = 3;

    /// Describes something that has no parts.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: name.into(), kind: kind.into(), values: Vec::new() }
    }

    /// The part of this name.
    pub fn value(&self, name: &str) -> Option<&Self> {
        self.values.iter().find(|value| value.name == name)
    }

    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty() && self.kind.is_empty() && self.values.is_empty()
    }

    /// Bytes that it takes in a record as JSON, give or take a few.
    pub fn size(&self) -> usize {
        if self.is_name() {
            return self.name.len();
        }
        let own = FRAME + self.name.len() + self.kind.len();
        own + self.values.iter().map(Self::size).sum::<usize>()
    }

    /// Whether there is no more to it than the name of a type.
    fn is_name(&self) -> bool {
        self.name == self.kind && self.values.is_empty()
    }

    /// Leaves out what lies deeper than `depth`, itself being the first level.
    pub fn truncate(&mut self, depth: usize) {
        if depth <= 1 {
            self.values = Vec::new();
        } else {
            self.values.iter_mut().for_each(|value| value.truncate(depth - 1));
        }
    }
}

impl Service {
    /// Makes the schemas of all endpoints take `most` bytes at most, as far as that can be done by
    /// leaving out what lies deepest; names and types of the messages themselves stay.
    pub fn limit_schemas(&mut self, most: usize) {
        for depth in (1..=Schema::DEPTH_MOST).rev() {
            let sizes = self.endpoints.iter().map(|it| it.request.size() + it.reply.size());
            if sizes.sum::<usize>() <= most {
                return;
            }
            for endpoint in &mut self.endpoints {
                endpoint.request.truncate(depth);
                endpoint.reply.truncate(depth);
            }
        }
    }
}

/// A message by the name of its type, which is also what it is called.
impl From<&str> for Schema {
    fn from(kind: &str) -> Self {
        Self::new(kind, kind)
    }
}

/// A message by the name of its type, which is also what it is called.
impl From<String> for Schema {
    fn from(kind: String) -> Self {
        Self::new(kind.clone(), kind)
    }
}

/// A name alone is a text, since most of a large record would be braces else.
impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_name() {
            return serializer.serialize_str(&self.name);
        }
        let fields = if self.values.is_empty() { 2 } else { 3 };
        let mut map = serializer.serialize_struct("Schema", fields)?;
        map.serialize_field("name", &self.name)?;
        map.serialize_field("type", &self.kind)?;
        if self.values.is_empty() {
            map.skip_field("values")?;
        } else {
            map.serialize_field("values", &self.values)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SchemaVisitor)
    }
}

/// Reads a schema, or only the name of a type.
struct SchemaVisitor;

impl<'de> Visitor<'de> for SchemaVisitor {
    type Value = Schema;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schema, or the name of a type")
    }

    fn visit_str<E: serde::de::Error>(self, kind: &str) -> Result<Schema, E> {
        Ok(if kind.is_empty() { Schema::default() } else { Schema::from(kind) })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Schema, E> {
        Ok(Schema::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Schema, M::Error> {
        let mut schema = Schema::default();
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "name" => schema.name = map.next_value()?,
                "type" => schema.kind = map.next_value()?,
                // Go writes `null` for none.
                "values" => schema.values = map.next_value::<Option<_>>()?.unwrap_or_default(),
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(schema)
    }
}

/// What JSON needs beside name and type: `{"name":"","type":"","values":[]},`.
const FRAME: usize = 34;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::EndpointInfo;

    fn nested() -> Schema {
        let inner =
            Schema { values: vec![Schema::new("x", "int32")], ..Schema::new("at", "Point") };
        Schema { values: vec![inner, Schema::new("name", "string")], ..Schema::from("Place") }
    }

    #[test]
    fn what_lies_deepest_is_left_out_first_and_names_stay() {
        let endpoint = EndpointInfo { request: nested(), reply: nested(), ..Default::default() };
        let mut service = Service::new("map", "1");
        service.endpoints = vec![endpoint.clone(), endpoint];
        let whole = 4 * nested().size();
        let mut limited = service.clone();
        limited.limit_schemas(whole);
        assert_eq!(limited, service);

        limited.limit_schemas(whole - 1);
        let request = &limited.endpoints[1].request;
        assert_eq!(request.values.len(), 2, "{request:?}");
        assert_eq!(request.value("at").map(|at| at.values.len()), Some(0));

        limited.limit_schemas(0);
        assert_eq!(limited.endpoints[0].reply, Schema::from("Place"));
    }
}
