//! The user's own steps in a system's life.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard::SystemBuilder;
use callboard::prelude::*;
use callboard::registry::Registry;

use crate::stage::{Diary, Gate, House, LONG, start, stop, within};

#[actix::test]
async fn hooks_run_in_order_around_the_life_of_a_node() {
    let house = House::default();
    let server = start(with_all_hooks(house.stage("one"), &house)).await;
    assert_eq!(
        house.diary.lines(),
        [
            "one starts",
            "before_start 1: announced false",
            "before_start 2: announced false",
            "after_start 1: announced true",
            "after_start 2: announced true",
        ]
    );
    stop(&[&server]).await;
    assert_eq!(
        house.diary.lines()[5..],
        [
            "before_stop 1: announced true",
            "before_stop 2: announced true",
            "after_stop 1: announced false",
            "after_stop 2: announced false",
        ]
    );
    stop(&[&server]).await;
    assert_eq!(house.diary.lines().len(), 9, "no hook runs twice");
}

#[actix::test]
async fn a_client_has_hooks_too() {
    let house = House::default();
    let client = start(with_all_hooks(house.system("client"), &house)).await;
    stop(&[&client]).await;
    let hooks = ["before_start", "after_start", "before_stop", "after_stop"];
    let lines =
        hooks.iter().flat_map(|hook| [1, 2].map(|n| format!("{hook} {n}: announced false")));
    assert_eq!(house.diary.lines(), lines.collect::<Vec<_>>());
}

#[actix::test]
async fn a_hook_that_fails_before_the_start_ends_it_with_nothing_announced() {
    let house = House::default();
    let builder = house.stage("one").before_start(|| async { Err("no database at 10.0.0.1") });
    let error = within(LONG, builder.start()).await.unwrap_err();
    assert_eq!(error.report(), "the hook before_start failed: no database at 10.0.0.1");
    assert_eq!(house.registry.registrations(), 0);
}

#[actix::test]
async fn a_hook_that_fails_after_the_start_takes_the_registration_back() {
    let house = House::default();
    let builder = house.stage("one").after_start(|| async { Err("no cache") });
    let error = within(LONG, builder.start()).await.unwrap_err();
    assert_eq!(error.report(), "the hook after_start failed: no cache");
    assert!(house.registry.list().await.unwrap().is_empty());
}

/// Nothing is to be heard of a node before its hook is done, also where an actor of its own
/// subscribes another one meanwhile.
#[actix::test]
async fn a_node_is_not_announced_before_its_hook_is_done_whoever_subscribes() {
    let house = House::default();
    let (tried, has_tried) = tokio::sync::oneshot::channel();
    let tried = Arc::new(Mutex::new(Some(tried)));
    let (registry, own) = (house.registry.clone(), Arc::clone(&tried));
    let builder = house
        .system("stage")
        .handler(move || Eager(Arc::clone(&own)), |h| h.request::<Knock>())
        .before_start(move || async move {
            let outcome = has_tried.await.map_err(|_| "nobody subscribed")?;
            assert!(outcome.is_err(), "it could not be reached");
            let announced = registry.list().await.map_err(|_| "the registry fails")?;
            if announced.is_empty() { Ok(()) } else { Err("it is announced") }
        });
    let server = start(builder).await;
    within(LONG, server.service("stage").send(Knock)).await.unwrap();
    stop(&[&server]).await;
}

type Outcome = Result<(), callboard::Error>;

/// Subscribes another actor as soon as it is there, and tells what came of it.
struct Eager(Arc<Mutex<Option<tokio::sync::oneshot::Sender<Outcome>>>>);

impl Actor for Eager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (system, tried) = (ctx.system(), Arc::clone(&self.0));
        actix::spawn(async move {
            let outcome = system.subscribe(|| Hearer, |h| h.event::<Rung>()).await.map(drop);
            if let Some(tried) = tried.lock().expect("nobody panicked").take() {
                tried.send(outcome).expect("the hook waits");
            }
        });
    }
}

impl Handler<Request<Knock>> for Eager {
    type Result = Reply<Knock>;

    fn handle(&mut self, _: Request<Knock>, _: &mut Context<Self>) -> Reply<Knock> {
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Knock", reply = ())]
struct Knock;

#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "stage.rung")]
struct Rung;

struct Hearer;

impl Actor for Hearer {
    type Context = Context<Self>;
}

impl Handler<Event<Rung>> for Hearer {
    type Result = Result<(), Status>;

    fn handle(&mut self, _: Event<Rung>, _: &mut Context<Self>) -> Self::Result {
        Ok(())
    }
}

#[actix::test]
async fn a_hook_that_panics_ends_the_start_like_one_that_fails() {
    let house = House::default();
    let builder = house.stage("one").before_start(|| async {
        tokio::task::yield_now().await;
        assert!(std::env::args().count() == 0, "that was all");
        Ok::<_, String>(())
    });
    let error = within(LONG, builder.start()).await.unwrap_err();
    assert_eq!(error.report(), "the hook before_start failed: it panicked");
}

#[actix::test]
async fn a_hook_that_never_ends_does_not_hold_the_start_up_for_ever() {
    let house = House::default();
    for hook in ["before_start", "after_start"] {
        let builder = house
            .stage("one")
            .configure(|config| config.start_timeout = Duration::from_millis(200));
        let never = || std::future::pending::<Result<(), String>>();
        let builder = match hook {
            "before_start" => builder.before_start(never),
            _ => builder.after_start(never),
        };
        let error = within(LONG, builder.start()).await.unwrap_err();
        assert_eq!(
            error.report(),
            format!("not started within 200ms: the hook {hook} took too long")
        );
        assert!(house.registry.list().await.unwrap().is_empty());
    }
}

#[actix::test]
async fn hooks_that_fail_at_the_end_do_not_hold_up_the_others() {
    let house = House::default();
    let diary = house.diary.clone();
    let builder = house
        .stage("one")
        .before_stop(|| async { Err("fails") })
        .before_stop(note(&diary, "before_stop"))
        .after_stop(|| async { Err("fails") })
        .after_stop(note(&diary, "after_stop"));
    let server = start(builder).await;
    assert!(within(LONG, server.stop()).await.is_normal());
    assert_eq!(diary.lines(), ["one starts", "before_stop", "after_stop"]);
    assert!(house.registry.list().await.unwrap().is_empty());
}

#[actix::test]
async fn a_node_that_is_told_to_hurry_ends_at_once() {
    let house = House::default();
    let gate = Gate::default();
    let builder = house.stage("one").before_stop(move || async move {
        gate.pass().await;
        Ok::<_, String>(())
    });
    let server = start(builder).await;
    let stopping = tokio::spawn({
        let server = server.clone();
        async move { server.stop().await }
    });
    tokio::task::yield_now().await;
    server.hurry();
    assert!(within(Duration::from_secs(5), stopping).await.unwrap().is_normal());
    assert!(house.registry.list().await.unwrap().is_empty(), "it is not announced any more");
}

fn note(
    diary: &Diary,
    line: &'static str,
) -> impl FnOnce() -> std::future::Ready<Result<(), String>> + Send + 'static + use<> {
    let diary = diary.clone();
    move || {
        diary.note(line);
        std::future::ready(Ok(()))
    }
}

/// Two hooks of each kind, which note whether anything is announced when they run.
fn with_all_hooks(mut builder: SystemBuilder, house: &House) -> SystemBuilder {
    for number in [1, 2] {
        let hook = |name: &'static str| {
            let (diary, registry) = (house.diary.clone(), house.registry.clone());
            move || async move {
                let announced =
                    !registry.list().await.map_err(|error| error.to_string())?.is_empty();
                diary.note(format!("{name} {number}: announced {announced}"));
                Ok::<_, String>(())
            }
        };
        builder = builder.before_start(hook("before_start")).after_start(hook("after_start"));
        builder = builder.before_stop(hook("before_stop")).after_stop(hook("after_stop"));
    }
    builder
}
