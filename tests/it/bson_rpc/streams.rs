//! Streams in BSON-RPC, through the HTTP door: each item is two documents, as a request and an answer
//! are.

use callboard::CallError;
use callboard::codec::bson::BSON;
use callboard::stream::StreamCall;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Number {
    value: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Square {
    text: String,
}

/// Counts down from where it begins, then squares what it hears.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Teller.Square", item = Number, reply = Square)]
struct Squares {
    begin: i64,
}

/// Sends so many numbers, and hears nothing.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Teller.Count", item = (), reply = Number)]
struct Count {
    to: i64,
}

struct Teller;

impl Actor for Teller {
    type Context = Context<Self>;
}

impl Handler<Streaming<Squares>> for Teller {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Squares>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for value in (1..=stream.begin).rev() {
                stream.send(Square { text: format!("countdown {value}") }).await?;
            }
            while let Some(Number { value }) = stream.recv().await? {
                if value < 0 {
                    return Err(Status::conflict("teller", "below zero"));
                }
                stream.send(Square { text: (value * value).to_string() }).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Streaming<Count>> for Teller {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Count>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for value in 1..=stream.to {
                stream.send(Number { value }).await?;
            }
            Ok(())
        })
    }
}

const SCHEMES: [&str; 2] = ["mucp", "mucp-2016"];

async fn tellers() -> (ServiceSystem, ServiceSystem) {
    let house = House::default();
    let server = house.system("teller");
    let server = server.handler(|| Teller, |h| h.stream::<Squares>().stream::<Count>());
    (start(server).await, house.client().await)
}

async fn squares(
    client: &ServiceSystem,
    server: &ServiceSystem,
    (scheme, begin): (&str, i64),
) -> StreamCall<Squares> {
    let address = format!("{scheme}:{}/teller", server.node().address);
    let stream = client.service("teller").stream(Squares { begin });
    within(LONG, stream.codec(BSON).node(address)).await.expect("it is taken")
}

fn text(text: &str) -> Square {
    Square { text: text.to_owned() }
}

#[actix::test]
async fn items_go_both_ways_in_order_and_the_end_is_told() {
    let (server, client) = tellers().await;
    for scheme in SCHEMES {
        let mut stream = squares(&client, &server, (scheme, 2)).await;
        within(LONG, async {
            for expected in ["countdown 2", "countdown 1"] {
                assert_eq!(stream.recv().await.unwrap(), Some(text(expected)), "{scheme}");
            }
            for value in 0..50 {
                stream.send(Number { value }).await.unwrap();
            }
            for value in 0..50_i64 {
                let square = text(&(value * value).to_string());
                assert_eq!(stream.recv().await.unwrap(), Some(square), "{scheme}");
            }
            stream.close().await;
            assert_eq!(stream.recv().await.unwrap(), None, "{scheme}");
        })
        .await;
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_handler_that_only_speaks_is_heard_to_its_end() {
    let (server, client) = tellers().await;
    for scheme in SCHEMES {
        let address = format!("{scheme}:{}/teller", server.node().address);
        let stream = client.service("teller").stream(Count { to: 100 });
        let mut stream = within(LONG, stream.codec(BSON).node(address)).await.unwrap();
        within(LONG, async {
            for value in 1..=100 {
                assert_eq!(stream.recv().await.unwrap(), Some(Number { value }), "{scheme}");
            }
            assert_eq!(stream.recv().await.unwrap(), None, "{scheme}");
        })
        .await;
    }
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_handler_that_fails_ends_the_stream_with_its_status() {
    let (server, client) = tellers().await;
    for scheme in SCHEMES {
        let mut stream = squares(&client, &server, (scheme, 0)).await;
        within(LONG, async {
            stream.send(Number { value: 3 }).await.unwrap();
            assert_eq!(stream.recv().await.unwrap(), Some(text("9")), "{scheme}");
            stream.send(Number { value: -1 }).await.unwrap();
            match stream.recv().await {
                Err(CallError::Status(status)) => {
                    assert_eq!((status.code, &*status.detail), (409, "below zero"), "{scheme}");
                }
                other => panic!("{scheme}: {other:?}"),
            }
        })
        .await;
    }
    stop(&[&client, &server]).await;
}
