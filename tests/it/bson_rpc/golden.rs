//! What BSON-RPC looks like, byte for byte.
//!
//! There are no recordings of the plugin. So the bytes here were written by hand from the grammar of
//! <https://bsonspec.org> and from the header of the plugin, `{ServiceMethod, Seq, Error}`; none of
//! them comes from an encoder.
//!
//! ```text
//! document  total (i32), elements, 00
//! text      02, name, 00, bytes with the 00 at the end (i32), text, 00
//! i64       12, name, 00, value (i64)
//! ```
//!
//! Numbers are little-endian. The names and values of these documents are of these lengths:
//! `ServiceMethod` 13, `Greeter.Hello` 13, `Seq` 3, `Error` 5, `Name` 4, `John` 4, `Age` 3,
//! `Greeting` 8, `Hello John (42)` 15.

use callboard::codec::bson::BSON;

use super::*;

/// 4 + (1 + 14 + 4 + 14) + (1 + 4 + 8) + 1 = 51.
const EARLY_REQUEST: &[u8] = b"\x33\x00\x00\x00\
    \x02ServiceMethod\x00\x0e\x00\x00\x00Greeter.Hello\x00\
    \x12Seq\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00";

/// 4 + 33 + (1 + 4 + 4 + 2) + 1 = 49.
const CURRENT_REQUEST: &[u8] = b"\x31\x00\x00\x00\
    \x02ServiceMethod\x00\x0e\x00\x00\x00Greeter.Hello\x00\
    \x02Seq\x00\x02\x00\x00\x000\x00\
    \x00";

/// 4 + 33 + 13 + (1 + 6 + 4 + 1) + 1 = 63.
const EARLY_REPLY: &[u8] = b"\x3f\x00\x00\x00\
    \x02ServiceMethod\x00\x0e\x00\x00\x00Greeter.Hello\x00\
    \x12Seq\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x02Error\x00\x01\x00\x00\x00\x00\
    \x00";

/// 4 + 33 + 11 + 12 + 1 = 61.
const CURRENT_REPLY: &[u8] = b"\x3d\x00\x00\x00\
    \x02ServiceMethod\x00\x0e\x00\x00\x00Greeter.Hello\x00\
    \x02Seq\x00\x02\x00\x00\x000\x00\
    \x02Error\x00\x01\x00\x00\x00\x00\
    \x00";

/// 4 + (1 + 5 + 4 + 5) + (1 + 4 + 8) + 1 = 33.
const HELLO: &[u8] = b"\x21\x00\x00\x00\
    \x02Name\x00\x05\x00\x00\x00John\x00\
    \x12Age\x00\x2a\x00\x00\x00\x00\x00\x00\x00\
    \x00";

/// 4 + (1 + 9 + 4 + 16) + 1 = 35.
const GREETING: &[u8] = b"\x23\x00\x00\x00\
    \x02Greeting\x00\x10\x00\x00\x00Hello John (42)\x00\
    \x00";

#[actix::test]
async fn a_request_is_answered_with_these_bytes() {
    let server = greeter().await;
    let mut raw = within(LONG, Raw::connect(&server)).await;
    let generations = [(true, EARLY_REQUEST, EARLY_REPLY), (false, CURRENT_REQUEST, CURRENT_REPLY)];
    for (is_early, asked, answered) in generations {
        let body = [asked, HELLO].concat();
        let response = raw.ask(request("application/bson", is_early, &body)).await;
        assert_eq!(response.code, 200, "{}", response.head);
        assert_eq!(response.body, [answered, GREETING].concat(), "early: {is_early}");
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_is_made_with_these_bytes_and_understands_these() {
    let generations =
        [("mucp-2016", EARLY_REQUEST, EARLY_REPLY), ("mucp", CURRENT_REQUEST, CURRENT_REPLY)];
    for (scheme, asked, answered) in generations {
        let body = [answered, GREETING].concat();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/bson\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let peer = Peer::answering(vec![[head.as_bytes(), &body].concat()]).await;
        let client = House::default().client().await;
        let greeter = client.service("greeter");
        let call = greeter.send(HelloRequest { name: "John".into(), age: 42 });
        let call = call.codec(BSON).node(peer.address(scheme, "greeter"));
        assert_eq!(within(LONG, call).await.unwrap().greeting, "Hello John (42)", "{scheme}");
        assert_eq!(peer.received(0).await.body, [asked, HELLO].concat(), "{scheme}");
        stop(&[&client]).await;
    }
}

#[test]
fn values_of_every_kind_are_these_bytes() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kinds {
        yes: bool,
        small: i32,
        real: f64,
        nothing: Option<u8>,
        list: Vec<String>,
        inner: Inner,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        a: i32,
    }

    let kinds = Kinds {
        yes: true,
        small: -2,
        real: 1.5,
        nothing: None,
        list: vec!["x".into(), String::new()],
        inner: Inner { a: 1 },
    };
    // A list is a document whose names are its places: 4 + (1 + 2 + 4 + 2) + (1 + 2 + 4 + 1) + 1 = 22.
    // All: 4 + (1 + 4 + 1) + (1 + 6 + 4) + (1 + 5 + 8) + (1 + 8) + (1 + 5 + 22) + (1 + 6 + 12) + 1 = 92.
    let expected: &[u8] = b"\x5c\x00\x00\x00\
        \x08yes\x00\x01\
        \x10small\x00\xfe\xff\xff\xff\
        \x01real\x00\x00\x00\x00\x00\x00\x00\xf8\x3f\
        \x0anothing\x00\
        \x04list\x00\x16\x00\x00\x00\x020\x00\x02\x00\x00\x00x\x00\x021\x00\x01\x00\x00\x00\x00\x00\
        \x03inner\x00\x0c\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x00\
        \x00";
    let mut written = bytes::BytesMut::new();
    BSON.encode(&kinds, &mut written).unwrap();
    assert_eq!(&written[..], expected);
    assert_eq!(BSON.decode::<Kinds>(expected).unwrap(), kinds);
}
