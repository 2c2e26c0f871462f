//! What the watcher promises, on paused time.

mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use tokio::time::{Instant, pause, sleep};

use self::world::{LONG, Listener, Stop, Unwatchable, World, greeter, nodes};
use super::*;
use crate::testing::start_once;

const MOMENT: Duration = Duration::from_millis(10);

#[actix::test]
async fn a_hundred_lookups_at_once_ask_the_registry_once() {
    let world = World::start();
    world.registry.delay(Duration::from_millis(50));
    world.register("1", "a").await;
    let answers = join_all((0..100).map(|_| world.lookup("greeter"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().versions == [greeter("1", "a")]));
    assert_eq!((world.registry.watches(), world.registry.lookups()), (1, 0));
    for _ in 0..100 {
        world.lookup("greeter").await.unwrap();
    }
    assert_eq!((world.registry.watches(), world.registry.lookups()), (1, 0));
}

#[actix::test]
async fn a_view_follows_every_change() {
    let world = World::start();
    world.register("1", "a").await;
    let first = world.lookup("greeter").await.unwrap();
    assert_eq!(first.freshness, Freshness::Live);
    world.register("2", "b").await;
    sleep(MOMENT).await;
    let second = world.lookup("greeter").await.unwrap();
    assert_eq!(second.versions, [greeter("1", "a"), greeter("2", "b")]);
    assert!(second.revision > first.revision);
    world.registry.deregister(greeter("1", "a")).await.unwrap();
    sleep(MOMENT).await;
    assert_eq!(world.lookup("greeter").await.unwrap().versions, [greeter("2", "b")]);
}

#[actix::test]
async fn an_outage_keeps_the_view_marks_it_stale_and_heals() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    sleep(Duration::from_secs(600)).await;
    let stale = world.lookup("greeter").await.unwrap();
    assert_eq!(stale.freshness, Freshness::Stale);
    assert_eq!(stale.versions, [greeter("1", "a")]);
    world.registry.restore();
    world.register("1", "b").await;
    sleep(world.options.retry_max + MOMENT).await;
    let healed = world.lookup("greeter").await.unwrap();
    assert_eq!(healed.freshness, Freshness::Live);
    assert_eq!(nodes(&healed), ["a", "b"]);
}

#[actix::test]
async fn a_registry_that_is_away_is_retried_with_growing_delays() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    sleep(Duration::from_secs(10)).await;
    let early = world.registry.watches() - 1;
    sleep(Duration::from_secs(600)).await;
    let late = world.registry.watches() - 1 - early;
    // Full jitter draws half the bound on average: 240 attempts in 600 s are expected.
    assert!((4..=40).contains(&early), "{early} attempts in the first 10 s");
    assert!((160..=360).contains(&late), "{late} attempts in the next 600 s");
}

#[actix::test]
async fn a_watch_that_lasted_starts_the_backoff_over() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    sleep(Duration::from_secs(600)).await;
    world.registry.restore();
    sleep(world.options.retry_max * 2 + MOMENT).await;
    world.registry.outage();
    world.registry.restore();
    sleep(world.options.retry_first + MOMENT).await;
    assert_eq!(world.lookup("greeter").await.unwrap().freshness, Freshness::Live);
}

#[actix::test]
async fn a_registry_that_breaks_after_each_answer_is_not_asked_in_a_tight_loop() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    for _ in 0..6_000 {
        world.registry.outage();
        world.registry.restore();
        sleep(MOMENT).await;
    }
    // Starting over each time would make it more than five hundred.
    assert!(world.registry.watches() < 100, "asked {} times in a minute", world.registry.watches());
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
}

#[actix::test]
async fn an_unknown_name_is_remembered_for_a_moment_then_asked_again() {
    let world = World::start();
    for _ in 0..50 {
        let answer = world.lookup("nobody").await;
        assert!(matches!(answer, Err(LookupError::NotFound(name)) if name == "nobody"));
    }
    assert_eq!((world.registry.watches(), world.registry.open_watches()), (1, 1));
    sleep(world.options.negative + MOMENT).await;
    assert_eq!(world.registry.open_watches(), 0, "nothing is kept of a made-up name");
    world.lookup("nobody").await.unwrap_err();
    assert_eq!(world.registry.watches(), 2);
}

#[actix::test]
async fn a_name_that_was_unknown_is_found_as_soon_as_it_appears() {
    let world = World::start();
    world.lookup("greeter").await.unwrap_err();
    world.register("1", "a").await;
    sleep(MOMENT).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
    sleep(world.options.negative * 2).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
    assert_eq!(world.registry.watches(), 1);
}

#[actix::test]
async fn a_service_whose_last_node_left_is_not_found() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    world.registry.deregister(greeter("1", "a")).await.unwrap();
    sleep(MOMENT).await;
    assert!(matches!(world.lookup("greeter").await, Err(LookupError::NotFound(_))));
    sleep(world.options.negative + MOMENT).await;
    assert_eq!(world.registry.open_watches(), 0);
}

#[actix::test]
async fn a_lookup_without_a_view_fails_at_once_while_the_registry_is_away() {
    let world = World::start();
    world.registry.outage();
    for _ in 0..2 {
        let began = Instant::now();
        let answer = world.lookup("greeter").await;
        assert!(matches!(answer, Err(LookupError::Unavailable(_))), "{answer:?}");
        assert!(began.elapsed() < MOMENT);
    }
    world.registry.restore();
    world.register("1", "a").await;
    sleep(world.options.negative + MOMENT).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
}

#[actix::test]
async fn a_registry_that_does_not_answer_counts_as_away() {
    let world = World::start();
    world.registry.delay(LONG);
    let began = Instant::now();
    let answer = world.lookup("greeter").await;
    assert!(matches!(answer, Err(LookupError::Unavailable(_))), "{answer:?}");
    assert!(began.elapsed() < world.options.answer + MOMENT);
}

#[actix::test]
async fn nodes_missing_after_an_outage_are_kept_for_the_grace() {
    let world = World::start();
    world.register("1", "a").await;
    world.register("1", "b").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    world.registry.forget_all();
    world.registry.restore();
    sleep(Duration::from_secs(1)).await;
    let view = world.lookup("greeter").await.unwrap();
    assert_eq!((view.freshness, nodes(&view)), (Freshness::Live, vec!["a", "b"]));
    world.register("1", "b").await;
    sleep(MOMENT).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a", "b"]);
    sleep(world.options.grace).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["b"]);
}

#[actix::test]
async fn the_grace_does_not_run_while_the_registry_is_away() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    world.registry.forget_all();
    world.registry.restore();
    sleep(Duration::from_secs(1)).await;
    world.registry.outage();
    sleep(world.options.grace * 4).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
    world.registry.restore();
    sleep(world.options.retry_max + world.options.grace + MOMENT).await;
    assert!(world.lookup("greeter").await.is_err());
}

#[actix::test]
async fn a_node_that_leaves_after_healing_leaves_at_once() {
    let world = World::start();
    world.register("1", "a").await;
    world.register("1", "b").await;
    world.lookup("greeter").await.unwrap();
    world.registry.outage();
    world.registry.restore();
    sleep(Duration::from_secs(1)).await;
    world.registry.deregister(greeter("1", "a")).await.unwrap();
    sleep(MOMENT).await;
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["b"]);
}

#[actix::test]
async fn a_subscriber_is_told_of_what_is_there_and_of_each_change_once() {
    let world = World::start();
    world.register("1", "a").await;
    world.lookup("greeter").await.unwrap();
    let mut subscriber = Listener::start(16);
    world.subscribe("greeter", &subscriber).await.unwrap();
    assert_eq!(subscriber.next().await, ["a"]);
    world.register("1", "b").await;
    assert_eq!(subscriber.next().await, ["a", "b"]);
    world.register("1", "b").await;
    world.registry.renew(greeter("1", "b"), LONG).await.unwrap();
    subscriber.assert_silent().await;
}

#[actix::test]
async fn a_subscriber_learns_that_a_view_is_stale_and_live_again() {
    let world = World::start();
    world.register("1", "a").await;
    let mut subscriber = Listener::start(16);
    world.subscribe("greeter", &subscriber).await.unwrap();
    assert_eq!(subscriber.view().await.freshness, Freshness::Live);
    world.registry.outage();
    assert_eq!(subscriber.view().await.freshness, Freshness::Stale);
    subscriber.assert_silent().await;
    world.registry.restore();
    let healed = subscriber.view().await;
    assert_eq!((healed.freshness, nodes(&healed)), (Freshness::Live, vec!["a"]));
    subscriber.assert_silent().await;
}

#[actix::test]
async fn a_subscriber_with_a_full_mailbox_gets_the_newest_view_later() {
    let world = World::start();
    let mut subscriber = Listener::start(1);
    subscriber.block();
    world.subscribe("greeter", &subscriber).await.unwrap();
    for n in 0..100 {
        world.register("1", &format!("{n:02}")).await;
        sleep(MOMENT).await;
    }
    subscriber.unblock();
    sleep(Duration::from_secs(1)).await;
    let told = subscriber.drain();
    assert!(told.len() < 20, "{} views were queued", told.len());
    assert_eq!(told.last().map(|view| nodes(view).len()), Some(100));
}

#[actix::test]
async fn who_unsubscribes_is_told_no_more_and_the_service_is_given_up() {
    let world = World::start();
    let mut subscriber = Listener::start(16);
    world.subscribe("greeter", &subscriber).await.unwrap();
    assert!(subscriber.next().await.is_empty());
    sleep(world.options.negative * 3).await;
    assert_eq!(world.registry.open_watches(), 1, "a subscriber keeps a service without nodes");
    let recipient = subscriber.address.clone().recipient();
    world.watcher.send(Unsubscribe { service: "greeter".into(), recipient }).await.unwrap();
    sleep(world.options.negative + MOMENT).await;
    assert_eq!(world.registry.open_watches(), 0);
    world.register("1", "a").await;
    subscriber.assert_silent().await;
}

#[actix::test]
async fn a_service_is_not_given_up_while_a_lookup_waits_for_it() {
    let world = World::start();
    world.register("1", "a").await;
    world.registry.delay(world.options.negative * 3);
    let subscriber = Listener::start(16);
    world.subscribe("greeter", &subscriber).await.unwrap();
    let recipient = subscriber.address.clone().recipient();
    world.watcher.send(Unsubscribe { service: "greeter".into(), recipient }).await.unwrap();
    assert_eq!(nodes(&world.lookup("greeter").await.unwrap()), ["a"]);
}

#[actix::test]
async fn of_too_many_services_the_least_recently_used_is_given_up() {
    let world = World::with(WatcherOptions { services: 4, ..WatcherOptions::default() });
    let names: Vec<String> = (0..12).map(|n| format!("service-{n:02}")).collect();
    for name in &names {
        world.register_named(name).await;
        world.lookup(name).await.unwrap();
        // What is used again and again stays.
        world.lookup(&names[0]).await.unwrap();
        assert!(world.registry.open_watches() <= 4);
    }
    let mut left = world.state.services();
    left.sort();
    assert_eq!(left, ["service-00", "service-09", "service-10", "service-11"]);
    assert_eq!((world.registry.watches(), world.registry.open_watches()), (12, 4));
    world.lookup("service-05").await.unwrap();
    assert_eq!((world.registry.watches(), world.registry.open_watches()), (13, 4));
}

#[actix::test]
async fn a_subscriber_that_is_gone_keeps_no_service() {
    let world = World::start();
    world.lookup("nobody").await.unwrap_err();
    let subscriber = Listener::start(16);
    world.subscribe("nobody", &subscriber).await.unwrap();
    subscriber.address.do_send(Stop);
    sleep(world.options.negative + MOMENT).await;
    assert_eq!(world.registry.open_watches(), 0);
}

#[actix::test]
async fn what_makes_no_sense_to_retry_is_retried_as_slowly_as_possible() {
    pause();
    let attempts = Arc::new(AtomicU64::new(0));
    let registry = Arc::new(Unwatchable { attempts: Arc::clone(&attempts) });
    let watcher =
        start_once(Watcher::new(registry, WatcherOptions::default(), WatcherState::default()));
    let subscriber = Listener::start(16);
    let recipient = subscriber.address.clone().recipient();
    watcher.send(Subscribe { service: "greeter".into(), recipient }).await.unwrap().unwrap();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(attempts.load(Ordering::Relaxed), 1 + 60 / 5);
}

#[actix::test]
async fn a_subscriber_is_told_when_its_service_makes_room() {
    let world = World::with(WatcherOptions { services: 2, ..WatcherOptions::default() });
    for name in ["one", "two", "three", "four"] {
        world.register_named(name).await;
    }
    let mut subscriber = Listener::start(16);
    world.subscribe("one", &subscriber).await.unwrap();
    subscriber.view().await;
    world.lookup("two").await.unwrap();
    world.lookup("three").await.unwrap();
    subscriber.assert_silent().await;
    let mut second = Listener::start(16);
    world.subscribe("three", &second).await.unwrap();
    second.view().await;
    world.lookup("four").await.unwrap();
    let last = subscriber.told.recv().await.unwrap();
    assert_eq!((last.service.as_str(), last.view), ("one", None));
    second.assert_silent().await;
}

#[actix::test]
async fn a_lookup_is_refused_when_lookups_wait_for_all_services_there_may_be() {
    let options = WatcherOptions { services: 1, waiting: 2, ..WatcherOptions::default() };
    let world = World::with(options);
    world.registry.delay(Duration::from_secs(1));
    let waiting = join_all((0..3).map(|_| world.lookup("greeter")));
    let refused = async {
        sleep(MOMENT).await;
        world.lookup("other").await
    };
    let (waiting, refused) = tokio::join!(waiting, refused);
    assert!(matches!(refused, Err(LookupError::Overloaded)), "{refused:?}");
    let overloaded = |answer: &&_| matches!(answer, Err(LookupError::Overloaded));
    assert_eq!(waiting.iter().filter(overloaded).count(), 1);
}

#[actix::test]
async fn one_service_has_no_more_subscribers_than_it_may() {
    let world = World::with(WatcherOptions { subscribers: 1, ..WatcherOptions::default() });
    let (first, second) = (Listener::start(16), Listener::start(16));
    for _ in 0..2 {
        world.subscribe("greeter", &first).await.unwrap();
    }
    assert!(matches!(world.subscribe("greeter", &second).await, Err(LookupError::Overloaded)));
    first.address.do_send(Stop);
    sleep(MOMENT).await;
    world.subscribe("greeter", &second).await.unwrap();
}

#[actix::test]
async fn a_restart_keeps_views_and_subscribers() {
    let mut world = World::start();
    world.register("1", "a").await;
    let mut subscriber = Listener::start(16);
    world.subscribe("greeter", &subscriber).await.unwrap();
    let before = subscriber.view().await;
    world.registry.outage();
    world.restart();
    let kept = world.lookup("greeter").await.unwrap();
    assert_eq!((kept.freshness, nodes(&kept)), (Freshness::Stale, vec!["a"]));
    assert!(kept.revision > before.revision);
    assert_eq!(subscriber.view().await.freshness, Freshness::Stale);
    world.registry.restore();
    assert_eq!(subscriber.view().await.freshness, Freshness::Live);
    world.register("1", "b").await;
    assert_eq!(subscriber.next().await, ["a", "b"]);
}
