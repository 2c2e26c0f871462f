//! Middleware on both sides: the client signs its calls, the server checks and times them.
//!
//! `cargo run --example middleware` prints a greeting, then a refusal.

use std::time::Instant;

use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = String)]
struct Hello {
    name: String,
}

#[derive(Default)]
struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(format!("Hello {}", request.name))
    }
}

/// On the server: refuses calls without the right token.
struct RequireToken;

impl Middleware for RequireToken {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            if call.metadata.value("token") != Some("secret") {
                return Err(Status::unauthorized("greeter", "send a token").into());
            }
            next.run(call).await
        })
    }
}

/// On the server: says what was called and how it went.
struct Log;

impl Middleware for Log {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let (endpoint, begun) = (call.endpoint, Instant::now());
            let result = next.run(call).await;
            let verdict = if result.is_ok() { "ok" } else { "failed" };
            eprintln!("{endpoint} {verdict} after {:?}", begun.elapsed());
            result
        })
    }
}

/// On the client: adds the token.
struct Sign;

impl Middleware for Sign {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        call.metadata.insert("token", "secret");
        next.run(call)
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let server = ServiceSystem::new("greeter.guarded")
        .middleware(Log)
        .middleware(RequireToken)
        .handler(Greeter::default, |h| h.request::<Hello>())
        .start()
        .await?;

    let signing = ServiceSystem::new("client").client_middleware(Sign).start().await?;
    let hello = || Hello { name: "John".into() };
    println!("{}", signing.service("greeter.guarded").send(hello()).await?);

    let anonymous = ServiceSystem::new("client").start().await?;
    match anonymous.service("greeter.guarded").send(hello()).await {
        Ok(greeting) => println!("{greeting}"),
        Err(error) => println!("{error}"),
    }

    signing.stop().await;
    anonymous.stop().await;
    server.stop().await;
    Ok(())
}
