//! A service in the same process is called without sockets, unless the call says otherwise.

use callboard::{CallError, Filter, Strategy};

use crate::stage::{
    Count, Hold, House, LONG, Who, call, echo, eventually, no_connection, start, stop, within,
};

#[actix::test]
async fn a_call_in_the_same_process_opens_no_connection() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    for _ in 0..100 {
        within(LONG, stage.send(Count)).await.unwrap();
    }
    stage.do_send(echo());
    house.diary.has("echo hello").await;
    no_connection(&server).await;
    assert_eq!(house.registry.lookups(), 0, "nor is anything looked up");
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_that_must_not_be_local_goes_over_the_network() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let stage = server.service("stage");
    assert_eq!(within(LONG, stage.send(Count).local(false)).await.unwrap(), 1);
    eventually(async || server.connections() == 1).await;
    // It is the same actor.
    assert_eq!(within(LONG, stage.send(Count)).await.unwrap(), 2);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_that_says_which_node_it_means_is_not_cut_short() {
    let house = House::default();
    let (one, two) = (start(house.stage("one")).await, start(house.stage("two")).await);
    let stage = one.service("stage");
    let who = || stage.send(Who);
    assert_eq!(within(LONG, who()).await.unwrap(), "one");
    assert_eq!(within(LONG, who().node(two.node().address.clone())).await.unwrap(), "two");
    assert_eq!(within(LONG, who().filter(Filter::label("name", "two"))).await.unwrap(), "two");
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..50 {
        seen.insert(within(LONG, who().key(number.to_string())).await.unwrap());
    }
    assert_eq!(seen.len(), 2, "keys go to both");
    seen.clear();
    for _ in 0..10 {
        seen.insert(within(LONG, who().strategy(Strategy::RoundRobin)).await.unwrap());
    }
    assert_eq!(seen.len(), 2, "turns go to both");
    // Asked for, the short cut is taken whatever else is said.
    let named = who().node(two.node().address.clone()).local(true);
    assert_eq!(within(LONG, named).await.unwrap(), "one");
    stop(&[&one, &two]).await;
}

#[actix::test]
async fn a_draining_node_sends_its_own_calls_elsewhere() {
    let house = House::default();
    let one = start(house.stage("one")).await;
    let two = start(house.stage("two")).await;
    let stage = one.service("stage");
    let held = call(stage.send(Hold("held".into())));
    house.diary.has("held starts").await;
    let stopping = tokio::spawn({
        let one = one.clone();
        async move { one.stop().await }
    });
    eventually(async || within(LONG, stage.send(Who)).await.expect("somebody answers") == "two")
        .await;
    house.gate.open(1);
    assert_eq!(within(LONG, held).await.unwrap().unwrap(), "held");
    assert!(within(LONG, stopping).await.unwrap().is_normal());
    stop(&[&two]).await;
}

#[actix::test]
async fn an_overloaded_node_sends_its_own_calls_elsewhere_if_they_may_be_repeated() {
    let house = House::default();
    let actor = house.actor("one");
    let one = house.system("stage").handler(actor, |h| h.request::<Hold>().concurrency(1).queue(1));
    let one = start(one).await;
    let stage = one.service("stage");
    let held = call(stage.send(Hold("held".into())));
    house.diary.has("held starts").await;
    let queued = call(stage.send(Hold("queued".into())));
    tokio::task::yield_now().await;
    let here = within(LONG, stage.send(Hold("here".into())).retries(0)).await;
    assert!(matches!(here, Err(CallError::Overloaded { .. })), "{here:?}");
    let other = House { registry: house.registry.clone(), ..House::default() };
    other.gate.open(100);
    let two = start(other.stage("two")).await;
    let there = within(LONG, stage.send(Hold("there".into())).retries(20)).await;
    assert_eq!(there.unwrap(), "there");
    house.gate.open(2);
    for each in [held, queued] {
        within(LONG, each).await.unwrap().unwrap();
    }
    stop(&[&one, &two]).await;
}
