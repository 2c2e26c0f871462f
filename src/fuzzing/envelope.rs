//! The RPC envelopes: what is in them comes back, whatever stood around it.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::codec::{Generation, json_rpc as json, proto_rpc as proto};

const GENERATIONS: [Generation; 2] = [Generation::Early, Generation::Current];

/// JSON-RPC, requests and responses of both generations.
pub fn json_rpc(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(request) = json::decode_request(&bytes) {
        assert!(request.body.len() + request.id.len() <= bytes.len() + "null".len());
        assert!(is_json(&request.body) && is_json(&request.id));
        for generation in GENERATIONS {
            let written = json::encode_request(generation, &request.method, 7, &request.body);
            let again = json::decode_request(&written);
            let again = again.unwrap_or_else(|error| panic!("{error}: {written:?}"));
            assert_eq!(again.method, request.method);
            assert_eq!(again.id, if generation == Generation::Early { "7" } else { "\"7\"" });
            assert_same(&again.body, &request.body);
            answered(generation, &request.id, &request.body, &request.method);
        }
    }
    if let Ok(response) = json::decode_response(&bytes) {
        assert!(response.body.len() <= bytes.len());
        match response.error {
            Some(text) => {
                assert!(!text.is_empty() && response.body.is_empty());
                assert!(text.len() <= bytes.len() + "unspecified error".len());
                answered(Generation::Current, b"null", b"1", &text);
            }
            None => assert!(response.body.is_empty() || is_json(&response.body)),
        }
    }
}

/// Answers a request with its own message and with a text as the error.
fn answered(generation: Generation, id: &[u8], body: &[u8], text: &str) {
    let written = json::encode_reply(id, body);
    assert!(is_json(&written), "{written:?}");
    let reply = json::decode_response(&written);
    let reply = reply.unwrap_or_else(|error| panic!("{error}: {written:?}"));
    assert_eq!(reply.error, None);
    assert_same(&reply.body, body);
    let written = json::encode_error(generation, id, text);
    assert!(is_json(&written), "{written:?}");
    let error = json::decode_response(&written).map(|response| response.error);
    let expected = if text.is_empty() { "unspecified error" } else { text };
    assert_eq!(error, Ok(Some(expected.to_owned())), "{written:?}");
}

/// PROTO-RPC, requests and responses of both generations.
pub fn proto_rpc(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(request) = proto::decode_request(&bytes) {
        // What is not UTF-8 is replaced, by three bytes for each.
        assert!(request.method.len() <= 3 * bytes.len() && request.body.len() <= bytes.len());
        for generation in GENERATIONS {
            let (method, id) = (&request.method, request.id);
            let written = proto::encode_request(generation, method, id, &request.body);
            assert_eq!(proto::decode_request(&written).as_ref(), Ok(&request));
            let written = proto::encode_reply(generation, method, id, &request.body);
            let reply = proto::decode_response(&written);
            let reply = reply.unwrap_or_else(|error| panic!("{error}: {written:?}"));
            assert_eq!((reply.error, reply.body), (None, request.body.clone()));
        }
    }
    if let Ok(response) = proto::decode_response(&bytes) {
        assert!(response.body.len() <= bytes.len());
        let Some(text) = response.error else { return };
        assert!(!text.is_empty() && text.len() <= 3 * bytes.len() && response.body.is_empty());
        for generation in GENERATIONS {
            let written = proto::encode_error(generation, "A.B", 7, &text);
            let error = proto::decode_response(&written).map(|response| response.error);
            assert_eq!(error, Ok(Some(text.clone())));
        }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// Compares two pieces of JSON that may differ in how characters are escaped.
fn assert_same(one: &[u8], other: &[u8]) {
    assert!(is_json(one), "{one:?}");
    // None is read when it is too deep to be, which is for the codec to refuse.
    if let Ok(value) = serde_json::from_slice::<Value>(other) {
        assert_eq!(serde_json::from_slice::<Value>(one).ok(), Some(value));
    }
}
