//! Streams between nodes: broken connections, drains, and what is called the wrong way.

use callboard_actors::supervisor::Exit;

use super::*;
use crate::{CallError, Executed};

#[test]
fn a_connection_that_breaks_ends_the_stream_on_both_sides() {
    World::run(|world| async move {
        let (node, client, shared) = talkers(&world, Way::Remote).await;
        let (mut sender, mut receiver) = open(&client, Act::Wait).await.split();
        while let Ok(sent) = tokio::time::timeout(millis(10), sender.send(vec![1])).await {
            sent.unwrap();
        }
        let blocked = actix_rt::spawn(async move { sender.send(vec![1]).await });
        world.advance(millis(10)).await;
        world.sever(&client, &node);
        let error = receiver.recv().await.unwrap_err();
        assert!(
            matches!(error, CallError::Connection { executed: Executed::Maybe, .. }),
            "{error}"
        );
        assert!(receiver.recv().await.unwrap().is_none(), "it is told once");
        assert!(blocked.await.unwrap().is_err(), "who waits for credit is told too");
        world.advance(millis(10)).await;
        assert_eq!(shared.lines(), ["left"]);
    });
}

#[test]
fn a_silent_partition_ends_a_stream_within_three_seconds() {
    World::run(|world| async move {
        let (node, client, shared) = talkers(&world, Way::Remote).await;
        let mut call = open(&client, Act::Echo).await;
        world.advance(millis(60_000)).await;
        let latest = world.elapsed() + millis(3600);
        world.partition(&client, &node);
        let error = call.recv().await.unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe, "{error}");
        assert!(world.elapsed() <= latest, "{:?}", world.elapsed());
        world.advance(millis(3600)).await;
        assert_eq!(shared.lines(), ["left"]);
    });
}

#[test]
fn a_drain_waits_for_streams_and_new_ones_go_elsewhere() {
    each_way(|world, way| async move {
        let (node, client, shared) = talkers(&world, way).await;
        let mut old = open(&client, Act::Echo).await;
        let other = Shared::default();
        let second = talker(&world, "b", &other).start().await.unwrap();
        world.advance(millis(10)).await;
        let stop = actix_rt::spawn({
            let node = node.clone();
            async move { node.stop().await }
        });
        world.advance(millis(2000)).await;
        assert!(!stop.is_finished());
        let new = open(&client, Act::Echo).await;
        assert_eq!(new.node(), second.node().address);
        drop(new);
        old.send(vec![0; 7]).await.unwrap();
        assert_eq!(old.recv().await.unwrap(), Some(7), "an accepted one goes on");
        old.close().await;
        assert_eq!(old.recv().await.unwrap(), None);
        assert_eq!(stop.await.unwrap(), Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(2010));
        assert_eq!(shared.lines(), ["Ok(())", "left"]);
    });
}

#[test]
fn the_drain_time_ends_a_stream_and_its_client_is_told() {
    World::run(|world| async move {
        let (node, client, shared) = talkers(&world, Way::Remote).await;
        let mut call = open(&client, Act::Echo).await;
        assert_eq!(node.stop().await, Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(500 + 10_000));
        let error = call.recv().await.unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe, "{error}");
        assert_eq!(call.recv().await.unwrap(), None);
        assert_eq!(shared.lines(), ["left"]);
    });
}

#[test]
fn a_call_of_a_stream_is_refused_and_so_is_the_reverse() {
    /// The stream's name, for a call.
    #[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
    #[endpoint(name = "Talker.Talk", reply = u64, crate = crate)]
    struct CallTalk(Act);

    /// The name of what is called, for a stream.
    #[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
    #[endpoint(stream, name = "Worker.Work", item = (), reply = (), crate = crate)]
    struct StreamWork(u32);

    World::run(|world| async move {
        let (_talker, client, shared) = talkers(&world, Way::Remote).await;
        let error = client.service("talker").send(CallTalk(Act::Echo)).await.unwrap_err();
        assert!(error.to_string().contains("the endpoint is a stream"), "{error}");
        let log = Log::default();
        let _worker = worker(&world, "w", &log).start().await.unwrap();
        let error = client.service("worker").stream(StreamWork(1)).await.unwrap_err();
        assert!(error.to_string().contains("the endpoint answers once"), "{error}");
        assert!(shared.lines().is_empty() && log.lines().is_empty());
    });
}
