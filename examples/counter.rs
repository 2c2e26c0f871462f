//! A handler with state: one actor, so one count, whoever adds to it.
//!
//! `cargo run --example counter` prints `400 additions by 4 clients make 400`.

use callboard::prelude::*;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Counter.Add", reply = u64)]
struct Add {
    amount: u64,
}

#[derive(Default)]
struct Counter {
    total: u64,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Request<Add>> for Counter {
    type Result = Reply<Add>;

    fn handle(&mut self, request: Request<Add>, _: &mut Context<Self>) -> Reply<Add> {
        self.total += request.amount;
        Ok(self.total)
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let server = ServiceSystem::new("counter")
        .handler(Counter::default, |h| h.request::<Add>())
        .start()
        .await?;

    let clients = (0..4).map(|_| actix::spawn(add_many(100)));
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no client panics")?;
    }

    // The server itself may be a client too; its call needs no connection.
    let total = server.service("counter").send(Add { amount: 0 }).await?;
    println!("400 additions by 4 clients make {total}");
    server.stop().await;
    Ok(())
}

async fn add_many(count: u64) -> Result<(), callboard::Error> {
    let client = ServiceSystem::new("counter.client").start().await?;
    let counter = client.service("counter");
    for _ in 0..count {
        counter.send(Add { amount: 1 }).await?;
    }
    client.stop().await;
    Ok(())
}
