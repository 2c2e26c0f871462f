//! Registration and finding, and what an outage of the registry does to them.

use callboard_actors::registry::Registry;

use super::*;
use crate::testing::Faults;
use crate::{CallError, Executed};

#[test]
fn a_node_that_cannot_reach_itself_is_never_registered() {
    World::run(|world| async move {
        world.network().inject("a", "a", Faults::default().refuse(true));
        let error = worker(&world, "a", &Log::default()).start().await.unwrap_err();
        let expected = "the node does not answer on its own address memory:a: \
                        cannot connect to memory:a: refused";
        assert_eq!(error.report(), expected);
        assert_eq!(world.registry().registrations(), 0);
    });
}

#[test]
fn a_node_that_does_not_hear_itself_is_given_up_after_two_seconds() {
    World::run(|world| async move {
        world.network().partition("a", "a");
        let error = worker(&world, "a", &Log::default()).start().await.unwrap_err();
        assert!(error.report().contains("no greeting within 2s"), "{error}");
        assert_eq!((world.registry().registrations(), world.elapsed()), (0, millis(2000)));
    });
}

#[test]
fn an_address_in_use_is_named() {
    World::run(|world| async move {
        let _node = worker(&world, "a", &Log::default()).start().await.unwrap();
        let error = worker(&world, "a", &Log::default()).start().await.unwrap_err();
        assert_eq!(
            error.report(),
            "the node has no address to listen on: cannot listen on memory:a: address in use"
        );
        assert_eq!(world.registry().registrations(), 1);
    });
}

#[test]
fn a_registry_that_is_down_at_the_start_is_asked_until_the_start_takes_too_long() {
    World::run(|world| async move {
        world.registry().outage();
        let error = worker(&world, "a", &Log::default()).start().await.unwrap_err();
        let expected = "not registered within 10s: registry memory at this process is \
                        unavailable: it has an outage";
        assert_eq!(error.report(), expected);
        assert!(world.elapsed() <= millis(10_000) && world.elapsed() > millis(7000));
        assert!(world.registry().registrations() > 5);
    });
}

#[test]
fn a_registry_that_comes_back_in_time_does_not_fail_the_start() {
    World::run(|world| async move {
        world.registry().outage();
        let start = actix_rt::spawn(worker(&world, "a", &Log::default()).start());
        world.advance(millis(6000)).await;
        world.registry().restore();
        start.await.unwrap().unwrap();
        assert!(world.elapsed() <= millis(8000), "the longest pause between attempts is 2 s");
    });
}

#[test]
fn a_lease_is_renewed_three_times_per_ttl_and_never_rewritten() {
    World::run(|world| async move {
        let _node = worker(&world, "a", &Log::default()).start().await.unwrap();
        let registry = world.registry();
        let mut moments = Vec::new();
        while world.elapsed() < millis(300_000) {
            let before = registry.renewals();
            world.advance(millis(10)).await;
            if registry.renewals() > before {
                moments.push(world.elapsed());
            }
        }
        let pauses: Vec<_> =
            moments.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        assert!(pauses.iter().all(|pause| (millis(8990)..=millis(10_010)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "without jitter: {pauses:?}");
        assert!((30..=34).contains(&registry.renewals()));
        assert_eq!(registry.registrations(), 1);
    });
}

#[test]
fn a_lost_lease_is_registered_again_with_the_next_renewal() {
    World::run(|world| async move {
        let node = worker(&world, "a", &Log::default()).start().await.unwrap();
        world.registry().forget(&node.node().id);
        assert_eq!(world.registry().list().await.unwrap(), []);
        world.advance(millis(10_000)).await;
        assert_eq!(world.registry().list().await.unwrap()[0].nodes[0].id, "a");
        assert_eq!(world.registry().registrations(), 2);
    });
}

#[test]
fn calls_go_on_while_the_registry_is_away() {
    World::run(|world| async move {
        let (_node, client, _) = pair(&world).await;
        world.registry().outage();
        for id in 0..60 {
            world.advance(millis(10_000)).await;
            assert_eq!(work(&client, id, 10).await.unwrap().id, id);
        }
        let error = client.service("stranger").send(Work::new(1, 0)).await.unwrap_err();
        assert!(error.is_retryable() && error.executed() == Executed::No);
        let report = crate::Error::from(error).report();
        assert!(report.starts_with("cannot look up service \"stranger\": registry memory"));
    });
}

#[test]
fn a_registry_that_forgot_everything_changes_nothing_for_live_nodes() {
    World::run(|world| async move {
        let (_node, client, _) = pair(&world).await;
        world.registry().outage();
        world.registry().forget_all();
        world.advance(millis(5000)).await;
        world.registry().restore();
        for id in 0..400 {
            assert_eq!(work(&client, id, 100).await.unwrap().id, id);
        }
        assert_eq!(world.registry().list().await.unwrap()[0].nodes[0].id, "a");
    });
}

#[test]
fn a_node_that_started_during_an_outage_of_the_watch_is_found_after_it() {
    World::run(|world| async move {
        let log = Log::default();
        let (node, client, _) = pair(&world).await;
        world.registry().outage();
        let start = actix_rt::spawn(worker(&world, "b", &log).start());
        world.advance(millis(3000)).await;
        world.registry().restore();
        let _other = start.await.unwrap().unwrap();
        world.advance(millis(6000)).await;
        node.stop().await;
        assert_eq!(work(&client, 1, 0).await.unwrap().node, "b");
    });
}

#[test]
fn an_unknown_service_is_told_apart_from_one_without_nodes() {
    World::run(|world| async move {
        let (node, client, _) = pair(&world).await;
        let error = client.service("stranger").send(Work::new(1, 0)).await.unwrap_err();
        assert!(matches!(error, CallError::NotFound { .. }), "{error}");
        node.stop().await;
        let error = work(&client, 1, 0).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No, "{error}");
        assert!(world.elapsed() < millis(5000), "nobody waits for a node that may come");
    });
}

#[test]
fn a_client_is_not_registered() {
    World::run(|world| async move {
        let client = world.system("client").start().await.unwrap();
        assert_eq!(client.node().address, "");
        client.stop().await;
        assert_eq!((world.registry().registrations(), world.elapsed()), (0, millis(0)));
    });
}

#[test]
fn the_connection_to_a_node_that_left_is_closed_though_its_callers_remember_it() {
    World::run(|world| async move {
        let (node, _client, _) = pair(&world).await;
        assert_eq!(node.connections(), 1);
        let records = world.registry().get("worker".into()).await.unwrap();
        for record in records {
            world.registry().deregister(record).await.unwrap();
        }
        // Long before the connection has been idle for long, and before the node registers anew.
        world.advance(millis(100)).await;
        assert_eq!(node.connections(), 0);
    });
}
