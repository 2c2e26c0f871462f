//! Events over TCP and within a process, from a user's side.

mod answers;
mod life;
mod queues;
mod reach;

use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard::{Published, ServiceSystem};

use crate::stage::{Diary, Gate, House, start};

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "user.created")]
struct UserCreated {
    name: String,
}

/// Waits at the gate before it is handled.
#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "slow")]
struct Slow(u32);

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Listener.Count", reply = usize)]
struct Count;

/// Notes what it hears.
struct Listener {
    name: &'static str,
    heard: usize,
    diary: Diary,
    gate: Gate,
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event<UserCreated>> for Listener {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<UserCreated>, _: &mut Context<Self>) -> Self::Result {
        self.heard += 1;
        let trace = event.metadata().value("trace").unwrap_or("none");
        self.diary.note(format!("{} {} {} {trace}", self.name, event.topic(), event.name));
        match event.name.as_str() {
            "fail" => Err(Status::bad_request("listener", "no such name")),
            "panic" => panic!("it was asked to"),
            _ => Ok(()),
        }
    }
}

impl Handler<Event<Slow>> for Listener {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, event: Event<Slow>, _: &mut Context<Self>) -> Self::Result {
        let (diary, gate) = (self.diary.clone(), self.gate.clone());
        let line = format!("{} {}", self.name, event.0);
        diary.note(format!("{line} begins"));
        Box::pin(async move {
            gate.pass().await;
            diary.note(line);
            Ok(())
        })
    }
}

impl Handler<Request<Count>> for Listener {
    type Result = Reply<Count>;

    fn handle(&mut self, _: Request<Count>, _: &mut Context<Self>) -> Reply<Count> {
        Ok(self.heard)
    }
}

fn john() -> UserCreated {
    named("John")
}

fn named(name: &str) -> UserCreated {
    UserCreated { name: name.to_owned() }
}

fn published(acknowledged: u32, failed: u32, refused: u32) -> Published {
    Published { acknowledged, failed, refused }
}

fn actor(house: &House, name: &'static str) -> impl Fn() -> Listener + Send + Sync + use<> {
    let (diary, gate) = (house.diary.clone(), house.gate.clone());
    move || Listener { name, heard: 0, diary: diary.clone(), gate: gate.clone() }
}

async fn listener(
    house: &House,
    name: &'static str,
    describe: impl FnOnce(HandlerBuilder<Listener>) -> HandlerBuilder<Listener>,
) -> ServiceSystem {
    start(house.system("listener").handler(actor(house, name), describe)).await
}
