//! What holds for arbitrary bytes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Codec, Generation, MediaType, bson_rpc, json_rpc, proto_rpc};

/// A type that can hold whatever a body describes, however deep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tree {
    #[serde(default)]
    name: String,
    #[serde(default)]
    numbers: Vec<i64>,
    #[serde(default)]
    children: Vec<Tree>,
    #[serde(default)]
    any: Option<serde_json::Value>,
}

const GENERATIONS: [Generation; 2] = [Generation::Early, Generation::Current];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn bytes_that_are_nearly_right_never_panic(
        tree in tree(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for codec in codecs() {
            let mut buffer = BytesMut::new();
            codec.encode(&tree, &mut buffer).unwrap();
            for envelope in envelopes(&buffer) {
                let mut bytes = envelope.to_vec();
                for (place, byte) in &changes {
                    let place = place.index(bytes.len());
                    bytes[place] = *byte;
                }
                read_as_everything(&bytes);
                bytes.truncate(cut.index(bytes.len()));
                read_as_everything(&bytes);
            }
        }
    }

    #[test]
    fn bodies_come_back(tree in tree()) {
        for codec in codecs() {
            let mut buffer = BytesMut::new();
            codec.encode(&tree, &mut buffer).unwrap();
            prop_assert_eq!(codec.decode::<Tree>(&buffer).unwrap(), tree.clone());
        }
    }

    #[test]
    fn envelopes_come_back(
        method in "[A-Za-z]{0,10}\\.[A-Za-z]{0,10}",
        id in any::<u64>(),
        text in "\\PC{1,40}",
        body in vec(any::<u8>(), 0..300),
    ) {
        let json = Bytes::from(serde_json::to_vec(&text).unwrap());
        for generation in GENERATIONS {
            let bytes = json_rpc::encode_request(generation, &method, id, &json);
            let request = json_rpc::decode_request(&bytes).unwrap();
            prop_assert_eq!(&request.method, &method);
            prop_assert_eq!(serde_json::from_slice::<String>(&request.body).unwrap(), text.clone());
            let bytes = json_rpc::encode_error(generation, &request.id, &text);
            prop_assert_eq!(json_rpc::decode_response(&bytes).unwrap().error, Some(text.clone()));

            let bytes = proto_rpc::encode_request(generation, &method, id, &body);
            let request = proto_rpc::decode_request(&bytes).unwrap();
            prop_assert_eq!((&request.method, request.id), (&method, id));
            prop_assert_eq!(&request.body[..], &body[..]);
            let bytes = proto_rpc::encode_reply(generation, &method, id, &body);
            prop_assert_eq!(&proto_rpc::decode_response(&bytes).unwrap().body[..], &body[..]);
        }
    }

    #[test]
    fn any_content_type_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = MediaType::parse(&text);
        let _ = Codec::named(&text);
    }
}

/// Results do not matter, only that there are some.
fn read_as_everything(bytes: &[u8]) {
    for codec in codecs() {
        let _ = codec.decode::<Tree>(bytes);
        let _ = codec.decode::<Vec<String>>(bytes);
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let _ = json_rpc::decode_request(&bytes);
    let _ = json_rpc::decode_response(&bytes);
    let _ = proto_rpc::decode_request(&bytes);
    let _ = proto_rpc::decode_response(&bytes);
    let _ = bson_rpc::decode_request(&bytes);
    let _ = bson_rpc::decode_response(&bytes);
}

/// A body by itself, and in every envelope.
fn envelopes(body: &[u8]) -> Vec<Bytes> {
    let mut all = vec![Bytes::copy_from_slice(body)];
    for generation in GENERATIONS {
        all.push(json_rpc::encode_request(generation, "A.B", 1, body));
        all.push(proto_rpc::encode_request(generation, "A.B", 1, body));
        all.push(proto_rpc::encode_error(generation, "A.B", 1, "error"));
    }
    all.push(json_rpc::encode_reply(b"1", body));
    all.push(bson_rpc::encode_request("A.B", &bson_rpc::Seq::from(1), body));
    all.push(bson_rpc::encode_reply("A.B", &bson_rpc::Seq::from(1), body));
    all
}

/// Those that describe what they hold: the others cannot read a value of any kind.
fn codecs() -> Vec<Codec> {
    let names = ["application/json", "application/msgpack", "application/bson"];
    names.iter().filter_map(|name| Codec::named(name)).collect()
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = ("\\PC{0,12}", vec(any::<i64>(), 0..6)).prop_map(|(name, numbers)| Tree {
        name,
        numbers,
        children: Vec::new(),
        any: None,
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        ("\\PC{0,12}", vec(inner, 0..4)).prop_map(|(name, children)| Tree {
            any: Some(serde_json::Value::from(&*name)),
            name,
            numbers: Vec::new(),
            children,
        })
    })
}
