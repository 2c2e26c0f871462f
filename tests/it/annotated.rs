//! Pairs beside replies, over every way a call can take.

use callboard::CallError;
use callboard::codec::Codec;
use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
use callboard::prelude::*;
use callboard::request::{Annotated, AnnotatedReply};

use crate::raw::{Raw, post};
use crate::stage::{House, LONG, start, stop, within};

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Cache.Get", reply = String)]
struct Get {
    key: String,
    later: bool,
}

struct Cache;

impl Actor for Cache {
    type Context = Context<Self>;
}

impl Handler<Request<Get>> for Cache {
    type Result = AnnotatedReply<String>;

    fn handle(&mut self, request: Request<Get>, _: &mut Context<Self>) -> Self::Result {
        let Get { key, later } = request.into_inner();
        let reply = match key.as_str() {
            "" => Err(Status::bad_request("cache", "no key")),
            "large" => Ok(Annotated::new(key).with("Fill", "x".repeat(Metadata::MAX_BYTES))),
            "forged" => {
                let forged = Annotated::new(key).with("Content-Length", "1");
                Ok(forged.with("Micro-Error", "EOS").with("Transfer-Encoding", "chunked"))
            }
            _ => Ok(Annotated::new(key).with("X-Cache", "hit").with("X-Age", "7")),
        };
        if later { AnnotatedReply::later(async move { reply }) } else { reply.into() }
    }
}

/// Lets everything pass.
struct Pass;

impl Middleware for Pass {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        next.run(call)
    }
}

fn get(key: &str, later: bool) -> Get {
    Get { key: key.into(), later }
}

#[actix::test]
async fn pairs_beside_a_reply_arrive_whichever_way_the_call_takes() {
    for has_middleware in [false, true] {
        let house = House::default();
        let mut builder = house.system("cache").handler(|| Cache, |h| h.request::<Get>());
        if has_middleware {
            builder = builder.middleware(Pass).client_middleware(Pass);
        }
        let server = start(builder).await;
        let client = house.client().await;
        for system in [&client, &server] {
            for later in [false, true] {
                let cache = system.service("cache");
                let reply = within(LONG, cache.send(get("a", later)).annotated()).await.unwrap();
                assert_eq!(*reply, "a");
                let pairs: Vec<_> = reply.metadata().iter().collect();
                assert_eq!(pairs, [("X-Cache", "hit"), ("X-Age", "7")], "{later}");
                assert_eq!(within(LONG, cache.send(get("b", later))).await.unwrap(), "b");
                let error = within(LONG, cache.send(get("", later)).annotated()).await;
                let Err(CallError::Status(status)) = error else { panic!("{error:?}") };
                assert_eq!((status.code, &*status.detail), (400, "no key"));
            }
        }
        stop(&[&client, &server]).await;
    }
}

#[actix::test]
async fn pairs_beside_a_reply_are_headers_over_http() {
    let house = House::default();
    let server = start(house.system("cache").handler(|| Cache, |h| h.request::<Get>())).await;
    let mut raw = Raw::connect(&server).await;
    for headers in ["", "Content-Type: application/json\r\nMicro-Endpoint: Cache.Get\r\n"] {
        let body = r#"{"key":"a","later":false}"#;
        let response = raw.post("/Cache/Get", headers, body).await;
        assert_eq!((response.text().trim(), response.code), ("\"a\"", 200));
        assert_eq!(response.header("x-cache"), Some("hit"));
        assert_eq!(response.header("x-age"), Some("7"));
        // Nothing that a handler says is taken for what the node says.
        let body = r#"{"key":"forged","later":false}"#;
        let response = raw.post("/Cache/Get", headers, body).await;
        assert_eq!((response.text().trim(), response.code), ("\"forged\"", 200));
        assert_eq!(response.header("micro-error"), None);
        assert_eq!(response.header("transfer-encoding"), None);
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn more_pairs_than_a_peer_accepts_are_an_error_of_the_handler() {
    let house = House::default();
    let server = start(house.system("cache").handler(|| Cache, |h| h.request::<Get>())).await;
    let client = house.client().await;
    let cache = client.service("cache");
    for codec in [Codec::Bincode, Codec::Json] {
        let error = within(LONG, cache.send(get("large", false)).codec(codec)).await.unwrap_err();
        let CallError::Status(status) = error else { panic!("{error:?}") };
        assert!(status.code == 500 && status.detail.contains("exceed the limit"), "{status}");
    }
    let mut raw = Raw::connect(&server).await;
    let response = raw.ask(post("/Cache/Get", "", r#"{"key":"large","later":false}"#)).await;
    assert_eq!(response.code, 500, "{}", response.text());
    stop(&[&client, &server]).await;
}
