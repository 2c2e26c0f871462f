//! What a node says to a body that it cannot take, in each codec, over the native wire; and that the
//! connection lives on.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard::actors::broker::{EventDesk, EventFrame};
use callboard::actors::message::{Body, Message, Outgoing, Refusal, RequestId, Route, RouteSlot};
use callboard::actors::transport::{Batch, Encoder, Hello, Socket, Transport};
use callboard::codec::Codec;
use callboard::prelude::*;
use callboard::transport::NativeTransport;
use callboard::{Metadata, Published, ServiceSystem};

use crate::stage::{House, LONG, start, stop, within};

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Shelf.Put", reply = Book)]
struct Put {
    book: Book,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Book {
    title: String,
    pages: u32,
    #[serde(default)]
    appendix: Option<Box<Book>>,
}

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "shelf.placed")]
struct Placed {
    book: Book,
}

struct Shelf;

impl Actor for Shelf {
    type Context = Context<Self>;
}

impl Handler<Request<Put>> for Shelf {
    type Result = Reply<Put>;

    fn handle(&mut self, request: Request<Put>, _: &mut Context<Self>) -> Reply<Put> {
        Ok(request.into_inner().book)
    }
}

impl Handler<Event<Placed>> for Shelf {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Placed>, _: &mut Context<Self>) -> Self::Result {
        if event.book == book() { Ok(()) } else { Err(Status::conflict("shelf", "not that one")) }
    }
}

async fn shelf() -> ServiceSystem {
    let house = House::default();
    let system = house.system("shelf");
    let system = system.handler(|| Shelf, |h| h.request::<Put>().event::<Placed>());
    start(system.configure(|config| config.max_frame = LARGEST)).await
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
    let codecs: Vec<_> = names.iter().filter_map(|name| Codec::named(name)).collect();
    assert!(codecs.len() >= 2);
    codecs
}

fn encoded(codec: Codec, value: &impl Serialize) -> Bytes {
    let mut buffer = BytesMut::new();
    codec.encode(value, &mut buffer).expect("it can be encoded");
    buffer.freeze()
}

fn book() -> Book {
    Book { title: "Momo".into(), pages: 269, appendix: None }
}

#[actix::test]
async fn what_is_in_order_is_answered_in_its_own_codec() {
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    for codec in codecs() {
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_content_type_that_nobody_knows_is_refused_and_the_connection_lives_on() {
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    for content_type in ["application/x-nothing", "", "json", "application/json; charset=latin1"] {
        let refused = wire.refused(content_type, b"{}").await;
        assert_eq!(refused, (415, Refusal::UnknownContentType), "{content_type}");
    }
    for codec in codecs() {
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_body_that_is_none_is_refused_and_the_connection_lives_on() {
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    for codec in codecs() {
        let good = encoded(codec, &Put { book: book() });
        for body in [&good[..good.len() - 1], b"", &[0xFF; 40], &[&good[..], b"1"].concat()] {
            let refused = wire.refused(codec.content_type(), body).await;
            assert_eq!(refused, (400, Refusal::Undecodable), "{codec}: {body:?}");
        }
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_body_of_another_shape_is_refused_and_the_connection_lives_on() {
    #[derive(Serialize)]
    struct Other {
        book: Vec<String>,
    }
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    for codec in codecs() {
        // To a codec without names: a text of 200 letters that are not there.
        let body = if codec.describes_itself() {
            encoded(codec, &Other { book: vec!["Momo".into()] })
        } else {
            Bytes::from_static(&[200, b'a', b'b'])
        };
        let refused = wire.refused(codec.content_type(), &body).await;
        assert_eq!(refused, (400, Refusal::Undecodable), "{codec}");
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_body_that_is_too_deep_is_refused_and_the_connection_lives_on() {
    let deep = |depth| {
        let nest = |inner, _| Book { appendix: Some(Box::new(inner)), ..book() };
        Put { book: (0..depth).fold(book(), nest) }
    };
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    for codec in codecs() {
        if !codec.describes_itself() {
            continue;
        }
        let refused = wire.refused(codec.content_type(), &encoded(codec, &deep(100))).await;
        assert_eq!(refused, (400, Refusal::Undecodable), "{codec}");
        let taken = wire.ask(codec.content_type(), encoded(codec, &deep(20))).await;
        assert!(matches!(taken, Message::Reply { .. }), "{codec}: {taken:?}");
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_reply_that_is_too_large_for_the_caller_is_a_status_and_the_connection_lives_on() {
    let system = shelf().await;
    let mut hello = Hello::new("", "client", 1);
    hello.max_frame = 512;
    let mut wire = Wire::greet(&system, hello).await;
    for codec in codecs() {
        let large = Put { book: Book { title: "x".repeat(600), ..book() } };
        let answer = wire.ask(codec.content_type(), encoded(codec, &large)).await;
        let Message::Status { status, refusal: None, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(status.code, 413, "{codec}: {status:?}");
        wire.answers(codec).await;
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_request_that_is_too_large_is_not_sent_and_the_connection_lives_on() {
    let house = House::default();
    let system = house.system("shelf").handler(|| Shelf, |h| h.request::<Put>());
    let server = start(system.configure(|config| config.max_frame = LARGEST)).await;
    let client = house.client().await;
    let shelf = client.service("shelf");
    for codec in codecs() {
        let large = Put { book: Book { title: "x".repeat(LARGEST), ..book() } };
        let error = within(LONG, shelf.send(large).codec(codec)).await.unwrap_err();
        assert!(matches!(error, callboard::CallError::TooLarge { .. }), "{codec}: {error:?}");
        let reply = within(LONG, shelf.send(Put { book: book() }).codec(codec)).await;
        assert_eq!(reply.unwrap(), book(), "{codec}");
    }
    assert_eq!(server.connections(), 1);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_compact_body_of_other_types_is_refused_by_its_fingerprint() {
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    let own = Put::schema().fingerprint().expect("it has one");
    for codec in codecs() {
        let body = encoded(codec, &Put { book: book() });
        let with = |schema: u64| format!("{}; schema={schema:016x}", codec.content_type());
        let same = wire.ask(&with(own), body.clone()).await;
        assert!(matches!(same, Message::Reply { .. }), "{codec}: {same:?}");
        if codec.describes_itself() {
            let other = wire.ask(&with(own + 1), body).await;
            assert!(matches!(other, Message::Reply { .. }), "{codec}: {other:?}");
        } else {
            assert_eq!(wire.refused(&with(own + 1), &body).await, (415, Refusal::OtherTypes));
        }
    }
    stop(&[&system]).await;
}

#[actix::test]
async fn a_compact_event_of_other_types_is_refused_by_its_fingerprint() {
    let system = shelf().await;
    let mut wire = Wire::connect(&system).await;
    wire.endpoint = EventDesk::ENDPOINT;
    let own = Placed::schema().fingerprint().expect("it has one");
    for codec in codecs() {
        let body = encoded(codec, &Placed { book: book() });
        let (mut framed, topic) = (BytesMut::new(), Placed::NAME);
        EventFrame { topic, group: None, body: &body }.encode(&mut framed).unwrap();
        let body = framed.freeze();
        let with = |schema: u64| format!("{}; schema={schema:016x}", codec.content_type());
        // Who does not say what types it has is believed.
        let mut fine = vec![codec.content_type().to_owned(), with(own)];
        if codec.describes_itself() {
            fine.push(with(own + 1));
        } else {
            assert_eq!(wire.refused(&with(own + 1), &body).await, (415, Refusal::OtherTypes));
        }
        for content_type in fine {
            let answer = wire.ask(&content_type, body.clone()).await;
            let Message::Reply { body, .. } = answer else { panic!("{content_type}: {answer:?}") };
            let counts = Published { acknowledged: 1, ..Published::default() };
            assert_eq!(Published::read(&body), Some(counts), "{content_type}");
        }
        let unknown = wire.refused("application/x-unknown", &body).await;
        assert_eq!(unknown, (415, Refusal::UnknownContentType));
    }
    stop(&[&system]).await;
}

/// A connection driven by hand.
struct Wire {
    socket: Box<dyn Socket>,
    encoder: Box<dyn Encoder>,
    /// What is asked.
    endpoint: &'static str,
    sent: u32,
}

impl Wire {
    async fn connect(system: &ServiceSystem) -> Self {
        Self::greet(system, Hello::new("", "client", 1)).await
    }

    async fn greet(system: &ServiceSystem, hello: Hello) -> Self {
        let transport = NativeTransport::default();
        let connecting = transport.connect(&system.node().address, Arc::new(hello));
        let mut socket = within(LONG, connecting).await.expect("it listens");
        Self { encoder: socket.encoder(), socket, endpoint: Put::NAME, sent: 0 }
    }

    async fn ask(&mut self, content_type: &str, body: Bytes) -> Message {
        let route = Route { endpoint: self.endpoint.into(), content_type: content_type.into() };
        self.sent += 1;
        let request = Outgoing::Request {
            id: RequestId(u64::from(self.sent)),
            one_way: false,
            stream: false,
            route: RouteSlot(self.sent),
            define: Some(&route),
            time_left: Some(Duration::from_secs(5)),
            metadata: &Metadata::new(),
            body: &body,
        };
        self.encoder.encode(request).expect("it is within limits");
        let mut batch = Batch { bytes: BytesMut::new(), messages: Vec::new() };
        self.encoder.take(&mut batch);
        while !batch.is_empty() {
            let write = poll_fn(|cx| self.socket.poll_write(cx, &mut batch));
            within(LONG, write).await.expect("it lives");
        }
        self.answer().await
    }

    async fn answer(&mut self) -> Message {
        loop {
            let mut messages = Vec::new();
            let read = poll_fn(|cx| self.socket.poll_read(cx, &mut messages));
            within(LONG, read).await.expect("it lives");
            let answer = messages.into_iter().find(|it| !matches!(it, Message::Ping { .. }));
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    /// Code and refusal of the answer.
    async fn refused(&mut self, content_type: &str, body: &[u8]) -> (u16, Refusal) {
        match self.ask(content_type, Bytes::copy_from_slice(body)).await {
            Message::Status { status, refusal: Some(refusal), .. } => (status.code, refusal),
            other => panic!("{content_type}: {other:?}"),
        }
    }

    /// Makes sure that a good request is answered.
    async fn answers(&mut self, codec: Codec) {
        let answer = self.ask(codec.content_type(), encoded(codec, &Put { book: book() })).await;
        let Message::Reply { body, .. } = answer else { panic!("{codec}: {answer:?}") };
        assert_eq!(codec.decode::<Book>(&body), Ok(book()));
    }
}

/// Bytes of a frame.
const LARGEST: usize = 64 * 1024;
