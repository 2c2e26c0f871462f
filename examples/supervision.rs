//! An actor that panics at every third message and keeps serving.
//!
//! Its supervisor puts a fresh actor behind the same address; only the message that made it panic
//! fails. `cargo run --example supervision` prints what became of nine messages.

use std::time::Duration;

use actix::prelude::*;
use callboard::Context;
use callboard::actors::contain::quiet_contained_panics;
use callboard::actors::supervisor::{Child, Intensity, Supervisor};

#[derive(Default)]
struct Moody {
    handled: u32,
}

impl Actor for Moody {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Work(u32);

impl Handler<Work> for Moody {
    type Result = u32;

    fn handle(&mut self, Work(number): Work, _: &mut Context<Self>) -> u32 {
        assert!(number % 3 != 0, "every third message is too much");
        self.handled += 1;
        self.handled
    }
}

#[actix::main]
async fn main() {
    // The supervisor reports panics; the default hook would print a trace for each.
    quiet_contained_panics();
    let mut builder =
        Supervisor::builder("example").intensity(Intensity::new(10, Duration::from_secs(1)));
    let moody = builder.child(Child::new("moody", Moody::default));
    let supervisor = builder.start();

    for number in 1..=9 {
        match moody.send(Work(number)).await {
            Ok(handled) => println!("message {number}: number {handled} of this incarnation"),
            Err(_) => println!("message {number}: the actor panicked and is restarted"),
        }
    }
    let panics = supervisor.children().await[0].vitals.panics;
    println!("panics: {panics}");
    supervisor.stop().await;
}
