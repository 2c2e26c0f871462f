//! The whole of callboard in one process: a node is announced over multicast DNS on the loopback
//! interface, another one finds it by name and calls it over TCP.
//!
//! `cargo run --example hello` prints `Hello John`.

use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = HelloReply)]
struct Hello {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct HelloReply {
    greeting: String,
}

#[derive(Default)]
struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(HelloReply { greeting: format!("Hello {}", request.name) })
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let server = ServiceSystem::new("greeter")
        .handler(Greeter::default, |h| h.request::<Hello>())
        .start()
        .await?;

    // A system of its own, as in another process: all it knows is the service's name.
    let client = ServiceSystem::new("greeter.client").start().await?;
    let reply = client.service("greeter").send(Hello { name: "John".into() }).await?;
    println!("{}", reply.greeting);

    client.stop().await;
    server.stop().await;
    Ok(())
}
