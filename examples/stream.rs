//! Streams: one that only the server sends, and one on which both talk.
//!
//! `cargo run --example stream` prints `0 1 2 3 4` and `ping 1: pong 1` to `ping 3: pong 3`.

use callboard::prelude::*;

/// Asks for numbers.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.Count", item = (), reply = u64)]
struct Count {
    to: u64,
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Example.PingPong", item = Ping, reply = Pong)]
struct PingPong;

#[derive(Debug, Serialize, Deserialize)]
struct Ping(u64);

#[derive(Debug, Serialize, Deserialize)]
struct Pong(u64);

#[derive(Default)]
struct Example;

impl Actor for Example {
    type Context = Context<Self>;
}

impl Handler<Streaming<Count>> for Example {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Count>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for number in 0..stream.to {
                stream.send(number).await?; // waits while the client is slow
            }
            Ok(())
        })
    }
}

impl Handler<Streaming<PingPong>> for Example {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<PingPong>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(Ping(number)) = stream.recv().await? {
                stream.send(Pong(number)).await?;
            }
            Ok(())
        })
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let server = ServiceSystem::new("example")
        .handler(Example::default, |h| h.stream::<Count>().stream::<PingPong>())
        .start()
        .await?;
    let client = ServiceSystem::new("example.client").start().await?;
    let example = client.service("example");

    let mut numbers = example.stream(Count { to: 5 }).await?;
    let mut line = Vec::new();
    while let Some(number) = numbers.recv().await? {
        line.push(number.to_string());
    }
    println!("{}", line.join(" "));

    let mut talk = example.stream(PingPong).await?;
    for number in 1..=3 {
        talk.send(Ping(number)).await?;
        if let Some(Pong(answer)) = talk.recv().await? {
            println!("ping {number}: pong {answer}");
        }
    }
    talk.close().await; // no more pings; the handler ends, and so does the stream
    assert!(talk.recv().await?.is_none());

    client.stop().await;
    server.stop().await;
    Ok(())
}
