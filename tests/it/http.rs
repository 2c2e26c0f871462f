//! The HTTP door, as people and programs use it.

use callboard::{CallError, Status};

use crate::raw::{Raw, post};
use crate::stage::{Echo, House, LONG, call, start, stop, within};

#[actix::test]
async fn a_call_is_a_post_to_the_endpoints_path() {
    let (house, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    for path in ["/Stage/Echo", "/Stage.Echo"] {
        let response = raw.post(path, "", "\"John\"").await;
        assert_eq!((response.code, &*response.text()), (200, "\"John\""), "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
    assert_eq!(house.diary.count("echo John"), 2);
    stop(&[&server]).await;
}

#[actix::test]
async fn curls_content_type_and_charsets_are_understood() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    for content_type in [
        "application/x-www-form-urlencoded",
        "Application/JSON; Charset=\"UTF-8\"",
        "application/json",
    ] {
        let header = format!("Content-Type: {content_type}\r\n");
        let response = raw.post("/Stage/Echo", &header, "\"a\"").await;
        assert_eq!(response.code, 200, "{content_type}: {}", response.text());
    }
    for (content_type, code) in
        [("application/json; charset=latin1", 415), ("nonsense", 415), ("text/xml", 415)]
    {
        let header = format!("Content-Type: {content_type}\r\n");
        let response = raw.post("/Stage/Echo", &header, "\"a\"").await;
        assert_eq!((response.code, status(&response.text()).code), (code, code), "{content_type}");
    }
    // The connection lives on.
    assert_eq!(raw.post("/Stage/Echo", "", "\"a\"").await.code, 200);
    stop(&[&server]).await;
}

#[actix::test]
async fn what_goes_wrong_has_its_own_code_and_the_connection_lives_on() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    for (path, headers, body, code) in [
        ("/Stage/Fail", "", "null", 409),
        ("/Stage/Panic", "", "null", 500),
        ("/Stage/Nope", "", "null", 404),
        ("/nothing", "", "null", 404),
        ("/Stage/Echo", "", "{\"not\":\"a string\"}", 400),
        ("/Stage/Echo", "", "\"unfinished", 400),
        ("/Stage/Echo", "Accept: text/html\r\n", "\"a\"", 406),
        ("/Stage/Echo", "Accept: text/html, */*;q=0.1\r\n", "\"a\"", 200),
    ] {
        let response = raw.post(path, headers, body).await;
        assert_eq!(response.code, code, "{path} {body}: {}", response.text());
        if code != 200 {
            let status = status(&response.text());
            assert_eq!(status.code, code);
            assert!(!status.detail.is_empty() && !status.status.is_empty());
        }
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let response = raw.post("/Stage/Echo", "", &deep).await;
    assert!(response.code == 400 && response.text().contains("deeper"), "{}", response.text());
    stop(&[&server]).await;
}

#[actix::test]
async fn what_does_not_exist_is_answered_with_what_does() {
    let house = House::default();
    let builder = house.system("stage").handler(house.actor("one"), |h| h.request::<Echo>());
    let server = start(
        builder.handler(house.actor("two"), |h| h.request::<crate::stage::Hold>().internal()),
    );
    let server = server.await;
    let mut raw = Raw::connect(&server).await;
    for path in ["/Stage/Nope", "/nothing"] {
        let status = status(&raw.post(path, "", "null").await.text());
        assert_eq!(status.code, 404, "{path}");
        assert!(status.detail.ends_with(": there are Stage.Echo"), "{path}: {status}");
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn other_methods_are_told_what_to_do() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    let response = raw.ask("GET /Stage/Echo HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((response.code, response.header("allow")), (405, Some("POST")));
    let response = raw.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(response.code, 404);
    let response = raw.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((response.code, &*response.text()), (200, "ok\n"));
    let response = raw.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(response.code, 200);
    stop(&[&server]).await;
}

#[actix::test]
async fn metadata_and_time_travel_in_headers() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    let headers = "x-trace-id: 7\r\nTimeout: 3000000000\r\n";
    let response = raw.post("/Stage/Show", headers, "null").await;
    let shown: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let pairs = shown["metadata"].as_array().unwrap();
    assert!(pairs.contains(&serde_json::json!(["X-Trace-Id", "7"])), "{shown}");
    for other in ["Timeout", "Content-Length", "Host"] {
        assert!(!shown["metadata"].to_string().contains(other), "{shown}");
    }
    let seconds = shown["time_left"]["secs"].as_u64().unwrap();
    assert!((1..=3).contains(&seconds), "{shown}");
    stop(&[&server]).await;
}

#[actix::test]
async fn requests_may_be_chunked_pipelined_split_and_of_http_1_0() {
    let (house, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    let chunked = "POST /Stage/Echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\n\"ch\r\n5\r\nunks\"\r\n0\r\n\r\n";
    assert_eq!(raw.ask(chunked).await.text(), "\"chunks\"");
    let both = [post("/Stage/Echo", "", "\"1\""), post("/Stage/Echo", "", "\"2\"")].concat();
    assert_eq!(raw.ask(both).await.text(), "\"1\"");
    assert_eq!(raw.receive().await.unwrap().text(), "\"2\"");
    let request = post("/Stage/Echo", "", "\"late\"");
    let (head, rest) = request.split_at(30);
    raw.send(head).await;
    assert_eq!(Raw::connect(&server).await.post("/Stage/Echo", "", "\"other\"").await.code, 200);
    assert_eq!(raw.ask(rest).await.text(), "\"late\"");
    let old = "POST /Stage/Echo HTTP/1.0\r\nContent-Length: 5\r\n\r\n\"old\"";
    assert_eq!(raw.ask(old).await.text(), "\"old\"");
    assert!(raw.receive().await.is_none(), "HTTP/1.0 keeps no connection unasked");
    assert_eq!(house.diary.count("echo late"), 1);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(
        "POST /Stage/Echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(raw.receive().await.unwrap().code, 100);
    assert_eq!(raw.ask("\"a\"").await.text(), "\"a\"");
    // One whose body nobody wants is not asked for it.
    raw.send(
        "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(raw.receive().await.unwrap().code, 404);
    stop(&[&server]).await;
}

#[actix::test]
async fn what_exceeds_a_limit_is_refused() {
    let house = House::default();
    let server = start(house.stage("one").configure(|config| config.max_frame = 64 * 1024));
    let server = server.await;
    let mut raw = Raw::connect(&server).await;
    let large = format!("\"{}\"", "x".repeat(65 * 1024));
    let response = raw.post("/Stage/Echo", "", &large).await;
    assert_eq!(response.code, 413, "{}", response.text());
    assert!(raw.receive().await.is_none(), "what is left of the body is not waited for");
    let mut raw = Raw::connect(&server).await;
    let many: Vec<_> = (0..70).map(|number| format!("x-{number}: 1\r\n")).collect();
    assert_eq!(raw.post("/Stage/Echo", &many.concat(), "\"a\"").await.code, 431);
    let mut raw = Raw::connect(&server).await;
    let long = format!("x-long: {}\r\n", "x".repeat(40 * 1024));
    raw.send(post("/Stage/Echo", &long, "\"a\"")).await;
    let code = raw.receive().await.map(|response| response.code);
    assert!(matches!(code, None | Some(431)), "{code:?}");
    assert!(house.diary.lines() == ["one starts"], "{:?}", house.diary.lines());
    stop(&[&server]).await;
}

#[actix::test]
async fn the_size_of_a_head_is_an_option() {
    let house = House::default();
    let builder = house.stage("one").http(|http| {
        http.head_bytes = 8 * 1024;
        http.headers = 5;
    });
    let server = start(builder).await;
    // Two of them are the request's own.
    for (headers, length, code) in [(3, 1, 200), (4, 1, 431), (3, 4_000, 431)] {
        let headers = format!("x-a: {}\r\n", "x".repeat(length)).repeat(headers);
        let mut raw = Raw::connect(&server).await;
        let response = raw.post("/Stage/Echo", &headers, "\"a\"").await;
        assert_eq!(response.code, code, "{length} bytes, {}", headers.lines().count());
        if code == 431 {
            assert!(raw.receive().await.is_none(), "the connection is closed");
        }
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn by_default_a_request_has_at_most_a_hundred_headers() {
    let (_, server) = stage().await;
    // The same one again and again, which as metadata is one.
    for (headers, code) in [(98, 200), (99, 431)] {
        let mut raw = Raw::connect(&server).await;
        let response = raw.post("/Stage/Echo", &"x-a: 1\r\n".repeat(headers), "\"a\"").await;
        assert_eq!(response.code, code, "{headers}");
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn limits_that_let_nothing_through_end_the_start() {
    let house = House::default();
    let refused = house.stage("one").http(|http| http.headers = 0).start().await;
    let Err(error) = refused else { panic!("it has started") };
    let text = std::iter::successors(Some(&error as &dyn std::error::Error), |it| it.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    assert!(text.contains("headers is zero"), "{text}");
}

#[actix::test]
async fn an_overloaded_handler_says_when_to_come_again() {
    let house = House::default();
    let builder = house.system("stage");
    let server = start(builder.handler(house.actor("one"), |h| {
        h.request::<crate::stage::Hold>().concurrency(1).queue(1)
    }));
    let server = server.await;
    let mut held = Vec::new();
    for name in ["\"a\"", "\"b\""] {
        let mut raw = Raw::connect(&server).await;
        raw.send(post("/Stage/Hold", "", name)).await;
        held.push(raw);
        if held.len() == 1 {
            house.diary.has("a starts").await;
        }
    }
    // The second waits in the queue, which is full then; nothing tells when it has got there.
    let refused = async {
        loop {
            let mut raw = Raw::connect(&server).await;
            raw.send(post("/Stage/Hold", "Timeout: 50000000\r\n", "\"c\"")).await;
            let response = raw.receive().await.expect("it is answered");
            if response.code == 429 {
                return response;
            }
        }
    };
    let response = within(LONG, refused).await;
    assert_eq!(response.header("retry-after"), Some("1"));
    house.gate.open(100);
    for raw in &mut held {
        assert_eq!(raw.receive().await.unwrap().code, 200);
    }
    stop(&[&server]).await;
}

#[actix::test]
async fn a_request_is_answered_whatever_follows_it() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    // In one piece, so that what is no request is there before the answer is.
    raw.send(post("/Stage/Echo", "", "\"John\"") + "this is not HTTP\r\n\r\n").await;
    let response = raw.receive().await.expect("it is answered");
    assert_eq!((response.code, &*response.text()), (200, "\"John\""));
    let response = raw.receive().await.expect("it is refused");
    assert_eq!(response.code, 400);
    assert_eq!(raw.receive().await, None);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_refused_body_is_read_or_the_connection_is_said_to_end() {
    let (_, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    // More than arrives in one piece.
    let refused = post("/nothing", "", &"x".repeat(60_000));
    assert_eq!(raw.ask(refused + &post("/Stage/Echo", "", "\"next\"")).await.code, 404);
    assert_eq!(raw.receive().await.expect("the connection lives on").text(), "\"next\"");
    let head = "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    let response = raw.ask(head).await;
    assert_eq!((response.code, response.header("connection")), (404, Some("close")));
    assert_eq!(raw.receive().await, None);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_client_that_leaves_cancels_its_request() {
    let (house, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(post("/Stage/Hold", "", "\"held\"")).await;
    house.diary.has("held starts").await;
    drop(raw);
    house.diary.has("held is dropped").await;
    stop(&[&server]).await;
}

#[actix::test]
async fn a_request_ends_with_its_time() {
    let (house, server) = stage().await;
    let mut raw = Raw::connect(&server).await;
    let response = raw.post("/Stage/Hold", "Timeout: 100000000\r\n", "\"held\"").await;
    assert_eq!((response.code, status(&response.text()).code), (504, 408));
    house.diary.has("held is dropped").await;
    assert_eq!(raw.post("/Stage/Echo", "", "\"a\"").await.code, 200);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_node_that_drains_finishes_what_it_took_and_says_that_it_is_not_ready() {
    let house = House::default();
    let server = start(house.stage("one").configure(|config| config.settle_time = LONG / 4)).await;
    let (mut busy, mut idle) = (Raw::connect(&server).await, Raw::connect(&server).await);
    assert_eq!(idle.post("/Stage/Echo", "", "\"a\"").await.code, 200);
    let mut probe = Raw::connect(&server).await;
    busy.send(post("/Stage/Hold", "", "\"held\"")).await;
    house.diary.has("held starts").await;
    let stopping = actix_rt::spawn({
        let server = server.clone();
        async move { server.stop().await }
    });
    assert!(idle.receive().await.is_none(), "an idle connection is closed");
    let response = probe.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((response.code, &*response.text()), (503, "draining\n"));
    house.gate.open(1);
    let response = busy.receive().await.unwrap();
    assert_eq!((response.code, response.header("connection")), (200, Some("close")));
    server.hurry();
    within(LONG, stopping).await.unwrap();
}

#[actix::test]
async fn both_protocols_share_the_port() {
    let (house, server) = stage().await;
    let client = house.client().await;
    let native = call(client.service("stage").send(Echo("native".into())));
    let response = Raw::connect(&server).await.post("/Stage/Echo", "", "\"http\"").await;
    assert_eq!(response.text(), "\"http\"");
    assert_eq!(within(LONG, native).await.unwrap().unwrap(), "native");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn what_is_neither_protocol_is_closed() {
    let (_, server) = stage().await;
    for bytes in
        ["\u{1}\u{2}\u{3}\u{4}", "nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GETGETGET\r\n\r\n"]
    {
        let mut raw = Raw::connect(&server).await;
        raw.send(bytes).await;
        let code = raw.receive().await.map(|response| response.code);
        assert!(matches!(code, None | Some(400)), "{bytes:?}: {code:?}");
    }
    assert_eq!(Raw::connect(&server).await.post("/Stage/Echo", "", "\"a\"").await.code, 200);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_client_may_choose_the_codec_of_a_call() {
    let (house, server) = stage().await;
    let client = house.client().await;
    let service = client.service("stage");
    for codec in [callboard::codec::Codec::Json, callboard::codec::Codec::Bincode] {
        let reply = service.send(Echo("a".into())).codec(codec).await;
        assert_eq!(reply.unwrap(), "a", "{codec}");
    }
    let refused = service.send(Echo("a".into())).codec(callboard::codec::Codec::Protobuf).await;
    assert!(matches!(refused, Err(CallError::Codec { .. })), "{refused:?}");
    stop(&[&client, &server]).await;
}

async fn stage() -> (House, callboard::ServiceSystem) {
    let house = House::default();
    let server = start(house.stage("one")).await;
    (house, server)
}

fn status(text: &str) -> Status {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
