//! A way of choosing nodes that is not built in: the cheapest that is well.
//!
//! `cargo run --example selector` prints who answers while nodes leave.

use std::sync::Arc;

use callboard::Strategy;
use callboard::actors::selector::{CustomStrategy, Eligible, Rng};
use callboard::prelude::*;
use callboard::registry::MemoryRegistry;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Shop.Price", reply = String)]
struct Price;

#[derive(Default)]
struct Shop;

impl Actor for Shop {
    type Context = Context<Self>;
}

impl Handler<Request<Price>> for Shop {
    type Result = Reply<Price>;

    fn handle(&mut self, _: Request<Price>, ctx: &mut Context<Self>) -> Reply<Price> {
        Ok(ctx.system().node().metadata["price"].clone())
    }
}

/// Chooses by the label `price`.
#[derive(Debug)]
struct Cheapest;

impl CustomStrategy for Cheapest {
    fn name(&self) -> &'static str {
        "cheapest"
    }

    fn choose(&self, nodes: &Eligible<'_>, _: Option<&str>, _: &mut dyn Rng) -> Option<usize> {
        let price = |index: &usize| nodes.node(*index)?.label("price")?.parse::<u32>().ok();
        (0..nodes.len()).filter(|index| nodes.is_eligible(*index)).min_by_key(price)
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let registry = MemoryRegistry::new();
    let system = |name| ServiceSystem::new(name).registry(registry.clone());
    let shop = |price| {
        let shop = system("shop").metadata("price", price);
        shop.handler(Shop::default, |h| h.request::<Price>()).start()
    };
    let shops = [shop("7").await?, shop("5").await?, shop("9").await?];
    let client = system("customer").strategy(Strategy::Custom(Arc::new(Cheapest))).start().await?;

    for leaving in [1, 0, 2] {
        println!("paid {}", client.service("shop").send(Price).await?);
        shops[leaving].stop().await;
    }
    client.stop().await;
    Ok(())
}
