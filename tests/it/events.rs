//! Events over TCP and within a process, from a user's side.

use std::sync::Arc;

use callboard::actors::broker::MemoryBroker;
use callboard::codec::Codec;
use callboard::handler::{HandlerBuilder, Overflow};
use callboard::middleware::{CallInfo, Middleware, Next, Outcome, Side};
use callboard::prelude::*;
use callboard::registry::StaticRegistry;
use callboard::{BrokerError, Published, ServiceSystem};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use crate::runtimes::block_on;
use crate::stage::{Diary, Gate, House, LONG, eventually, start, stop, within};

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

async fn listener(
    house: &House,
    name: &'static str,
    describe: impl FnOnce(HandlerBuilder<Listener>) -> HandlerBuilder<Listener>,
) -> ServiceSystem {
    let (diary, gate) = (house.diary.clone(), house.gate.clone());
    let actor = move || Listener { name, heard: 0, diary: diary.clone(), gate: gate.clone() };
    start(house.system("listener").handler(actor, describe)).await
}

#[actix::test]
async fn every_subscriber_and_one_of_each_group_gets_an_event() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let two = listener(&house, "two", |h| h.event::<UserCreated>()).await;
    let group = |h: HandlerBuilder<Listener>| h.event::<UserCreated>().group("mailer");
    let three = listener(&house, "three", group).await;
    let four = listener(&house, "four", group).await;
    let client = house.client().await;
    let event = john();
    let told = within(LONG, client.publish(&event).metadata("trace", "7")).await.unwrap();
    assert_eq!(told, published(3, 0, 0));
    for name in ["one", "two"] {
        assert_eq!(house.diary.count(&format!("{name} user.created John 7")), 1);
    }
    let of_group = |name| house.diary.count(&format!("{name} user.created John 7"));
    assert_eq!(of_group("three") + of_group("four"), 1);
    // From a node that subscribes itself.
    let told = within(LONG, one.publish(&john())).await.unwrap();
    assert_eq!(told, published(3, 0, 0));
    stop(&[&client, &one, &two, &three, &four]).await;
}

#[actix::test]
async fn an_actor_answers_requests_and_hears_events_with_one_state() {
    let house = House::default();
    let both =
        |h: HandlerBuilder<Listener>| h.event::<UserCreated>().concurrency(1).request::<Count>();
    let one = listener(&house, "one", both).await;
    let client = house.client().await;
    let users = client.topic::<UserCreated>();
    for _ in 0..3 {
        within(LONG, users.publish(&john())).await.unwrap();
    }
    assert_eq!(within(LONG, client.service("listener").send(Count)).await.unwrap(), 3);
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn an_error_and_a_panic_are_counted_and_harm_nobody() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let two = listener(&house, "two", |h| h.event::<UserCreated>().event::<Slow>()).await;
    let client = house.client().await;
    for name in ["fail", "panic"] {
        assert_eq!(within(LONG, client.publish(&named(name))).await.unwrap(), published(0, 2, 0));
    }
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(2, 0, 0));
    stop(&[&client, &one, &two]).await;
}

#[actix::test]
async fn what_a_panic_interrupts_is_not_lost_for_the_events_behind_it() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    let names: Vec<_> = (0..300)
        .map(|number| if number % 10 == 0 { named("panic") } else { named(&number.to_string()) })
        .collect();
    let told = join_all(names.iter().map(|event| client.publish(event).into_future())).await;
    let (mut fine, mut failed) = (0, 0);
    for each in told {
        let each = each.unwrap();
        fine += each.acknowledged;
        failed += each.failed;
        assert_eq!(each.refused, 0);
    }
    assert_eq!((fine, failed), (270, 30));
    assert_eq!(house.diary.lines().len(), 300, "each was heard once");
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn every_codec_carries_events() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    // Features add to them.
    let others = ["application/msgpack", "application/bson", "application/x-postcard"];
    let others = others.iter().filter_map(|name| Codec::named(name));
    let codecs: Vec<_> = [Codec::Bincode, Codec::Json].into_iter().chain(others).collect();
    for codec in codecs.iter().copied() {
        let told = within(LONG, client.publish(&john()).codec(codec)).await.unwrap();
        assert_eq!(told, published(1, 0, 0), "{codec}");
    }
    let event = john();
    let unknown = client.publish(&event).codec(Codec::Protobuf);
    let error = within(LONG, unknown).await.unwrap_err();
    assert!(matches!(error, BrokerError::Invalid { .. }), "{error}");
    assert_eq!(house.diary.count("one user.created John none"), codecs.len());
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn an_event_of_another_shape_fails_and_harms_nobody() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let client = house.client().await;
    let event = Slow(1);
    let wrong = client.publish(&event).topic("user.created").codec(Codec::Json);
    assert_eq!(within(LONG, wrong).await.unwrap(), published(0, 1, 0));
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn a_topic_may_be_another_than_that_of_the_type() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>().topic("admin.created")).await;
    let client = house.client().await;
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), Published::default());
    let event = john();
    let told = within(LONG, client.publish(&event).topic("admin.created")).await.unwrap();
    assert_eq!(told, published(1, 0, 0));
    house.diary.has("one admin.created John none").await;
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn a_full_queue_refuses_and_tells_the_publisher() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<Slow>().concurrency(1).queue(2)).await;
    let client = house.client().await;
    let first = {
        let client = client.clone();
        tokio::spawn(async move { client.publish(&Slow(0)).await })
    };
    house.diary.has("one 0 begins").await;
    let events: Vec<_> = (1..=5).map(Slow).collect();
    let mut told: FuturesUnordered<_> =
        events.iter().map(|event| client.publish(event).into_future()).collect();
    // Two wait, and there is no room for the others.
    for _ in 0..3 {
        let refused = within(LONG, told.next()).await.unwrap().unwrap();
        assert_eq!(refused, published(0, 0, 1));
    }
    house.gate.open(3);
    while let Some(each) = within(LONG, told.next()).await {
        assert_eq!(each.unwrap(), published(1, 0, 0));
    }
    assert_eq!(within(LONG, first).await.unwrap().unwrap(), published(1, 0, 0));
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn a_full_queue_may_refuse_what_has_waited_longest() {
    let house = House::default();
    let describe = |h: HandlerBuilder<Listener>| {
        h.event::<Slow>().concurrency(1).queue(2).overflow(Overflow::RefuseOldest)
    };
    let one = listener(&house, "one", describe).await;
    // From within the process, so that they come in this order.
    let mut waiting = Vec::new();
    for number in 0..6 {
        let event = Slow(number);
        let publishing = one.publish(&event).into_future();
        waiting.push(tokio::spawn(publishing));
        if number == 0 {
            house.diary.has("one 0 begins").await;
        }
    }
    let mut told = Vec::new();
    // Three are displaced while the gate is closed.
    for each in waiting.drain(1..4) {
        told.push(within(LONG, each).await.unwrap().unwrap());
    }
    assert_eq!(told, [published(0, 0, 1); 3]);
    house.gate.open(100);
    for each in waiting {
        assert_eq!(within(LONG, each).await.unwrap().unwrap(), published(1, 0, 0));
    }
    let lines = house.diary.lines();
    let ends: Vec<_> = lines.iter().filter(|line| !line.ends_with("begins")).collect();
    assert_eq!(ends, ["one 0", "one 4", "one 5"]);
    stop(&[&one]).await;
}

#[actix::test]
async fn a_member_that_leaves_in_order_costs_a_group_nothing() {
    let house = House::default();
    let group = |h: HandlerBuilder<Listener>| h.event::<UserCreated>().group("mailer");
    let one = listener(&house, "one", group).await;
    let two = listener(&house, "two", group).await;
    let client = house.client().await;
    let users = client.topic::<UserCreated>();
    let publishing = tokio::spawn(async move {
        let mut sum = 0;
        for number in 0..2000 {
            let told = users.publish(&named(&number.to_string())).await.unwrap();
            assert_eq!(told, published(1, 0, 0), "event {number}");
            sum += told.acknowledged;
        }
        sum
    });
    eventually(async || house.diary.lines().len() > 200).await;
    stop(&[&one]).await;
    assert_eq!(within(LONG, publishing).await.unwrap(), 2000);
    let lines = house.diary.lines();
    assert_eq!(lines.len(), 2000, "each was heard once");
    assert!(lines.iter().any(|line| line.starts_with("one")), "both took part");
    stop(&[&client, &two]).await;
}

struct Trace(Diary);

impl Middleware for Trace {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            if call.side == Side::Client {
                call.metadata.insert("trace", "from middleware");
            }
            if call.metadata.value("stop").is_some() {
                return Err(Status::forbidden("trace", "stopped").into());
            }
            let line = format!("{:?} {} {}", call.side, call.service, call.endpoint);
            let result = next.run(call).await;
            self.0.note(format!("{line}: {}", result.is_ok()));
            result
        })
    }
}

#[actix::test]
async fn middleware_wraps_publishing_and_handling() {
    let house = House::default();
    let trace = Trace(house.diary.clone());
    let one = listener(&house, "one", |h| h.event::<UserCreated>().middleware(trace)).await;
    let client = house.system("client").client_middleware(Trace(house.diary.clone()));
    let client = start(client).await;
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    assert_eq!(within(LONG, client.publish(&named("fail"))).await.unwrap(), published(0, 1, 0));
    let event = john();
    let stopped = within(LONG, client.publish(&event).metadata("stop", "1")).await;
    assert!(matches!(stopped, Err(BrokerError::Call(_))), "{stopped:?}");
    let at = |side, fine| format!("{side} topic:user.created user.created: {fine}");
    assert_eq!(
        house.diary.lines(),
        [
            "one user.created John from middleware".to_owned(),
            at("Server", true),
            at("Client", true),
            "one user.created fail from middleware".to_owned(),
            at("Server", false),
            at("Client", true),
        ]
    );
    stop(&[&client, &one]).await;
}

#[actix::test]
async fn systems_may_share_a_broker_of_their_process() {
    let house = House::default();
    let broker = MemoryBroker::new();
    let (diary, gate) = (house.diary.clone(), house.gate.clone());
    let actor =
        move || Listener { name: "one", heard: 0, diary: diary.clone(), gate: gate.clone() };
    let one = house.system("listener").broker(broker.clone());
    let one = start(one.handler(actor, |h| h.event::<UserCreated>())).await;
    let client = start(house.system("client").broker(broker)).await;
    assert_eq!(client.broker().name(), "memory");
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    stop(&[&one]).await;
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), Published::default());
    stop(&[&client]).await;
}

#[test]
fn events_are_published_from_threads_without_any_runtime() {
    let runner = std::thread::spawn(|| {
        let house = House::default();
        let system = actix_rt::System::new();
        let (one, client) = system.block_on(async {
            (listener(&house, "one", |h| h.event::<UserCreated>()).await, house.client().await)
        });
        let handle = client.clone();
        let thread = std::thread::spawn(move || block_on(async { handle.publish(&john()).await }));
        let told = system.block_on(async {
            eventually(async || thread.is_finished()).await;
            stop(&[&client, &one]).await;
            thread.join().unwrap()
        });
        assert_eq!(told.unwrap(), published(1, 0, 0));
    });
    runner.join().unwrap();
}

#[actix::test]
async fn a_written_list_names_subscribers_and_groups() {
    let house = House::default();
    let one = listener(&house, "one", |h| h.event::<UserCreated>()).await;
    let two = listener(&house, "two", |h| h.event::<UserCreated>().group("mailer")).await;
    let (all, group) = (&one.node().address, &two.node().address);
    let list = format!("topic:user.created={all};topic:user.created@mailer={group}");
    let client = house.system("client").registry(StaticRegistry::parse(&list).unwrap());
    let client = start(client).await;
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(2, 0, 0));
    let lines =
        ["one", "two"].map(|name| house.diary.count(&format!("{name} user.created John none")));
    assert_eq!(lines, [1, 1]);
    stop(&[&client, &one, &two]).await;
}

/// Does nothing but hold on to something.
struct Holds {
    _held: Arc<()>,
}

impl Middleware for Holds {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        next.run(call)
    }
}

#[actix::test]
async fn a_stopped_system_holds_on_to_nothing() {
    let held = Arc::new(());
    let house = House::default();
    let (diary, gate, own) = (house.diary.clone(), house.gate.clone(), Arc::clone(&held));
    let actor = move || {
        assert!(Arc::strong_count(&own) > 1);
        Listener { name: "one", heard: 0, diary: diary.clone(), gate: gate.clone() }
    };
    let builder = house.system("listener").client_middleware(Holds { _held: Arc::clone(&held) });
    let builder = builder.handler(actor, |h| {
        h.request::<Count>().event::<UserCreated>().middleware(Holds { _held: Arc::clone(&held) })
    });
    let system = start(builder).await;
    assert_eq!(within(LONG, system.publish(&john())).await.unwrap(), published(1, 0, 0));
    assert_eq!(within(LONG, system.service("listener").send(Count)).await.unwrap(), 1);
    assert!(Arc::strong_count(&held) > 3, "it is in use");
    stop(&[&system]).await;
    drop(system);
    eventually(async || Arc::strong_count(&held) == 1).await;
}
