//! The deserializer agrees with bincode's own.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

use bincode::error::DecodeError;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;

/// Has each kind of value that serde tells apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    small: (bool, char, i8, u8, i16, u16),
    large: (i32, u32, i64, u64, i128, u128),
    floats: (f32, f64),
    name: String,
    boxed: Box<str>,
    bytes: Bytes,
    numbers: Vec<u8>,
    wrapped: Wrapped,
    unit: Unit,
    pair: Pair,
    note: Option<Vec<Option<String>>>,
    named: BTreeMap<String, Vec<String>>,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(Box<str>, ());

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Node {
    Empty,
    Text(String),
    Both(Box<Node>, String),
    Named { name: String, children: Vec<Node> },
}

/// Bytes that serde knows as such, not as a sequence of numbers.
#[derive(Debug, Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copied;

        impl Visitor<'_> for Copied {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_byte_buf(Copied)
    }
}

proptest! {
    #[test]
    fn both_read_the_same_of_what_is_right(value in everything(), more in vec(any::<u8>(), 0..3)) {
        let mut body = BytesMut::new();
        encode(&value, &mut body).unwrap();
        let length = body.len();
        body.extend_from_slice(&more);
        let (read, taken) = agree::<Everything>(&body).unwrap();
        prop_assert_eq!((read, taken), (value, length));
    }

    #[test]
    fn both_read_or_refuse_the_same_of_what_is_nearly_right(
        value in everything(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = BytesMut::new();
        encode(&value, &mut body).unwrap();
        for (place, byte) in &changes {
            let place = place.index(body.len());
            body[place] = *byte;
        }
        let _ = agree::<Everything>(&body);
        body.truncate(cut.index(body.len()));
        let _ = agree::<Everything>(&body);
    }

    #[test]
    fn both_read_or_refuse_the_same_of_arbitrary_bytes(body in vec(any::<u8>(), 0..100)) {
        let _ = agree::<Everything>(&body);
        let _ = agree::<Node>(&body);
        let _ = agree::<Vec<String>>(&body);
        let _ = agree::<(Option<Bytes>, char)>(&body);
        let _ = agree::<BTreeMap<String, u32>>(&body);
    }
}

#[test]
fn both_refuse_the_same_kinds_of_wrong_text() {
    let truncated = [5, b'a', b'b'];
    let not_utf8 = [2, 0xc3, 0x28];
    let over_the_limit = [252, 1, 0, 0, 4, 0];
    for body in [&truncated[..], &not_utf8, &over_the_limit] {
        assert!(agree::<String>(body).is_none(), "{body:?}");
        assert!(agree::<Vec<Wrapped>>(&[&[1], body].concat()).is_none(), "{body:?}");
    }
    assert!(matches!(read::<String>(&truncated), Err(DecodeError::UnexpectedEnd { .. })));
    assert!(matches!(read::<String>(&not_utf8), Err(DecodeError::Utf8 { .. })));
    assert!(matches!(read::<String>(&over_the_limit), Err(DecodeError::LimitExceeded)));
}

/// They are read in pieces, whose borders are anywhere in a character.
#[test]
fn both_read_or_refuse_the_same_of_long_texts() {
    for character in ["a", "\u{e9}", "\u{20ac}", "\u{1f980}"] {
        for before in 0..4 {
            let text = "a".repeat(before) + &character.repeat(200_000 / character.len());
            let mut body = BytesMut::new();
            encode(&text, &mut body).unwrap();
            assert!(agree_briefly(&body).is_some_and(|read| read == text));
            for place in [70_000, 131_077, body.len() - 1] {
                let mut wrong = body.clone();
                wrong[place] = 0xff;
                assert!(agree_briefly(&wrong).is_none());
            }
            let (last, head) = (body.len() - 1, body.len() - text.len());
            let shorter = u32::try_from(last - head).unwrap().to_le_bytes();
            body[1..head].copy_from_slice(&shorter);
            assert_eq!(agree_briefly(&body[..last]).is_some(), character.len() == 1);
        }
    }
}

#[test]
fn what_needs_to_be_described_is_refused_as_before() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
    }

    assert!(agree::<Untagged>(&[1]).is_none());
    assert!(agree::<de::IgnoredAny>(&[1]).is_none());
}

/// A limit holds for a value as a whole, not for each text in it.
#[test]
fn texts_count_together() {
    let half = vec![b'a'; BODY_MOST / 2 + 1];
    let mut body = vec![2, 252];
    let length = u32::try_from(half.len()).unwrap().to_le_bytes();
    body.extend(length.iter().chain(&half));
    body.push(252);
    body.extend(length.iter().chain(&half));
    assert!(agree::<Vec<String>>(&body).is_none());
    assert!(matches!(read::<Vec<String>>(&body), Err(DecodeError::LimitExceeded)));
}

/// What both read, and of how many bytes; `None` if both fail in the same way.
fn agree<T: DeserializeOwned + PartialEq + fmt::Debug>(body: &[u8]) -> Option<(T, usize)> {
    match (read(body), bincode::serde::decode_from_slice::<T, _>(body, BINCODE)) {
        (Ok(ours), Ok(theirs)) => {
            // Not by value: what is no number differs from itself.
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "of {body:?}");
            Some(ours)
        }
        (Err(ours), Err(theirs)) => {
            assert_eq!(discriminant(&ours), discriminant(&theirs), "{ours}, {theirs}: {body:?}");
            assert_eq!(ours.to_string(), theirs.to_string(), "of {body:?}");
            None
        }
        (ours, theirs) => panic!("{ours:?} where bincode has {theirs:?}, of {body:?}"),
    }
}

/// As [`agree`] on a text, which is too long to be shown.
fn agree_briefly(body: &[u8]) -> Option<String> {
    let theirs = bincode::serde::decode_from_slice::<String, _>(body, BINCODE);
    let (ours, theirs) = (read::<String>(body), theirs);
    let shown = |error: DecodeError| error.to_string();
    let is_same = ours.as_ref().ok() == theirs.as_ref().ok();
    assert!(is_same, "{:?}, {:?}", ours.map_err(shown).err(), theirs.map_err(shown).err());
    match (ours, theirs) {
        (Ok((text, _)), _) => Some(text),
        (Err(ours), Err(theirs)) => {
            assert_eq!(ours.to_string(), theirs.to_string());
            None
        }
        (Err(_), Ok(_)) => unreachable!("they are the same"),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<(T, usize), DecodeError> {
    let mut position = Position::new(body);
    let value = T::deserialize(&mut position)?;
    Ok((value, body.len() - position.unread()))
}

fn everything() -> impl Strategy<Value = Everything> {
    let numbers =
        (any::<(bool, char, i8, u8, i16, u16)>(), any::<(i32, u32, i64, u64, i128, u128)>());
    let texts = (text(), text(), text(), text(), option::of(vec(option::of(text()), 0..3)));
    let bytes = (vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..8));
    let floats = (any::<i16>(), any::<i32>());
    let named = btree_map(text(), vec(text(), 0..3), 0..4);
    (numbers, floats, texts, bytes, named, node()).prop_map(
        |(
            (small, large),
            (single, double),
            (name, boxed, wrapped, first, note),
            (bytes, numbers),
            named,
            node,
        )| {
            Everything {
                small,
                large,
                floats: (single.into(), double.into()),
                name,
                boxed: boxed.into(),
                bytes: Bytes(bytes),
                numbers,
                wrapped: Wrapped(wrapped),
                unit: Unit,
                pair: Pair(first.into(), ()),
                note,
                named,
                node,
            }
        },
    )
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![Just(Node::Empty), text().prop_map(Node::Text)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), text()).prop_map(|(node, text)| Node::Both(Box::new(node), text)),
            (text(), vec(inner, 0..3)).prop_map(|(name, children)| Node::Named { name, children }),
        ]
    })
}

/// Sometimes longer than the lengths that take one byte.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "\\PC{0,12}", 1 => "[a-z]{249,300}"]
}
