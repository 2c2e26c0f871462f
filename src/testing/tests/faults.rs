//! What a broken network does to calls.

use futures_util::future::join_all;

use super::*;
use crate::testing::Faults;
use crate::{CallError, Executed};

#[test]
fn a_silent_partition_is_found_within_three_seconds() {
    World::run(|world| async move {
        let (node, client, _) = pair(&world).await;
        world.partition(&client, &node);
        let error = work(&client, 1, 0).await.unwrap_err();
        // Three intervals of 900 ms without a word.
        assert_eq!(world.elapsed(), millis(2700));
        assert_eq!(error.executed(), Executed::Maybe);
        assert!(
            crate::Error::from(error).report().contains("nothing heard from the peer for 2.7s")
        );
    });
}

#[test]
fn a_client_that_falls_silent_loses_its_requests_and_its_connection() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        let call = client.service("worker").send(Work::new(1, 60_000)).timeout(millis(90_000));
        let _call = actix_rt::spawn(call.into_future());
        world.advance(millis(100)).await;
        world.partition(&client, &node);
        world.advance(millis(3000)).await;
        assert_eq!(log.lines(), ["started 1", "dropped 1"]);
        assert_eq!(node.connections(), 0);
    });
}

#[test]
fn a_lost_reply_leaves_open_whether_the_call_was_executed() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        world.faults(&node, &client, Faults::default().drop(1.0));
        let call = client.service("worker").send(Work::new(1, 0)).timeout(millis(500));
        let error = call.await.unwrap_err();
        assert_eq!(world.elapsed(), millis(500));
        assert!(matches!(error, CallError::Timeout { executed: Executed::Maybe, .. }), "{error}");
        assert_eq!(log.lines(), ["started 1", "done 1"]);
    });
}

#[test]
fn what_was_not_written_was_not_executed() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        world.partition(&client, &node);
        // The way holds 256 KiB: three of these, and the rest waits to be written.
        let heavy = |id| Work { load: vec![0; 80 * 1024], ..Work::new(id, 0) };
        let service = client.service("worker");
        let calls =
            (0..10).map(|id| actix_rt::spawn(service.send(heavy(id)).retries(0).into_future()));
        let calls: Vec<_> = calls.collect();
        world.advance(millis(100)).await;
        world.sever(&client, &node);
        let mut executed = Vec::new();
        for call in calls {
            executed.push(call.await.unwrap().unwrap_err().executed());
        }
        assert_eq!(executed[..3], [Executed::Maybe; 3]);
        assert_eq!(executed[3..], [Executed::No; 7]);
        assert_eq!(log.lines(), Vec::<String>::new());
    });
}

#[test]
fn a_refused_connection_was_not_used() {
    World::run(|world| async move {
        let log = Log::default();
        let _node = worker(&world, "a", &log).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        world.network().inject("client-1", "a", Faults::default().refuse(true));
        let error = work(&client, 1, 0).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No);
        assert!(error.is_retryable());
        assert!(crate::Error::from(error).report().contains("cannot connect to memory:a: refused"));
    });
}

#[test]
fn calls_are_made_again_after_a_partition_has_healed() {
    World::run(|world| async move {
        let (node, client, _) = pair(&world).await;
        world.partition(&client, &node);
        work(&client, 1, 0).await.unwrap_err();
        world.advance(millis(60_000)).await;
        world.heal(&client, &node);
        // The longest pause between two attempts to connect, and the time an attempt is given.
        world.advance(millis(10_000)).await;
        let before = world.elapsed();
        assert_eq!(work(&client, 2, 0).await.unwrap().id, 2);
        assert_eq!(world.elapsed(), before);
        assert_eq!(node.connections(), 1);
    });
}

#[test]
fn a_corrupted_message_ends_its_own_connection_only_and_says_why() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        let other = world.system("other").start().await.unwrap();
        let untouched = spawn_work(&other, 1, 2000);
        world.advance(millis(10)).await;
        world.faults(&client, &node, Faults::default().corrupt(1.0));
        let error = work(&client, 2, 0).await.unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe);
        let report = crate::Error::from(error).report();
        assert!(report.contains("a message was corrupted"), "{report}");
        assert_eq!(untouched.await.unwrap().unwrap().id, 1);
        assert_eq!(log.count("started 2"), 0);
    });
}

#[test]
fn a_corrupted_reply_ends_the_connection_and_the_next_call_makes_a_new_one() {
    World::run(|world| async move {
        let (node, client, _) = pair(&world).await;
        world.faults(&node, &client, Faults::default().corrupt(1.0));
        let error = work(&client, 1, 0).await.unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe);
        world.faults(&node, &client, Faults::default());
        world.advance(millis(1000)).await;
        assert_eq!(work(&client, 2, 0).await.unwrap().id, 2);
    });
}

#[test]
fn replies_find_their_calls_whatever_happens_on_the_way() {
    for seed in 0..20 {
        World::run_seeded(seed, |world| async move {
            let (node, client, log) = pair(&world).await;
            let faults = Faults::default().delay(millis(5)).jitter(millis(50)).reorder(0.3);
            world.faults(&client, &node, faults.drop(0.02));
            world.faults(&node, &client, faults.drop(0.02));
            let calls = join_all((0..500).map(|id| work(&client, id, u64::from(id % 7) * 10)));
            let mut answered = 0;
            for (id, done) in (0..500).zip(calls.await) {
                match done {
                    Ok(done) => {
                        assert_eq!(done.id, id);
                        answered += 1;
                    }
                    Err(error) => assert_eq!(error.executed(), Executed::Maybe, "{error}"),
                }
                assert!(log.count(&format!("started {id}")) <= 500);
            }
            assert!(answered > 400, "only {answered} were answered");
            for id in 0..500 {
                let line = format!("started {id}");
                let times = log.lines().iter().filter(|known| **known == line).count();
                assert!(times <= 1, "{id} was executed {times} times");
            }
        });
    }
}

#[test]
fn an_isolated_node_is_forgotten_and_comes_back_when_it_rejoins() {
    World::run(|world| async move {
        let log = Log::default();
        let node = worker(&world, "a", &log).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        work(&client, 1, 0).await.unwrap();
        world.isolate(&node);
        world.advance(millis(31_000)).await;
        let error = work(&client, 2, 0).await.unwrap_err();
        assert!(matches!(error, CallError::NotFound { .. }), "{error}");
        world.rejoin(&node);
        world.advance(millis(15_000)).await;
        assert_eq!(work(&client, 3, 0).await.unwrap().id, 3);
    });
}
