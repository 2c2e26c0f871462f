//! Calls that stay in a data centre, by the label that each node carries.
//!
//! `cargo run --example datacentre` prints who answers. The same for a whole program and without
//! code: `--selector label --selector-labels dc=eu-1,region=eu`.

use callboard::Filter;
use callboard::prelude::*;
use callboard::registry::MemoryRegistry;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Store.Where", reply = String)]
struct Where;

#[derive(Default)]
struct Store;

impl Actor for Store {
    type Context = Context<Self>;
}

impl Handler<Request<Where>> for Store {
    type Result = Reply<Where>;

    fn handle(&mut self, _: Request<Where>, ctx: &mut Context<Self>) -> Reply<Where> {
        Ok(ctx.system().node().metadata["dc"].clone())
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let registry = MemoryRegistry::new();
    let system = |name| ServiceSystem::new(name).registry(registry.clone());
    let store = |region, dc| {
        let store = system("store").metadata("region", region).metadata("dc", dc);
        store.handler(Store::default, |h| h.request::<Where>()).start()
    };
    let (near, far) = (store("eu", "eu-1").await?, store("us", "us-1").await?);
    let client = system("client").start().await?;
    let store = client.service("store");

    // Nowhere else: if nobody is there, the call fails.
    let only = |dc| Filter::label("dc", dc);
    println!("in us-1: {}", store.send(Where).filter(only("us-1")).await?);
    let error = store.send(Where).filter(only("asia-1")).await.expect_err("nobody is there");
    println!("in asia-1: {error}");

    // If possible in this data centre, else in this region, else anywhere.
    let near_first =
        || Filter::prefer([Filter::label("dc", "eu-1"), Filter::label("region", "eu")]);
    println!("near: {}", store.send(Where).filter(near_first()).await?);
    near.stop().await;
    println!("near, without eu-1: {}", store.send(Where).filter(near_first()).await?);

    client.stop().await;
    far.stop().await;
    Ok(())
}
