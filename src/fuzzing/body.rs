//! Bodies: whatever is read comes back, and is neither larger nor deeper than it may be.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::BytesMut;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codec::{Codec, DEPTH_MOST};

/// `application/json`.
pub fn json(bytes: &[u8]) {
    described(Codec::Json, bytes);
}

/// `application/msgpack`.
pub fn msgpack(bytes: &[u8]) {
    described(crate::codec::msgpack::MSGPACK, bytes);
}

/// `application/bson`.
pub fn bson(bytes: &[u8]) {
    described(crate::codec::bson::BSON, bytes);
}

/// `application/x-bincode` and `application/x-postcard`, which do not describe what they hold.
pub fn compact(bytes: &[u8]) {
    for codec in [Codec::Bincode, crate::codec::postcard::POSTCARD] {
        comes_back::<Record>(codec, bytes, |_| {});
        comes_back::<Vec<String>>(codec, bytes, |_| {});
        comes_back::<BTreeMap<u16, Vec<Option<i128>>>>(codec, bytes, |_| {});
    }
}

/// Every kind of thing that serde knows how to write.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    flag: bool,
    small: i8,
    large: u64,
    ratio: f32,
    exact: f64,
    letter: char,
    name: String,
    note: Option<String>,
    pair: (u16, i64),
    labels: BTreeMap<String, String>,
    kinds: Vec<Kind>,
}

/// The same for codecs that skip and default what they do not find, and as deep as one likes.
///
/// What is empty is left out: written, a tree is no deeper than what it was read from.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Tree {
    flag: bool,
    small: i8,
    large: i64,
    ratio: f32,
    exact: f64,
    letter: char,
    name: String,
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<(u16, i64)>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<Kind>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Tree>,
    inner: Option<Box<Tree>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Plain,
    Wrapped(u32),
    Both(String, bool),
    Named { cents: i32 },
}

impl Tree {
    fn depth(&self) -> usize {
        // A child is in a list, which is a level of its own.
        let children = self.children.iter().map(|child| child.depth() + 2).max();
        let inner = self.inner.iter().map(|inner| inner.depth() + 1).max();
        children.max(inner).unwrap_or(1)
    }
}

fn described(codec: Codec, bytes: &[u8]) {
    comes_back::<Tree>(codec, bytes, |tree| {
        assert!(tree.depth() <= DEPTH_MOST, "{} levels", tree.depth());
    });
    comes_back::<Value>(codec, bytes, |value| {
        assert!(depth(value) <= DEPTH_MOST, "{} levels", depth(value));
        assert!(nodes(value) <= bytes.len().max(1), "{} values", nodes(value));
    });
    comes_back::<BTreeMap<String, Vec<f64>>>(codec, bytes, |_| {});
    comes_back::<Vec<Kind>>(codec, bytes, |_| {});
}

/// Reads a value, which must not change when it is written and read again.
///
/// What it is written as is compared: a value may hold what is not equal to itself.
fn comes_back<T: Debug + Serialize + DeserializeOwned>(
    codec: Codec,
    bytes: &[u8],
    check: impl Fn(&T),
) {
    let Ok(value) = codec.decode::<T>(bytes) else { return };
    check(&value);
    let written = write(codec, &value);
    let again = codec.decode::<T>(&written);
    let again = again.unwrap_or_else(|error| panic!("{error}: {value:?}"));
    assert_eq!(write(codec, &again), written, "{value:?} came back as {again:?}");
}

fn write<T: Debug + Serialize>(codec: Codec, value: &T) -> BytesMut {
    let mut buffer = BytesMut::new();
    if let Err(error) = codec.encode(value, &mut buffer) {
        panic!("{error}: {value:?}");
    }
    buffer
}

/// How many levels of lists and objects there are; what a value that is none is, is one.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(nodes).sum::<usize>(),
        Value::Object(values) => 1 + values.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}
