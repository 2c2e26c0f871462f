//! Queues are bounded, and who has to wait is served in the end.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::CallError;

#[test]
fn five_thousand_calls_share_a_connection_with_room_for_a_thousand() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        let calls = join_all((0..5000).map(|id| work(&client, id, 100))).await;
        for (id, done) in (0..5000).zip(calls) {
            assert_eq!(done.unwrap().id, id);
        }
        assert_eq!((log.count("done"), node.connections()), (5000, 1));
        // Five rounds of at most 1,024 at a time.
        assert_eq!(world.elapsed(), millis(500));
    });
}

#[test]
fn callers_that_gave_up_waiting_do_not_hold_up_those_behind_them() {
    World::run(|world| async move {
        let log = Log::default();
        let _node = worker(&world, "a", &log).start().await.unwrap();
        let client = world.system("client");
        let client = client.options(|options| options.caller.connection.max_in_flight = 1);
        let client = client.start().await.unwrap();
        let service = client.service("worker");
        let first = spawn_work(&client, 0, 1000);
        world.advance(millis(10)).await;
        let hasty = (1..=20).map(|id| service.send(Work::new(id, 0)).timeout(millis(100)));
        let hasty: Vec<_> = hasty.map(|call| actix_rt::spawn(call.into_future())).collect();
        world.advance(millis(10)).await;
        let patient = spawn_work(&client, 99, 0);
        for call in hasty {
            assert!(matches!(call.await.unwrap(), Err(CallError::Timeout { .. })));
        }
        first.await.unwrap().unwrap();
        patient.await.unwrap().unwrap();
        assert_eq!(world.elapsed(), millis(1000));
        assert_eq!(log.lines(), ["started 0", "done 0", "started 99", "done 99"]);
    });
}

#[test]
fn a_full_queue_refuses_and_says_so() {
    World::run(|world| async move {
        let log = Log::default();
        let (its, kept) = (world.clone(), log.clone());
        let make = move || Worker { world: its.clone(), node: "a".into(), log: kept.clone() };
        let limited =
            |h: crate::handler::HandlerBuilder<Worker>| h.request::<Work>().concurrency(1).queue(2);
        let _node = world.node("worker", "a").handler(make, limited).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let send = |id| client.service("worker").send(Work::new(id, 1000)).retries(0);
        let first = actix_rt::spawn(send(0).into_future());
        world.advance(millis(1)).await;
        let calls = join_all((1..10).map(|id| send(id).into_future())).await;
        first.await.unwrap().unwrap();
        let refused = calls.iter().filter(|call| matches!(call, Err(CallError::Overloaded { .. })));
        assert_eq!(refused.count(), 7);
        assert_eq!((log.count("started"), log.count("done")), (3, 3));
    });
}

#[test]
fn work_that_expires_in_the_queue_is_never_started() {
    World::run(|world| async move {
        let log = Log::default();
        let (its, kept) = (world.clone(), log.clone());
        let make = move || Worker { world: its.clone(), node: "a".into(), log: kept.clone() };
        let builder = world.node("worker", "a");
        let builder = builder.handler(make, |h| h.request::<Work>().concurrency(1));
        let _node = builder.start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let calls = (0..10).map(|id| {
            client.service("worker").send(Work::new(id, 300)).timeout(millis(1000)).into_future()
        });
        let answers = join_all(calls).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
        world.advance(millis(5000)).await;
        assert_eq!((log.count("started"), log.count("done")), (4, 3));
    });
}

#[test]
fn a_connection_without_use_is_closed_though_a_request_outlived_the_idle_time() {
    World::run(|world| async move {
        let log = Log::default();
        let node = worker(&world, "a", &log);
        let node = node.options(|options| options.acceptor.idle_time = millis(100));
        let node = node.start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        // A loop that spins would keep the clock from ever reaching the end of this.
        let turns = Arc::new(AtomicUsize::new(0));
        let watch = actix_rt::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    let turn = turns.fetch_add(1, Ordering::Relaxed);
                    assert!(turn < 100_000, "something keeps the arbiter busy");
                    tokio::task::yield_now().await;
                    sleep(millis(1)).await;
                }
            }
        });
        assert_eq!(work(&client, 1, 800).await.unwrap().id, 1);
        watch.abort();
        world.advance(millis(150)).await;
        assert_eq!(node.connections(), 0);
    });
}

#[test]
fn messages_that_nobody_waits_for_leave_at_once_or_wait_in_bounds() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        work(&client, 0, 0).await.unwrap();
        for id in 1..=100 {
            client.service("worker").do_send(Work::new(id, 0));
        }
        assert!(client.detached_place().is_some(), "a connection was open, so none had to wait");
        world.advance(millis(10)).await;
        assert_eq!(log.count("done"), 101);

        world.isolate(&node);
        for id in 0..2000 {
            client.service("nobody").do_send(Work::new(id, 0));
        }
        assert!(client.detached_place().is_none(), "more wait than may");
        world.advance(Duration::from_secs(10)).await;
        assert!(client.detached_place().is_some(), "they wait for ever");
    });
}
