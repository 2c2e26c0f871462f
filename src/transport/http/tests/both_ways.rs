//! Whole requests are read without the HTTP library; nobody is to notice.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::transport::http::Serving;
use crate::transport::http::both_ways::compare;

/// Requests that are read without the HTTP library.
const ORDINARY: &[&str] = &[
    "POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"name\":\"John\"}",
    "POST /Greeter.Hello HTTP/1.1\r\nhost:x\r\nCONTENT-LENGTH: 002 \r\nConnection: Close\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\n\r\n",
    "POST /Greeter/Error HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n\"error\"",
    "POST /Greeter/Hello?a=b HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nX-B: \u{e4}\r\nX-C:\r\nTimeout: 5\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Type: nonsense\r\nContent-Length: 1\r\n\r\n1",
    "POST /Greeter/Hello HTTP/1.1\r\nAccept: text/html\r\nConnection: keep-alive\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /Greeter/Hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n\
     {\"method\":\"Greeter.Hello\",\"params\":[{\"a\":1}],\"id\":77}",
    "POST / HTTP/1.1\r\nContent-Type: application/json\r\nMicro-Endpoint: Greeter.Hello\r\n\
     Micro-Id: 7\r\nMicro-Service: greeter\r\nContent-Length: 2\r\n\r\n{}",
    "POST / HTTP/1.1\r\nContent-Type: text/xml\r\nMicro-Endpoint: Greeter.Hello\r\n\r\n",
    "POST /_sub?id=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "GET /_sub?id=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
];

/// Those that are left to it.
const UNUSUAL: &[&str] = &[
    "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT /Greeter/Hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST http://x/Greeter/Hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\n{}",
    "\r\nPOST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length:\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length : 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2\r\nX-A: 1\r\n 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2\r\nX-A: \0\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.1\r\ntRANSFER-eNCODING: Chunked\r\nContent-Length: 2\r\n\r\n\
     2\r\n{}\r\n0\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n{}",
    "POST /Greeter/Hello HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
    "POST /Greeter/Hello HTTP/1.1\r\nConnection: keep-alive, close\r\n\r\n",
    "POST  /Greeter/Hello HTTP/1.1\r\n\r\n",
    "POST /Greeter/Hello  HTTP/1.1\r\n\r\n",
    "POST /Greeter/\u{e4} HTTP/1.1\r\n\r\n",
    "NONSENSE\r\n\r\n",
];

#[test]
fn a_request_is_answered_the_same_both_ways() {
    for request in ORDINARY.iter().chain(UNUSUAL) {
        compare(&[request.as_bytes()]);
        // Something behind it, whether it belongs to it or not.
        compare(&[request.as_bytes(), ORDINARY[0].as_bytes()]);
        compare(&[&[request.as_bytes(), ORDINARY[0].as_bytes()].concat()]);
        compare(&[&[ORDINARY[0].as_bytes(), request.as_bytes()].concat()]);
        let (begin, rest) = request.as_bytes().split_at(request.len() / 2);
        compare(&[begin, rest]);
    }
    let many = "X-A: 1\r\n".repeat(40);
    let long = format!("X-A: {}\r\n", "x".repeat(7_000));
    let longer = format!("X-A: {}\r\n", "x".repeat(9_000));
    for headers in [&*many, &*long, &*longer] {
        let request = format!("POST /Greeter/Hello HTTP/1.1\r\n{headers}Host: x\r\n\r\n");
        compare(&[request.as_bytes(), ORDINARY[0].as_bytes()]);
    }
    for length in [1_000, 4_096, 8_192, 20_000, 32_768, 32_769, 70_000] {
        let head = format!("POST /Greeter/Hello HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        let body = vec![b'1'; length];
        compare(&[&[head.as_bytes(), &body].concat()]);
        compare(&[head.as_bytes(), &body]);
    }
}

#[tokio::test]
async fn ordinary_requests_are_read_without_the_library_and_others_with_it() {
    for (requests, expected) in [(ORDINARY, true), (UNUSUAL, false)] {
        for request in requests {
            let (mut client, accepted) = tokio::io::duplex(64 * 1024);
            let mut socket = HttpSocket::new(accepted, b"", 1024, Arc::default());
            client.write_all(request.as_bytes()).await.unwrap();
            let mut batch = Batch::default();
            let _ = poll_fn(|cx| {
                let mut messages = Vec::new();
                let _ = socket.poll_read(cx, &mut messages);
                let _ = socket.poll_read(cx, &mut messages);
                socket.poll_write(cx, &mut batch)
            })
            .await;
            let is_direct = matches!(socket.serving, Serving::Direct(_));
            assert_eq!(is_direct, expected, "{request}");
        }
    }
}

/// One byte, or a few, put into a request or instead of something in it.
fn change() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let special = select(SPECIAL).prop_map(|text| text.as_bytes().to_vec());
    let put = prop_oneof![vec(any::<u8>(), 0..3), special];
    (any::<Index>(), 0..4_usize, put)
}

/// What decides where a request ends, or comes close to it.
const SPECIAL: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    "+",
    "0",
    "1",
    "close",
    "Content-Length: 2\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "HTTP/1.0",
    "\r\n\r\n",
    "\r\n ",
    "\u{e4}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_changed_in_requests_both_ways_agree(
        requests in vec(select([ORDINARY, UNUSUAL].concat()), 1..4),
        changes in vec(change(), 0..4),
        cuts in vec(any::<Index>(), 0..3),
    ) {
        let mut bytes = requests.concat().into_bytes();
        for (at, removed, put) in changes {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + removed);
            bytes.splice(at..end, put);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        compare(&pieces);
    }
}
