//! callboard's direct broker: each call is an event to one subscriber in the other process, and ends
//! with its acknowledgement.

use callboard::TopicRef;
use callboard::prelude::*;
use callboard_benches::echo::Echo;
use callboard_benches::worker::{Call, Caller, Sample, System, Unsupported};

use super::board;

/// Publish and subscribe.
pub(super) struct Events;

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
