//! A service from a `.proto` file: messages, endpoints and the typed client are generated.
//!
//! `cargo run --package callboard-codegen-example` prints three greetings.

use callboard::codec::Codec;
use callboard::prelude::*;

/// What `build.rs` generated.
#[allow(unreachable_pub, clippy::all, clippy::pedantic)]
mod greeter {
    callboard::include_proto!("greeter");
}

use greeter::greeter_service::{self, GreeterClient, Hello, Many};
use greeter::{HelloReply, HelloRequest};

#[derive(Default)]
struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(HelloReply { greeting: format!("Hello {}", request.name) }.into())
    }
}

impl Handler<Streaming<Many>> for Greeter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Many>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            for greeting in [format!("Good morning {}", stream.name), "Good night".into()] {
                stream.send(HelloReply { greeting }.into()).await?;
            }
            Ok(())
        })
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let server = ServiceSystem::new("greeter.generated");
    // An actor that does not handle every method is an error of the compiler.
    let server = server.handler(Greeter::default, greeter_service::endpoints).start().await?;
    let system = ServiceSystem::new("greeter.client").start().await?;

    let client = GreeterClient::new(&system, "greeter.generated");
    let john = || HelloRequest { name: "John".into() };
    println!("{}", client.hello(john()).codec(Codec::Protobuf).await?.greeting);
    let mut greetings = client.many(john()).await?;
    while let Some(reply) = greetings.recv().await? {
        println!("{}", reply.greeting);
    }

    system.stop().await;
    server.stop().await;
    Ok(())
}
