//! Subscribers that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use callboard::actors::node::NodeError;
use callboard::actors::supervisor::Intensity;
use callboard::config::ListenAddress;
use callboard::event::Subscriber;
use callboard::handler::HandlerBuilder;
use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
use callboard::prelude::*;
use callboard::registry::Registry;
use callboard::{BrokerError, Error, Published};

use super::{Count, Listener, Slow, UserCreated, actor, john, listener, named, published};
use crate::stage::{House, LONG, SHORT, eventually, start, stop, within};

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
    let (make, own) = (actor(&house, "one"), Arc::clone(&held));
    let actor = move || {
        assert!(Arc::strong_count(&own) > 1);
        make()
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

/// Subscribes one more actor at a system that runs.
async fn subscribe(
    house: &House,
    system: &ServiceSystem,
    name: &'static str,
    describe: impl FnOnce(HandlerBuilder<Listener>) -> HandlerBuilder<Listener>,
) -> Result<Subscriber, Error> {
    within(LONG, system.subscribe(actor(house, name), describe)).await
}

/// Versions under which subscribers are announced.
async fn announced(house: &House, topic: &str) -> Vec<String> {
    let found = within(LONG, house.registry.get(format!("topic:{topic}"))).await;
    found.expect("it can be asked").into_iter().map(|service| service.version).collect()
}

#[actix::test]
async fn an_actor_is_subscribed_while_its_system_runs() {
    let house = House::default();
    let server = listener(&house, "one", |h| h.request::<Count>()).await;
    let client = house.client().await;
    let users = client.topic::<UserCreated>();
    assert_eq!(within(LONG, users.publish(&john())).await.unwrap(), Published::default());
    let late = subscribe(&house, &server, "late", |h| h.event::<UserCreated>()).await.unwrap();
    assert_eq!(announced(&house, "user.created").await.len(), 1, "it is announced by now");
    eventually(async || users.publish(&john()).await.unwrap() == published(1, 0, 0)).await;
    // Supervised: a panic restarts it.
    assert_eq!(within(LONG, users.publish(&named("panic"))).await.unwrap(), published(0, 1, 0));
    assert_eq!(within(LONG, users.publish(&named("Jane"))).await.unwrap(), published(1, 0, 0));
    // The other one, in the same process, is a subscriber of its own.
    let other = subscribe(&house, &server, "other", |h| h.event::<UserCreated>()).await.unwrap();
    assert_eq!(within(LONG, server.publish(&named("Jim"))).await.unwrap(), published(2, 0, 0));
    within(LONG, late.close()).await;
    assert_eq!(within(LONG, server.publish(&named("Joan"))).await.unwrap(), published(1, 0, 0));
    assert_eq!(house.diary.count("late user.created Joan none"), 0);
    drop(other);
    eventually(async || announced(&house, "user.created").await.is_empty()).await;
    assert_eq!(within(LONG, server.publish(&john())).await.unwrap(), Published::default());
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_subscriber_is_withdrawn_before_it_stops_and_handles_what_it_has_got() {
    let house = House::default();
    let server = listener(&house, "one", |h| h.request::<Count>()).await;
    for is_closed in [true, false] {
        // The other time the whole system stops.
        let late = subscribe(&house, &server, "late", |h| h.event::<Slow>().concurrency(1));
        let late = late.await.unwrap();
        let events = [Slow(0), Slow(1)];
        // The second one waits in the queue.
        let publishing = events.map(|event| {
            let server = server.clone();
            tokio::spawn(async move { server.publish(&event).await })
        });
        eventually(async || house.diary.lines().iter().any(|line| line.ends_with("begins"))).await;
        let mut ending = if is_closed {
            tokio::spawn(late.close())
        } else {
            let server = server.clone();
            tokio::spawn(async move { stop(&[&server]).await })
        };
        eventually(async || announced(&house, "slow").await.is_empty()).await;
        // However long it takes: there is nothing that tells of an end that does not come.
        let has_ended = tokio::time::timeout(SHORT, &mut ending).await.is_ok();
        assert!(!has_ended, "it waits for what was delivered");
        house.gate.open(2);
        for each in publishing {
            assert_eq!(within(LONG, each).await.unwrap().unwrap(), published(1, 0, 0));
        }
        within(LONG, ending).await.unwrap();
        let lines = house.diary.lines();
        let handled = ["late 0", "late 1"].map(|end| lines.iter().filter(|it| *it == end).count());
        assert_eq!(handled, if is_closed { [1, 1] } else { [2, 2] });
    }
}

#[actix::test]
async fn a_member_joins_a_group_and_leaves_it_while_events_are_published() {
    let house = House::default();
    let group = |h: HandlerBuilder<Listener>| h.event::<UserCreated>().group("mailer").queue(64);
    let one = listener(&house, "one", group).await;
    let two = listener(&house, "two", |h| h.request::<Count>()).await;
    let client = house.client().await;
    let users = client.topic::<UserCreated>();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let publishing = tokio::spawn(async move {
        let mut count = 0;
        while !over.load(Ordering::Acquire) {
            let told = users.publish(&named(&count.to_string())).await.unwrap();
            assert_eq!(told, published(1, 0, 0), "event {count}");
            count += 1;
        }
        count
    });
    let heard = |name: &str| {
        let lines = house.diary.lines();
        lines.iter().filter(|line| line.starts_with(name)).count()
    };
    eventually(async || heard("one") > 20).await;
    for round in 1..=3 {
        let late = subscribe(&house, &two, "late", group).await.unwrap();
        let before = heard("late");
        eventually(async || heard("late") > before + 20).await;
        // One way to end it, and the other.
        if round < 3 {
            within(LONG, late.close()).await;
        } else {
            drop(late);
        }
        eventually(async || announced(&house, "user.created").await.len() == 1).await;
    }
    is_over.store(true, Ordering::Release);
    let count = within(LONG, publishing).await.unwrap();
    assert_eq!(heard("one") + heard("late"), count, "each was heard once");
    stop(&[&client, &one, &two]).await;
}

#[actix::test]
async fn what_cannot_be_subscribed_is_refused_and_leaves_nothing() {
    let house = House::default();
    let server = listener(&house, "one", |h| h.request::<Count>()).await;
    let both = subscribe(&house, &server, "late", |h| h.event::<Slow>().request::<Count>()).await;
    assert!(matches!(both, Err(Error::Node(NodeError::NotSubscriber { .. }))), "{both:?}");
    let nothing = subscribe(&house, &server, "late", |h| h).await;
    assert!(matches!(nothing, Err(Error::Node(NodeError::NotSubscriber { .. }))), "{nothing:?}");
    let cause = |result: Result<Subscriber, Error>| match result {
        Err(Error::Node(NodeError::Subscribe { source, .. })) => source,
        other => panic!("{other:?}"),
    };
    // The first topic is fine, the second one has no name.
    let unnamed = |h: HandlerBuilder<Listener>| h.event::<Slow>().event::<UserCreated>().topic("");
    let unnamed = cause(subscribe(&house, &server, "late", unnamed).await);
    assert!(matches!(unnamed, BrokerError::Invalid { .. }), "{unnamed}");
    assert_eq!(announced(&house, "slow").await, [""; 0]);
    stop(&[&server]).await;
    let stopped = subscribe(&house, &server, "late", |h| h.event::<Slow>()).await;
    assert!(matches!(stopped, Err(Error::Node(_))), "{stopped:?}");
}

#[actix::test]
async fn a_system_without_handlers_listens_once_it_subscribes() {
    let house = House::default();
    let client = house.client().await;
    assert_eq!(client.node().address, "");
    // Both at once: it begins to listen once.
    let event = |h: HandlerBuilder<Listener>| h.event::<UserCreated>();
    let (first, second) = tokio::join!(
        subscribe(&house, &client, "first", event),
        subscribe(&house, &client, "second", event),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(client.node().address, "");
    let known = within(LONG, house.registry.get("client".into())).await.unwrap();
    assert_eq!(known.iter().flat_map(|service| &service.nodes).count(), 1, "{known:?}");
    let publisher = house.client().await;
    assert_eq!(within(LONG, publisher.publish(&john())).await.unwrap(), published(2, 0, 0));
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(2, 0, 0));
    let heard = ["first", "second"]
        .map(|name| house.diary.count(&format!("{name} user.created John none")));
    assert_eq!(heard, [2, 2]);
    within(LONG, first.close()).await;
    drop(second);
    eventually(async || announced(&house, "user.created").await.is_empty()).await;
    // It goes on serving, until it stops.
    let again = subscribe(&house, &client, "again", event).await.unwrap();
    assert_eq!(within(LONG, client.publish(&john())).await.unwrap(), published(1, 0, 0));
    stop(&[&client, &publisher]).await;
    drop(again);
    assert_eq!(within(LONG, house.registry.list()).await.unwrap(), [], "nothing is left");
}

#[cfg(unix)]
#[actix::test]
async fn a_system_that_cannot_listen_says_so_and_may_try_again() {
    let house = House::default();
    let place = std::env::temp_dir().join(format!("callboard-late-{}", std::process::id()));
    let address = ListenAddress::Unix(place.join("client.socket"));
    let client = start(house.system("client").configure(|config| config.server_address = address));
    let client = client.await;
    let event = |h: HandlerBuilder<Listener>| h.event::<UserCreated>();
    let error = subscribe(&house, &client, "late", event).await.unwrap_err();
    assert!(matches!(error, Error::Node(NodeError::Listen { .. })), "{error}");
    assert_eq!(announced(&house, "user.created").await, [""; 0]);
    std::fs::create_dir(&place).unwrap();
    let late = subscribe(&house, &client, "late", event).await.unwrap();
    let publisher = house.client().await;
    assert_eq!(within(LONG, publisher.publish(&john())).await.unwrap(), published(1, 0, 0));
    within(LONG, late.close()).await;
    stop(&[&client, &publisher]).await;
    std::fs::remove_dir_all(&place).unwrap();
}

/// Cannot be restarted once it is cursed.
struct Cursed(Arc<AtomicBool>);

impl Actor for Cursed {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        assert!(!self.0.load(Ordering::Acquire), "it is cursed");
    }
}

impl Handler<Event<UserCreated>> for Cursed {
    type Result = Result<(), Status>;

    fn handle(&mut self, _: Event<UserCreated>, _: &mut Context<Self>) -> Self::Result {
        panic!("it was asked to");
    }
}

#[actix::test]
async fn a_subscriber_that_fails_too_often_ends_its_node_as_any_handler_does() {
    let house = House::default();
    let once = Intensity::new(1, LONG);
    let server = house.system("stage").handler(house.actor("one"), crate::stage::all);
    let server = start(server.intensity(once)).await;
    let curse = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&curse);
    let describe = |h: HandlerBuilder<Cursed>| h.event::<UserCreated>();
    let cursed = server.subscribe(move || Cursed(Arc::clone(&own)), describe);
    let _cursed = within(LONG, cursed).await.unwrap();
    curse.store(true, Ordering::Release);
    assert_eq!(within(LONG, server.publish(&john())).await.unwrap(), published(0, 1, 0));
    assert!(!within(LONG, server.ended()).await.is_normal());
}

#[actix::test]
async fn a_subscriber_that_was_closed_leaves_nothing() {
    let held = Arc::new(());
    let house = House::default();
    let server = listener(&house, "one", |h| h.request::<Count>()).await;
    let own = Arc::clone(&held);
    let make = actor(&house, "late");
    let factory = move || {
        assert!(Arc::strong_count(&own) > 1);
        make()
    };
    let describe = |h: HandlerBuilder<Listener>| {
        h.event::<UserCreated>().middleware(Holds { _held: Arc::clone(&held) })
    };
    let late = within(LONG, server.subscribe(factory, describe)).await.unwrap();
    assert_eq!(within(LONG, server.publish(&john())).await.unwrap(), published(1, 0, 0));
    let children = server.supervisor().children().await.len();
    within(LONG, late.close()).await;
    eventually(async || Arc::strong_count(&held) == 1).await;
    assert_eq!(server.supervisor().children().await.len(), children);
    stop(&[&server]).await;
}
