//! A server, and a client for a second terminal that finds it by name.
//!
//! ```text
//! cargo run --example greeter
//! cargo run --example greeter -- client John
//! ```

use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = HelloReply, idempotent)]
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
        if request.name.is_empty() {
            return Err(Status::bad_request("greeter", "whom shall I greet?"));
        }
        Ok(HelloReply { greeting: format!("Hello {}", request.name) })
    }
}

fn main() -> Result<(), callboard::Error> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("client") {
        return actix::System::new().block_on(call(arguments.next().unwrap_or_default()));
    }
    // Reads the environment and flags (try `--help`), and drains on SIGTERM or Ctrl-C.
    ServiceSystem::new("greeter")
        .version("1.0.0")
        .metadata("type", "helloworld")
        .handler(Greeter::default, |h| h.request::<Hello>())
        .run()
}

async fn call(name: String) -> Result<(), callboard::Error> {
    let system = ServiceSystem::new("greeter.client").start().await?;
    let reply = system.service("greeter").send(Hello { name }).await;
    system.stop().await;
    println!("{}", reply?.greeting);
    Ok(())
}
