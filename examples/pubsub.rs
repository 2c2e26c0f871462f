//! Publish and subscribe: a producer, two consumers that share the work, and one that hears all.
//!
//! `cargo run --example pubsub` prints how many events each of them got.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::prelude::*;
use callboard::registry::MemoryRegistry;

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "user.created")]
struct UserCreated {
    name: String,
}

/// Counts what it hears.
#[derive(Clone, Default)]
struct Consumer(Arc<AtomicUsize>);

impl Actor for Consumer {
    type Context = Context<Self>;
}

impl Handler<Event<UserCreated>> for Consumer {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<UserCreated>, _: &mut Context<Self>) -> Self::Result {
        if event.name.is_empty() {
            return Err(Status::bad_request("consumer", "a user has a name"));
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[actix::main]
async fn main() -> Result<(), callboard::Error> {
    // All systems are in this process; between processes the default registry finds them.
    let registry = MemoryRegistry::new();
    let (log, mailer) = (Consumer::default(), Consumer::default());
    let (logs, mails) = (log.clone(), mailer.clone());
    let auditor = ServiceSystem::new("auditor")
        .registry(registry.clone())
        .handler(move || log.clone(), |h| h.event::<UserCreated>())
        .start()
        .await?;
    // Two nodes of one queue group: each event goes to one of them.
    let mut mailers = Vec::new();
    for _ in 0..2 {
        let mailer = mailer.clone();
        let system = ServiceSystem::new("mailer")
            .registry(registry.clone())
            .handler(move || mailer.clone(), |h| h.event::<UserCreated>().group("mailer"));
        mailers.push(system.start().await?);
    }

    let producer = ServiceSystem::new("producer").registry(registry).start().await?;
    let users = producer.topic::<UserCreated>();
    for name in ["John", "Jane", "Joan"] {
        let published = users.publish(&UserCreated { name: name.into() }).await?;
        println!("{name}: {} took it", published.acknowledged);
    }
    let published = users.publish(&UserCreated { name: String::new() }).await?;
    println!("nobody: {} failed", published.failed);
    let (logs, mails) = (logs.0.load(Ordering::Relaxed), mails.0.load(Ordering::Relaxed));
    println!("the auditor heard {logs}, the mailers {mails} together");

    for system in mailers.iter().chain([&producer, &auditor]) {
        system.stop().await;
    }
    Ok(())
}
