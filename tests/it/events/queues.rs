//! Subscribers that are slower than their publishers.

use callboard::handler::{HandlerBuilder, Overflow};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Listener, Slow, listener, published};
use crate::stage::{House, LONG, stop, within};

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
