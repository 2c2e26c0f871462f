//! The HTTP door of a real node: whatever is sent, each whole request is answered, nothing hangs,
//! and the node serves the next one. Nobody notices which of its two readers has read a request.

use serde_json::Value;

use super::http::{Answer, Asked, answers, asked, names_stream};
use super::stage::{Hello, Silence, Stage};
use crate::codec::Codec;
use crate::transport::http::both_ways;

thread_local! {
    static STAGE: Stage = Stage::new();
}

/// Bytes on a connection to the port of a node; those that begin as the native wire does too.
pub fn door(bytes: &[u8]) {
    both_ways::compare(&[bytes]);
    STAGE.with(|stage| {
        let silence = if names_stream(bytes) { Silence::MayLast } else { Silence::Ends };
        let heard = stage.say(bytes, silence);
        check(bytes, &heard.bytes, heard.at_once);
        let heard = stage.say(ORDINARY, Silence::Ends);
        let [Answer { code: 200, body, .. }] = &answers(&heard.bytes, &[false])[..] else {
            panic!("the node does not serve: {}", String::from_utf8_lossy(&heard.bytes));
        };
        assert_eq!(&body[..], br#"{"greeting":"Hello John"}"#);
    });
}

/// Compares what was answered with what was asked, as far as it was asked plainly.
fn check(bytes: &[u8], heard: &[u8], at_once: usize) {
    let asked = asked(bytes);
    let is_head: Vec<_> = asked.requests.iter().map(|request| request.is_head).collect();
    if !asked.is_all && !heard.starts_with(b"HTTP/1.1 ") {
        // Perhaps not HTTP at all.
        assert!(asked.requests.is_empty(), "not answered: {:?}", asked.requests);
        return;
    }
    let all = answers(&heard[..at_once], &is_head);
    for (index, request) in asked.requests.iter().enumerate() {
        let Some(answer) = all.get(index) else {
            let is_closed = index > 0 && all.get(index - 1).is_some_and(|it| it.closes);
            assert!(is_closed, "request {index} is not answered: {request:?}");
            break;
        };
        compare(request, answer);
    }
    assert!(!asked.is_all || all.len() <= asked.requests.len(), "more answers than requests");
}

fn compare(request: &Asked, answer: &Answer) {
    assert!((200..600).contains(&answer.code), "{answer:?}");
    let Some(body) = &request.greeting else { return };
    // `curl -X POST` sends nothing at all.
    let body = if body.is_empty() { b"{}" } else { &body[..] };
    match Codec::Json.decode::<Hello>(body) {
        Ok(hello) => {
            let expected = serde_json::to_value(hello.greeting()).ok();
            assert_eq!((answer.code, json(answer)), (200, expected), "{request:?}");
        }
        Err(error) => {
            assert_eq!(answer.code, 400, "{error}: {answer:?}");
            let status = json(answer).unwrap_or_default();
            assert_eq!(status["code"], 400, "{answer:?}");
        }
    }
}

fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}

const ORDINARY: &[u8] =
    b"POST /Greeter/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\nConnection: close\r\n\r\n\
      {\"name\":\"John\"}";
