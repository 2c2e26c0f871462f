//! Several nodes and versions: who is called, and what happens when they come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callboard::actors::selector::Locality;
use callboard::{CallError, Filter, ServiceRef, Strategy};
use futures_util::future::try_join_all;

use crate::stage::{House, LONG, Who, echo, eventually, start, stop, within};

#[actix::test]
async fn calls_with_the_same_key_reach_the_same_node() {
    let house = House::default();
    let servers = [start(house.stage("a")).await, start(house.stage("b")).await];
    let third = start(house.stage("c")).await;
    let (one, two) = (house.client().await, house.client().await);
    let mut homes = BTreeMap::new();
    for client in [&one, &two] {
        let stage = client.service("stage");
        for _ in 0..3 {
            for number in 0..40 {
                let key = format!("user-{number}");
                let who = within(LONG, stage.send(Who).key(key.clone())).await.unwrap();
                let home = homes.entry(key).or_insert_with(|| who.clone());
                assert_eq!(*home, who, "for every client");
            }
        }
    }
    let used: BTreeSet<_> = homes.into_values().collect();
    assert_eq!(used.len(), 3, "keys are spread");
    stop(&[&one, &two, &third, &servers[0], &servers[1]]).await;
}

#[actix::test]
async fn every_strategy_reaches_all_nodes() {
    let house = House::default();
    let (one, two) = (start(house.stage("one")).await, start(house.stage("two")).await);
    let client = house.client().await;
    let stage = client.service("stage");
    for strategy in
        [Strategy::PeakEwma, Strategy::Random, Strategy::RoundRobin, Strategy::LeastInFlight]
    {
        let calls = (0..64).map(|_| stage.send(Who).strategy(strategy.clone()).into_future());
        let seen = within(LONG, try_join_all(calls)).await.unwrap();
        let seen: BTreeSet<_> = seen.into_iter().collect();
        assert_eq!(seen.len(), 2, "{strategy:?}");
    }
    stop(&[&client, &one, &two]).await;
}

#[actix::test]
async fn filters_choose_by_version_label_zone_and_own_function() {
    let house = House::default();
    let old = start(house.stage("old").version("1").metadata("zone", "a")).await;
    let new = start(house.stage("new").version("2").metadata("zone", "b")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    let id = new.node().id.clone();
    let chosen = [
        (Filter::version("1"), "old"),
        (Filter::version("2"), "new"),
        (Filter::label("name", "old"), "old"),
        (Filter::zone("b", Locality::Require), "new"),
        (Filter::zone("a", Locality::Prefer), "old"),
        (Filter::custom(move |candidate| candidate.node().id == id), "new"),
    ];
    for (filter, name) in chosen {
        for _ in 0..10 {
            let who = within(LONG, stage.send(Who).filter(filter.clone())).await.unwrap();
            assert_eq!(who, name, "{filter}");
        }
    }
    let elsewhere = stage.send(Who).filter(Filter::zone("c", Locality::Prefer));
    within(LONG, elsewhere).await.expect("a preference is no demand");
    let both = stage.send(Who).filter(Filter::version("1")).filter(Filter::label("name", "new"));
    let error = within(LONG, both).await.unwrap_err();
    assert!(matches!(error, CallError::NoneAvailable { .. }), "{error:?}");
    assert!(error.to_string().contains("version=1, name=new"), "{error}");
    stop(&[&client, &old, &new]).await;
}

#[actix::test]
async fn versions_of_one_service_are_called_alike_unless_one_is_asked_for() {
    let house = House::default();
    let old = start(house.stage("old").version("1")).await;
    let new = start(house.stage("new").version("2")).await;
    assert_eq!(callboard::registry::Registry::list(&house.registry).await.unwrap().len(), 2);
    let client = house.client().await;
    let stage = client.service("stage");
    let seen = until_seen(&stage, 2).await;
    assert_eq!(seen, BTreeSet::from(["new".to_owned(), "old".to_owned()]));
    stop(&[&client, &old, &new]).await;
}

#[actix::test]
async fn no_call_fails_while_nodes_come_and_go() {
    let house = House::default();
    let first = start(house.stage("0")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    let (finish, finished) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (stage, finished) = (stage.clone(), finished.clone());
            tokio::spawn(async move {
                let mut calls = 0_u32;
                while !*finished.borrow() {
                    stage.send(Who).await?;
                    calls += 1;
                }
                Ok::<_, CallError>(calls)
            })
        })
        .collect();
    let mut present = first;
    for number in 1..=6 {
        let next = start(house.stage(&number.to_string())).await;
        // A newcomer gets few calls at first, so it is asked for.
        let newcomer = Filter::label("name", number.to_string());
        eventually(async || stage.send(Who).filter(newcomer.clone()).await.is_ok()).await;
        stop(&[&present]).await;
        present = next;
    }
    finish.send(true).unwrap();
    for caller in callers {
        let calls = within(LONG, caller).await.unwrap().expect("no call fails");
        assert!(calls > 0);
    }
    stop(&[&present, &client]).await;
}

#[actix::test]
async fn a_service_that_comes_later_is_found_then() {
    let house = House::default();
    let client = house.client().await;
    let stage = client.service("stage");
    let error = within(LONG, stage.send(echo())).await.unwrap_err();
    assert!(matches!(error, CallError::NotFound { .. }), "{error:?}");
    let server = start(house.stage("one")).await;
    eventually(async || stage.send(echo()).await.is_ok()).await;
    stop(&[&server]).await;
    let error = within(LONG, stage.send(echo())).await.unwrap_err();
    assert_eq!(error.executed(), callboard::Executed::No, "{error:?}");
    let again = start(house.stage("again")).await;
    eventually(async || stage.send(echo()).await.is_ok()).await;
    stop(&[&client, &again]).await;
}

#[actix::test]
async fn a_node_that_died_without_a_word_costs_no_call() {
    let house = House::default();
    let dead = start(house.stage("dead")).await;
    let record = callboard::registry::Registry::get(&house.registry, "stage".into()).await.unwrap();
    stop(&[&dead]).await;
    // Its lease has not run out.
    let ttl = Duration::from_secs(30);
    let registry = &house.registry;
    callboard::registry::Registry::register(registry, record[0].clone(), ttl).await.unwrap();
    let server = start(house.stage("alive")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    for _ in 0..100 {
        assert_eq!(within(LONG, stage.send(Who).retries(0)).await.unwrap(), "alive");
    }
    stop(&[&client, &server]).await;
}

/// Calls until so many nodes have answered.
async fn until_seen(stage: &ServiceRef, nodes: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    within(LONG, async {
        while seen.len() < nodes {
            seen.insert(stage.send(Who).await.expect("it is answered"));
        }
    })
    .await;
    seen
}
