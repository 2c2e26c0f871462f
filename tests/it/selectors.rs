//! How a system chooses nodes, and tries again, for all of its calls.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callboard::actors::selector::{CustomStrategy, Eligible};
use callboard::config::SelectorKind;
use callboard::{CallError, Filter, ServiceRef, Strategy, SystemBuilder};
use futures_util::FutureExt;

use crate::stage::{Fail, House, LONG, Panic, Who, echo, no_connection, start, stop, within};

#[actix::test]
async fn by_label_the_best_nodes_that_are_there_are_called() {
    let house = House::default();
    let near = start(house.stage("near").metadata("dc", "a").metadata("region", "eu")).await;
    let middle = start(house.stage("middle").metadata("dc", "b").metadata("region", "eu")).await;
    let far = start(house.stage("far").metadata("dc", "c")).await;
    let client = start(house.system("client").configure(|config| {
        config.selector = SelectorKind::Label;
        let labels = [("dc", "a"), ("region", "eu")];
        config.selector_labels = labels.map(|(name, value)| (name.into(), value.into())).into();
    }));
    let client = client.await;
    let stage = client.service("stage");
    for (server, name) in [(&near, "near"), (&middle, "middle"), (&far, "far")] {
        assert_eq!(who(&stage, 10).await, [name.to_owned()].into());
        stop(&[server]).await;
    }
    stop(&[&client]).await;
}

#[actix::test]
async fn a_system_can_take_a_service_by_its_name_without_a_registry() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let named = |config: &mut callboard::config::Config| config.selector = SelectorKind::Named;
    // Another registry: it knows nothing of the node.
    let client = start(House::default().system("client").configure(named)).await;
    let address = server.node().address.clone();
    for _ in 0..2 {
        let who = within(LONG, client.service(&address).send(Who)).await.unwrap();
        assert_eq!(who, "one");
    }
    client.service(&address).do_send(echo());
    house.diary.has("echo hello").await;
    let error = within(LONG, client.service("stage").send(Who)).await.unwrap_err();
    let text = callboard::Error::from(error).report();
    assert!(text.contains("stage") && text.contains("expected host:port"), "{text}");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_systems_own_strategy_counts_unless_a_call_has_another() {
    let house = House::default();
    let servers = [start(house.stage("one")).await, start(house.stage("two")).await];
    let client =
        start(house.system("client").strategy(Strategy::Custom(Arc::new(First::default())))).await;
    let stage = client.service("stage");
    assert_eq!(who(&stage, 20).await.len(), 1);
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let call = stage.send(Who).strategy(Strategy::RoundRobin);
        seen.insert(within(LONG, call).await.unwrap());
    }
    stop(&[&client, &servers[0], &servers[1]]).await;
}

#[actix::test]
async fn an_own_strategy_is_asked_by_each_call_though_there_is_one_node() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let strategy = Arc::new(First::default());
    let own = Strategy::Custom(Arc::clone(&strategy) as _);
    let client = start(house.system("client").strategy(own)).await;
    who(&client.service("stage"), 20).await;
    assert!(strategy.0.load(Ordering::Relaxed) >= 20);
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_systems_filters_and_a_calls_own_count_together() {
    let house = House::default();
    let old = start(house.stage("old").version("1").metadata("zone", "a")).await;
    let new = start(house.stage("new").version("2").metadata("zone", "a")).await;
    let other = start(house.stage("other").version("2").metadata("zone", "b")).await;
    let client = start(house.system("client").filter(Filter::label("zone", "a"))).await;
    let stage = client.service("stage");
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        seen.extend(who(&stage, 10).await);
        assert!(!seen.contains("other"), "{seen:?}");
    }
    for _ in 0..10 {
        let call = stage.send(Who).filter(Filter::version("2"));
        assert_eq!(within(LONG, call).await.unwrap(), "new");
        let call = stage.send(Who).key("k").filter(Filter::version("2"));
        assert_eq!(within(LONG, call).await.unwrap(), "new");
    }
    stop(&[&client, &old, &new, &other]).await;
}

#[actix::test]
async fn a_systems_rule_retries_all_calls_but_those_with_their_own() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let waits = Arc::new(AtomicU32::new(0));
    let client = start(conflicts(house.system("client"), &waits)).await;
    let stage = client.service("stage");
    assert!(matches!(within(LONG, stage.send(Fail)).await, Err(CallError::Status(_))));
    assert_eq!((house.diary.count("fail"), waits.load(Ordering::Relaxed)), (3, 2));
    assert!(within(LONG, stage.send(Panic)).await.is_err());
    assert_eq!(waits.load(Ordering::Relaxed), 2, "a panic is no conflict");
    // The call's own rule takes the place of the system's, whose waits stay.
    assert!(within(LONG, stage.send(Fail).retry(|_, _| false)).await.is_err());
    assert_eq!((house.diary.count("fail"), waits.load(Ordering::Relaxed)), (4, 2));
    assert!(within(LONG, stage.send(Fail).retry(|_, attempt| attempt == 1)).await.is_err());
    assert_eq!((house.diary.count("fail"), waits.load(Ordering::Relaxed)), (6, 3));
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_systems_rule_counts_for_calls_to_its_own_handlers_too() {
    let house = House::default();
    let waits = Arc::new(AtomicU32::new(0));
    let server = start(conflicts(house.stage("one"), &waits)).await;
    let stage = server.service("stage");
    no_connection(&server).await;
    assert!(within(LONG, stage.send(Fail).local(true)).await.is_err());
    assert_eq!((house.diary.count("fail"), server.connections()), (1, 0));
    assert!(within(LONG, stage.send(Fail)).await.is_err());
    assert_eq!((house.diary.count("fail"), waits.load(Ordering::Relaxed)), (4, 2));
    stop(&[&server]).await;
}

#[actix::test]
async fn a_call_that_asks_for_more_than_those_before_is_given_it() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = start(house.system("client")).await;
    let stage = client.service("stage");
    // The only node, which is called without deciding anew.
    who(&stage, 20).await;
    let elsewhere = stage.send(Who).filter(Filter::label("zone", "nowhere"));
    let refused = within(LONG, elsewhere).await;
    assert!(matches!(refused, Err(CallError::NoneAvailable { .. })), "{refused:?}");
    let missing = within(LONG, stage.send(Who).node("127.0.0.1:1")).await;
    assert!(matches!(missing, Err(CallError::Connection { .. })), "{missing:?}");
    who(&stage, 1).await;
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_call_that_has_resolved_is_not_made_again() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = start(house.system("client")).await;
    let stage = client.service("stage");
    who(&stage, 20).await;
    let mut call = stage.send(Who).into_future();
    within(LONG, &mut call).await.expect("it is answered");
    let again = AssertUnwindSafe(&mut call).catch_unwind();
    assert!(within(LONG, again).await.is_err());
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn a_call_without_time_takes_no_turn() {
    let house = House::default();
    let servers = [start(house.stage("one")).await, start(house.stage("two")).await];
    let client = start(house.system("client")).await;
    let stage = client.service("stage");
    who(&stage, 20).await;
    let in_turn = || stage.send(Who).strategy(Strategy::RoundRobin);
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let hopeless = within(LONG, in_turn().timeout(Duration::ZERO)).await;
        assert!(matches!(hopeless, Err(CallError::Timeout { .. })), "{hopeless:?}");
        seen.insert(within(LONG, in_turn()).await.expect("it is answered"));
    }
    assert_eq!(seen.len(), 2, "the others take turns");
    stop(&[&client, &servers[0], &servers[1]]).await;
}

/// Retries conflicts twice, and counts the waits before.
fn conflicts(builder: SystemBuilder, waits: &Arc<AtomicU32>) -> SystemBuilder {
    let waits = Arc::clone(waits);
    builder
        .configure(|config| config.client_retries = 2)
        .retry(|error, _| matches!(error, CallError::Status(status) if status.code == 409))
        .backoff(move |_| {
            waits.fetch_add(1, Ordering::Relaxed);
            Duration::ZERO
        })
}

/// Who answers that many calls.
async fn who(stage: &ServiceRef, calls: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for _ in 0..calls {
        seen.insert(within(LONG, stage.send(Who)).await.expect("it is answered"));
    }
    seen
}

/// Always the first that will do; counts how often it was asked.
#[derive(Debug, Default)]
struct First(AtomicU32);

impl CustomStrategy for First {
    fn name(&self) -> &'static str {
        "first"
    }

    fn choose(
        &self,
        nodes: &Eligible<'_>,
        _: Option<&str>,
        _: &mut dyn callboard::actors::selector::Rng,
    ) -> Option<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        (0..nodes.len()).find(|index| nodes.is_eligible(*index))
    }
}
