//! A server with a handler, a stream, a conversation and a subscriber; `client` uses them from another
//! process.
//!
//! ```text
//! cargo run --example server
//! cargo run --example client
//! ```

use callboard::prelude::*;

#[path = "shared/messages.rs"]
mod messages;
use messages::{Call, Count, PingPong, Visited};

#[derive(Default)]
struct Example;

impl Actor for Example {
    type Context = Context<Self>;
}

impl Handler<Request<Call>> for Example {
    type Result = Reply<Call>;

    fn handle(&mut self, request: Request<Call>, ctx: &mut Context<Self>) -> Reply<Call> {
        Ok(format!("Hello {}, this is {}", request.name, ctx.system().name()))
    }
}

impl Handler<Streaming<Count>> for Example {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Count>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for number in 0..stream.to {
                stream.send(number).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Streaming<PingPong>> for Example {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<PingPong>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(stroke) = stream.recv().await? {
                stream.send(stroke).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Event<Visited>> for Example {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Visited>, _: &mut Context<Self>) -> Self::Result {
        println!("{} was here", event.name);
        Ok(())
    }
}

fn main() -> Result<(), callboard::Error> {
    ServiceSystem::new("example.server")
        .version("1.0.0")
        .handler(Example::default, |h| {
            let h = h.request::<Call>().stream::<Count>();
            h.stream::<PingPong>().metadata("players", "2").event::<Visited>()
        })
        .run()
}
