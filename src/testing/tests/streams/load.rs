//! Open streams count: for the choice of a node, and for the limits of the one chosen.

use callboard_actors::selector::Strategy;

use super::*;
use crate::{CallError, Executed};

#[test]
fn open_streams_count_as_load_of_their_node() {
    World::run(|world| async move {
        let (first, client, shared) = talkers(&world, Way::Remote).await;
        let _second = talker(&world, "b", &shared).start().await.unwrap();
        let service = client.service("talker");
        let open = async || {
            let stream = service.stream(Talk(Act::Echo)).strategy(Strategy::LeastInFlight);
            stream.await.unwrap()
        };
        let mut open_ones = Vec::new();
        for _ in 0..10 {
            open_ones.push(open().await);
        }
        let (at_first, at_second): (Vec<_>, Vec<_>) =
            open_ones.into_iter().partition(|call| call.node() == first.node().address);
        assert_eq!((at_first.len(), at_second.len()), (5, 5));
        drop(at_first);
        world.advance(millis(5)).await;
        for _ in 0..5 {
            // Leaked streams would be seen here: each of them goes where there are fewer.
            open_ones = vec![open().await];
            assert_eq!(open_ones[0].node(), first.node().address);
        }
    });
}

#[test]
fn a_stream_that_lasted_long_does_not_make_its_node_look_slow() {
    World::run(|world| async move {
        let (first, client, shared) = talkers(&world, Way::Remote).await;
        let mut call = open(&client, Act::Echo).await;
        world.advance(millis(60_000)).await;
        call.close().await;
        assert_eq!(call.recv().await.unwrap(), None);
        let second = talker(&world, "b", &shared).start().await.unwrap();
        world.advance(millis(20_000)).await;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..50 {
            seen.insert(rest_of(&client, Act::Count(1)).await);
        }
        let both = [first.node().address.clone(), second.node().address.clone()];
        assert_eq!(seen, both.into(), "both are chosen by latency and load");
    });
}

async fn rest_of(client: &ServiceSystem, act: Act) -> String {
    let mut call = open(client, act).await;
    rest(&mut call).await;
    call.node().to_owned()
}

#[test]
fn a_stream_takes_a_place_of_its_endpoint_until_it_ends() {
    each_way(|world, way| async move {
        let shared = Shared::default();
        let its = shared.clone();
        let node = world
            .node("talker", "a")
            .handler(move || Talker(its.clone()), |h| h.stream::<Talk>().concurrency(2).queue(1));
        let node = node.start().await.unwrap();
        let client = match way {
            Way::Remote => world.system("client").start().await.unwrap(),
            Way::Local => node,
        };
        let (first, _second) = (open(&client, Act::Echo).await, open(&client, Act::Echo).await);
        let third = actix_rt::spawn(client.service("talker").stream(Talk(Act::Echo)).into_future());
        world.advance(millis(10)).await;
        assert!(!third.is_finished(), "it waits in the queue");
        let fourth = client.service("talker").stream(Talk(Act::Echo)).retries(0).await;
        assert!(matches!(fourth, Err(CallError::Overloaded { .. })), "the queue is full");
        drop(first);
        assert!(third.await.unwrap().is_ok());
    });
}

#[test]
fn a_stream_takes_a_place_of_its_connection_until_it_ends() {
    World::run(|world| async move {
        let shared = Shared::default();
        let node = talker(&world, "a", &shared);
        let _node = node.options(|it| it.acceptor.max_in_flight = 2).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let stream = || client.service("talker").stream(Talk(Act::Echo)).retries(0);
        let (first, _second) = (stream().await.unwrap(), stream().await.unwrap());
        let refused = stream().open_timeout(millis(100)).await.unwrap_err();
        assert_eq!(refused.executed(), Executed::No, "{refused}");
        drop(first);
        world.advance(millis(10)).await;
        assert!(stream().await.is_ok());
    });
}
