//! A client: a call, a stream, a conversation and an event for `server`, which it finds by name.

use std::time::Duration;

use callboard::prelude::*;

#[path = "shared/messages.rs"]
mod messages;
use messages::{Call, Count, PingPong, Visited};

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    let system = ServiceSystem::new("example.client").start().await?;
    let example = system.service("example.server");

    let call = example.send(Call { name: "John".into() });
    println!("{}", call.timeout(Duration::from_secs(5)).metadata("user", "john").await?);

    let mut numbers = example.stream(Count { to: 5 }).await?;
    while let Some(number) = numbers.recv().await? {
        println!("stream: {number}");
    }

    let mut talk = example.stream(PingPong).await?;
    for stroke in 1..=3 {
        talk.send(stroke).await?;
        println!("ping {stroke}, pong {:?}", talk.recv().await?);
    }
    talk.close().await;

    let published = system.publish(&Visited { name: "John".into() }).await?;
    println!("published: {} heard it", published.acknowledged);

    system.stop().await;
    Ok(())
}
