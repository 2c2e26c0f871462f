//! What all codecs must keep.

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    balance: i64,
    name: String,
    tags: Vec<String>,
    ratio: f64,
    note: Option<String>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Priced { cents: u32 },
}

fn order() -> Order {
    Order {
        id: 1 << 53,
        balance: -9,
        name: "Jörg \u{2028} \"quoted\"".into(),
        tags: vec!["a".into(), String::new()],
        ratio: 1.5,
        note: None,
        kind: Kind::Priced { cents: 99 },
    }
}

/// Those that need nothing but serde.
fn codecs() -> Vec<Codec> {
    let names = [
        "application/x-bincode",
        "application/json",
        "application/msgpack",
        "application/bson",
        "application/x-postcard",
    ];
    names.iter().filter_map(|name| Codec::named(name)).collect()
}

#[test]
fn all_codecs_give_back_what_they_took() {
    assert!(codecs().len() >= 2);
    for codec in codecs() {
        for value in [order(), Order { kind: Kind::Plain, note: Some("n".into()), ..order() }] {
            let mut buffer = BytesMut::new();
            codec.encode(&value, &mut buffer).unwrap();
            assert_eq!(codec.decode::<Order>(&buffer), Ok(value), "{codec}");
        }
    }
}

#[test]
fn all_codecs_refuse_what_is_too_short_too_long_or_of_another_shape() {
    for codec in codecs() {
        let mut buffer = BytesMut::new();
        codec.encode(&order(), &mut buffer).unwrap();
        let short = codec.decode::<Order>(&buffer[..buffer.len() - 1]);
        assert!(short.is_err(), "{codec}");
        buffer.extend_from_slice(b"1");
        assert!(codec.decode::<Order>(&buffer).is_err(), "{codec}");
        assert!(codec.decode::<Order>(b"").is_err(), "{codec}");
        assert!(codec.decode::<Order>(&[0xFF; 40]).is_err(), "{codec}");
    }
}

#[test]
fn a_length_that_lies_is_refused_before_it_is_believed() {
    let claim = [253, 0, 0, 0, 0, 0, 0, 0, 1];
    assert!(Codec::Bincode.decode::<Vec<u8>>(&claim).is_err());
    assert!(Codec::Bincode.decode::<Vec<String>>(&claim).is_err());
    for codec in codecs() {
        // MessagePack: an array of 4 billion; postcard and bincode: lengths of as many.
        for claim in [b"\xdd\xff\xff\xff\xff".as_slice(), b"\xff\xff\xff\xff\x0f"] {
            assert!(codec.decode::<Vec<u64>>(claim).is_err(), "{codec}");
        }
    }
}

#[test]
fn deep_bodies_are_refused_by_codecs_that_describe_themselves() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nest {
        inner: Option<Box<Nest>>,
    }
    let nest = |depth| {
        (1..depth).fold(Nest { inner: None }, |inner, _| Nest { inner: Some(Box::new(inner)) })
    };
    for name in ["application/json", "application/msgpack", "application/bson"] {
        let Some(codec) = Codec::named(name) else { continue };
        let mut buffer = BytesMut::new();
        codec.encode(&nest(30), &mut buffer).unwrap();
        assert_eq!(codec.decode(&buffer), Ok(nest(30)), "{codec}");
        buffer.clear();
        codec.encode(&nest(100), &mut buffer).unwrap();
        assert!(codec.decode::<Nest>(&buffer).is_err(), "{codec}");
    }
}

#[test]
fn fields_that_one_side_does_not_know_are_skipped_by_codecs_with_names() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        name: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        name: String,
        #[serde(default)]
        age: u8,
    }
    for name in ["application/json", "application/msgpack", "application/bson"] {
        let Some(codec) = Codec::named(name) else { continue };
        let mut buffer = BytesMut::new();
        codec.encode(&New { name: "John".into(), age: 7 }, &mut buffer).unwrap();
        assert_eq!(codec.decode(&buffer), Ok(Old { name: "John".into() }), "{codec}");
        buffer.clear();
        codec.encode(&Old { name: "John".into() }, &mut buffer).unwrap();
        assert_eq!(codec.decode(&buffer), Ok(New { name: "John".into(), age: 0 }), "{codec}");
    }
}

#[test]
fn a_name_is_read_as_a_media_type() {
    for name in ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8"] {
        assert_eq!(Codec::named(name), Some(Codec::Json), "{name}");
    }
    assert_eq!(Codec::named("application/x-protobuf"), Some(Codec::Protobuf));
    for name in ["application/json; charset=latin1", "text/json", "json", ""] {
        assert_eq!(Codec::named(name), None, "{name}");
    }
}

#[test]
fn numbers_come_back_to_the_last_bit() {
    #[derive(Serialize, Deserialize)]
    struct Measure {
        value: f64,
    }
    // The first came back from JSON with another last digit, before it was told to be exact.
    for value in [1.234_567_890_123_456_7e20, 0.1, 5e-324, f64::MAX, -0.0] {
        for codec in codecs() {
            let mut buffer = BytesMut::new();
            codec.encode(&Measure { value }, &mut buffer).unwrap();
            let back: Measure = codec.decode(&buffer).unwrap();
            assert_eq!(back.value.to_bits(), value.to_bits(), "{codec}: {value}");
        }
    }
}
