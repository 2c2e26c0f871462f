//! Who gets an event.

use callboard::Published;
use callboard::actors::broker::MemoryBroker;
use callboard::handler::HandlerBuilder;
use callboard::registry::StaticRegistry;

use super::{Count, Listener, UserCreated, actor, john, listener, published};
use crate::runtimes::block_on;
use crate::stage::{House, LONG, eventually, start, stop, within};

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
async fn systems_may_share_a_broker_of_their_process() {
    let house = House::default();
    let broker = MemoryBroker::new();
    let one = house.system("listener").broker(broker.clone());
    let one = start(one.handler(actor(&house, "one"), |h| h.event::<UserCreated>())).await;
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
