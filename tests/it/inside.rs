//! The system as its own actors find it, and what they pass on to others.

use std::time::Duration;

use callboard::prelude::*;
use callboard::{SystemBuilder, actors};

use crate::stage::{Diary, House, LONG, Panic, Show, Shown, start, stop, within};

#[actix::test]
async fn a_handler_calls_others_through_its_context() {
    let house = House::default();
    let stage = start(house.stage("one")).await;
    let relay = start(relay(&house)).await;
    let client = house.client().await;
    let relay_ref = client.service("relay");
    let ask = |forwards| {
        let call = relay_ref.send(Relay { forwards }).timeout(LONG);
        call.metadata("tenant", "7").metadata("hop", "1").metadata("traceparent", "00-1-1-00")
    };
    let shown = within(LONG, ask(false)).await.unwrap();
    assert_eq!(shown.peer, "relay", "the call is the relay's own");
    assert_eq!((shown.value("tenant"), shown.value("hop")), (None, Some("2")));
    assert_eq!(shown.value("traceparent"), Some("00-1-1-00"));
    let shown = within(LONG, ask(true)).await.unwrap();
    assert_eq!((shown.value("tenant"), shown.value("hop")), (Some("7"), Some("2")));
    assert!(shown.time_left.is_some_and(|left| left <= LONG), "the caller's deadline is earlier");
    stop(&[&client, &relay, &stage]).await;
}

#[actix::test]
async fn each_actor_finds_its_own_system_from_its_start_on() {
    let house = House::default();
    let stage = start(house.stage("one")).await;
    let other = start(house.system("other").handler(curious(&house), |h| h.request::<Panic>()));
    let own = start(house.system("own").handler(curious(&house), |h| h.request::<Panic>())).await;
    let other = other.await;
    for name in ["other", "own"] {
        house.diary.has(&format!("{name} is answered by one")).await;
    }
    // The one that takes over after a panic finds it too.
    assert!(within(LONG, own.service("own").send(Panic)).await.is_err());
    let started = || house.diary.count("own starts");
    crate::stage::eventually(async || started() == 2).await;
    assert_eq!(house.diary.count("other starts"), 1);
    stop(&[&own, &other, &stage]).await;
}

#[actix::test]
async fn an_actor_that_belongs_to_no_handler_has_the_system_it_was_provided_with() {
    let house = House::default();
    let system = house.client().await;
    let child = actors::supervisor::Child::new("curious", curious(&house));
    let supervisor = system.supervisor();
    within(LONG, supervisor.start_child(child.provide(system.clone()))).await.unwrap();
    house.diary.has("client starts").await;
    let child = actors::supervisor::Child::new("lost", curious(&house));
    within(LONG, supervisor.start_child(child)).await.unwrap();
    house.diary.has("nobody starts").await;
    stop(&[&system]).await;
}

#[actix::test]
async fn a_system_that_an_actor_stops_while_it_starts_does_not_start() {
    let house = House::default();
    let diary = house.diary.clone();
    let builder = house
        .system("short")
        .handler(move || Stopper(diary.clone()), |h| h.request::<Panic>())
        .handler(house.actor("one"), |h| h.request::<Show>());
    let error = within(LONG, builder.start()).await.unwrap_err();
    house.diary.has("it has ended").await;
    assert_eq!(house.registry.registrations(), house.registry.deregistrations(), "{error}");
}

// ===== Who asks =====

/// Asks the stage what it is shown.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Relay.Relay", reply = Shown)]
struct Relay {
    forwards: bool,
}

struct Relayer;

impl Actor for Relayer {
    type Context = Context<Self>;
}

impl Handler<Request<Relay>> for Relayer {
    type Result = ResponseFuture<Reply<Relay>>;

    fn handle(&mut self, request: Request<Relay>, ctx: &mut Context<Self>) -> Self::Result {
        let call = ctx.service("stage").send(Show).timeout(LONG * 10).metadata("hop", "2");
        let call = if request.forwards { call.forwarding(&request) } else { call.within(&request) };
        Box::pin(async move { Ok(call.await?) })
    }
}

fn relay(house: &House) -> SystemBuilder {
    house.system("relay").handler(|| Relayer, |h| h.request::<Relay>())
}

/// Notes whose it is, and calls the stage, when it starts.
struct Curious(Diary);

fn curious(house: &House) -> impl Fn() -> Curious + Send + Sync + 'static + use<> {
    let diary = house.diary.clone();
    move || Curious(diary.clone())
}

impl Actor for Curious {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(system) = ctx.try_system() else { return self.0.note("nobody starts") };
        self.0.note(format!("{} starts", system.name()));
        let (diary, stage) = (self.0.clone(), system.service("stage"));
        let call = async move {
            if let Ok(who) = stage.send(crate::stage::Who).await {
                diary.note(format!("{} is answered by {who}", system.name()));
            }
        };
        ctx.spawn(call.into_actor(self));
    }
}

impl Handler<Request<Panic>> for Curious {
    type Result = Reply<Panic>;

    fn handle(&mut self, _: Request<Panic>, _: &mut Context<Self>) -> Reply<Panic> {
        panic!("as it was asked to");
    }
}

/// Stops its system at once, and notes when that has ended.
struct Stopper(Diary);

impl Actor for Stopper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (diary, system) = (self.0.clone(), ctx.system());
        actix::spawn(async move {
            within(Duration::from_secs(10), system.stop()).await;
            diary.note("it has ended");
        });
    }
}

impl Handler<Request<Panic>> for Stopper {
    type Result = Reply<Panic>;

    fn handle(&mut self, _: Request<Panic>, _: &mut Context<Self>) -> Reply<Panic> {
        Ok(())
    }
}
