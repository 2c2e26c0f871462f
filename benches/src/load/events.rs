//! callboard's direct broker: each call is an event to one subscriber in the other process, or to one
//! of a queue group's members there, and ends with its acknowledgement.

use callboard::TopicRef;
use callboard::prelude::*;
use callboard_benches::echo::Echo;
use callboard_benches::worker::{Call, Caller, Sample, System, Unsupported};

use super::board;

/// Publish and subscribe.
pub(super) struct Events;

/// The same with a queue group, of which each event goes to one node of several.
pub(super) struct Group;

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "echo")]
struct Said(Echo);

#[derive(Default)]
struct Listener;

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Event<Said>> for Listener {
    type Result = Result<(), Status>;

    fn handle(&mut self, event: Event<Said>, _: &mut Context<Self>) -> Self::Result {
        if event.0.text.is_empty() { Err(Status::bad_request("echo", "empty")) } else { Ok(()) }
    }
}

impl System for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn serve(&self) {
        board::serve(|system| system.handler(Listener::default, |h| h.event::<Said>()));
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        board::drive_from(call, "topic:echo", |system| Publishes(system.topic::<Said>()))
    }
}

impl System for Group {
    fn name(&self) -> &'static str {
        "events-group"
    }

    fn serve(&self) {
        board::serve_nodes(MEMBERS, |system| {
            system.handler(Listener::default, |h| h.event::<Said>().group("listeners"))
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        board::drive_from(call, "topic:echo@listeners", |system| Publishes(system.topic::<Said>()))
    }
}

/// Nodes of the group; in one process, so that the subscribers have a processor as one has.
const MEMBERS: usize = 3;

#[derive(Clone)]
struct Publishes(TopicRef<Said>);

impl Caller for Publishes {
    async fn call(&self, echo: Echo) -> Echo {
        let said = Said(echo);
        let published = self.0.publish(&said).await.expect("it can be published");
        assert!(published.acknowledged == 1 && published.is_complete(), "{published:?}");
        said.0
    }

    async fn tell(&self, _: Echo) -> bool {
        false
    }
}
