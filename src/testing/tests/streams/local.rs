//! Streams within a process: when the short cut is taken, and when it is not.

use callboard_actors::supervisor::Exit;

use super::*;
use crate::{CallError, Executed};

#[test]
fn a_stream_in_the_same_process_opens_no_connection_and_looks_nothing_up() {
    World::run(|world| async move {
        let (node, _, shared) = talkers(&world, Way::Local).await;
        let mut call = open(&node, Act::Echo).await;
        call.send(vec![0; 4]).await.unwrap();
        assert_eq!(call.recv().await.unwrap(), Some(4));
        assert_eq!(call.node(), node.node().address);
        call.close().await;
        assert_eq!(call.recv().await.unwrap(), None);
        assert_eq!((node.connections(), world.registry().lookups()), (0, 0));
        assert_eq!(shared.lines(), ["Ok(())", "left"]);
    });
}

#[test]
fn a_stream_that_must_not_be_local_or_names_a_node_goes_over_a_connection() {
    World::run(|world| async move {
        let (node, _, _) = talkers(&world, Way::Local).await;
        let stream = || node.service("talker").stream(Talk(Act::Count(2)));
        for (stream, connections) in [
            (stream().node(node.node().address.clone()).local(true), 0),
            (stream().local(false), 1),
        ] {
            assert_eq!(rest(&mut stream.await.unwrap()).await, [0, 1]);
            assert_eq!(node.connections(), connections);
        }
        let named = stream().node(node.node().address.clone()).await.unwrap();
        assert_eq!(named.node(), node.node().address);
        assert_eq!(node.connections(), 2, "one to the service's node, one to the address");
    });
}

#[test]
fn the_drain_time_ends_an_own_stream() {
    World::run(|world| async move {
        let (node, _, shared) = talkers(&world, Way::Local).await;
        let mut call = open(&node, Act::Echo).await;
        assert_eq!(node.stop().await, Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(500 + 10_000));
        let error = call.recv().await.unwrap_err();
        assert!(matches!(&error, CallError::Status(status) if status.code == 500), "{error}");
        assert_eq!(call.recv().await.unwrap(), None);
        assert!(call.send(Vec::new()).await.is_err());
        assert_eq!(shared.lines(), ["left"]);
    });
}

#[test]
fn a_full_queue_sends_own_streams_elsewhere_if_they_may_be_repeated() {
    World::run(|world| async move {
        let shared = Shared::default();
        let node = world.node("talker", "a").handler(
            {
                let shared = shared.clone();
                move || Talker(shared.clone())
            },
            |h| h.stream::<Talk>().concurrency(1).queue(1),
        );
        let node = node.start().await.unwrap();
        let _running = open(&node, Act::Echo).await;
        let opening = || node.service("talker").stream(Talk(Act::Count(1)));
        let queued = actix_rt::spawn(opening().open_timeout(millis(800)).into_future());
        world.advance(millis(1)).await;
        let refused = opening().retries(0).await.unwrap_err();
        assert!(matches!(refused, CallError::Overloaded { .. }), "{refused}");
        let second = talker(&world, "b", &Shared::default()).start().await.unwrap();
        world.advance(millis(10)).await;
        let mut elsewhere = opening().retries(20).await.unwrap();
        assert_eq!(elsewhere.node(), second.node().address);
        assert_eq!(rest(&mut elsewhere).await, [0]);
        let late = queued.await.unwrap().unwrap_err();
        assert!(matches!(late, CallError::Timeout { executed: Executed::Maybe, .. }), "{late}");
        assert_eq!(world.elapsed(), millis(800), "nobody took it in time");
        assert!(shared.lines().is_empty(), "what was given up was never begun");
    });
}

#[test]
fn what_opens_a_stream_that_is_given_up_is_dropped_from_the_queue() {
    World::run(|world| async move {
        let (node, _, shared) = {
            let shared = Shared::default();
            let its = shared.clone();
            let node = world.node("talker", "a");
            let node = node
                .handler(move || Talker(its.clone()), |h| h.stream::<Talk>().concurrency(1))
                .start()
                .await
                .unwrap();
            (node.clone(), node, shared)
        };
        let mut first = open(&node, Act::Echo).await;
        let second = actix_rt::spawn({
            let talker = node.service("talker");
            async move { talker.stream(Talk(Act::Count(3))).await }
        });
        world.advance(millis(10)).await;
        second.abort();
        world.advance(millis(10)).await;
        first.close().await;
        assert_eq!(first.recv().await.unwrap(), None);
        world.advance(millis(10)).await;
        assert_eq!(shared.sent.load(Ordering::Relaxed), 0);
        assert_eq!(shared.lines(), ["Ok(())", "left"]);
        assert_eq!(rest(&mut open(&node, Act::Count(1)).await).await, [0], "its place is free");
    });
}
