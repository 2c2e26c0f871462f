//! The end of a stream, in every order.

use futures_util::{SinkExt, StreamExt};

use super::*;
use crate::{CallError, Executed};

#[test]
fn both_sides_talk_and_the_client_ends_first() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let mut call = open(&client, Act::Echo).await;
        for length in 0..200 {
            call.send(vec![0; length]).await.unwrap();
            assert_eq!(call.recv().await.unwrap(), Some(length as u64));
        }
        call.close().await;
        assert_eq!(call.recv().await.unwrap(), None);
        assert_eq!(call.recv().await.unwrap(), None, "the end stays the end");
        assert_eq!(shared.lines(), ["Ok(())", "left"]);
        let error = call.send(Vec::new()).await.unwrap_err();
        assert!(matches!(&error, CallError::Status(status) if status.code == 410), "{error}");
    });
}

#[test]
fn only_the_server_sends_and_ends_first() {
    each_way(|world, way| async move {
        let (_node, client, _) = talkers(&world, way).await;
        let mut call = open(&client, Act::Count(1000)).await;
        assert_eq!(rest(&mut call).await, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn only_the_client_sends_and_both_end() {
    each_way(|world, way| async move {
        let (_node, client, _) = talkers(&world, way).await;
        let (mut sender, mut receiver) = open(&client, Act::Sum).await.split();
        for _ in 0..500 {
            sender.feed(vec![0; 3]).await.unwrap();
        }
        SinkExt::close(&mut sender).await.unwrap();
        assert_eq!(receiver.next().await.unwrap().unwrap(), 1500);
        assert!(receiver.next().await.is_none());
    });
}

#[test]
fn the_server_ends_while_the_client_still_sends() {
    each_way(|world, way| async move {
        let (_node, client, _) = talkers(&world, way).await;
        let mut call = open(&client, Act::First).await;
        let error = loop {
            if let Err(error) = call.send(vec![1]).await {
                break error;
            }
            world.advance(millis(1)).await;
        };
        assert!(matches!(&error, CallError::Status(status) if status.code == 410), "{error}");
        assert_eq!(call.recv().await.unwrap(), None);
        let mut again = open(&client, Act::Count(1)).await;
        assert_eq!(rest(&mut again).await, [0], "others are not concerned");
    });
}

#[test]
fn a_status_comes_behind_the_items_and_once() {
    each_way(|world, way| async move {
        let (_node, client, _) = talkers(&world, way).await;
        let mut call = open(&client, Act::Fail).await;
        call.send(Vec::new()).await.unwrap();
        world.advance(millis(10)).await;
        assert_eq!(call.recv().await.unwrap(), Some(1));
        let error = call.recv().await.unwrap_err();
        assert!(matches!(&error, CallError::Status(status) if status.code == 418), "{error}");
        assert_eq!(call.recv().await.unwrap(), None);
    });
}

#[test]
fn a_panic_ends_the_stream_with_a_status() {
    each_way(|world, way| async move {
        let (_node, client, _) = talkers(&world, way).await;
        for act in [Act::Panic, Act::PanicAtOnce] {
            let mut call = open(&client, act).await;
            if act == Act::Panic {
                call.send(Vec::new()).await.unwrap();
            }
            let error = call.recv().await.unwrap_err();
            assert!(matches!(&error, CallError::Status(status) if status.code == 500), "{error}");
        }
        assert_eq!(rest(&mut open(&client, Act::Count(1)).await).await, [0]);
    });
}

#[test]
fn a_stream_that_is_dropped_is_dropped_at_the_node() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let call = open(&client, Act::Wait).await;
        world.advance(millis(5)).await;
        assert!(shared.lines().is_empty());
        drop(call);
        world.advance(millis(5)).await;
        assert_eq!(shared.lines(), ["left"]);
        drop(open(&client, Act::Echo).await);
        world.advance(millis(5)).await;
        assert_eq!(shared.lines(), ["left", "left"], "not taken for an end in order");
    });
}

#[test]
fn middleware_wraps_a_stream_from_its_opening_to_its_end() {
    each_way(|world, way| async move {
        let shared = Shared::default();
        let (its, log) = (shared.clone(), shared.clone());
        let node = world.node("talker", "a").middleware(Note(log));
        let node = node.handler(move || Talker(its.clone()), |h| h.stream::<Talk>());
        let node = node.start().await.unwrap();
        let client = match way {
            Way::Remote => world.system("client").start().await.unwrap(),
            Way::Local => node,
        };
        let refused = client.service("talker").stream(Talk(Act::Echo)).await.unwrap_err();
        assert!(matches!(&refused, CallError::Status(status) if status.code == 401), "{refused}");
        let stream = client.service("talker").stream(Talk(Act::Echo)).metadata("token", "x");
        let mut call = stream.await.unwrap();
        call.send(vec![0; 3]).await.unwrap();
        assert_eq!(call.recv().await.unwrap(), Some(3));
        call.close().await;
        assert_eq!(call.recv().await.unwrap(), None);
        let dropped = client.service("talker").stream(Talk(Act::Echo)).metadata("token", "x");
        drop(dropped.await.unwrap());
        world.advance(millis(5)).await;
        let ended = ["begins", "Ok(())", "left", "ends"];
        assert_eq!(shared.lines(), [&ended[..], &["begins", "left"]].concat());
    });
}

/// Lets in who has a token, and writes down that it did.
struct Note(Shared);

impl crate::middleware::Middleware for Note {
    fn call<'a>(
        &'a self,
        call: &'a mut crate::middleware::CallInfo,
        next: crate::middleware::Next<'a>,
    ) -> crate::middleware::Outcome<'a> {
        Box::pin(async move {
            if call.metadata.value("token").is_none() {
                return Err(Status::new("door", 401, "no token").into());
            }
            self.0.note("begins");
            let result = next.run(call).await;
            self.0.note("ends");
            result
        })
    }
}

#[test]
fn a_stream_has_no_deadline_but_the_one_it_is_given() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let mut endless = open(&client, Act::Echo).await;
        let limited = client.service("talker").stream(Talk(Act::Echo)).timeout(millis(700));
        let mut limited = limited.await.unwrap();
        let error = limited.recv().await.unwrap_err();
        assert_eq!(world.elapsed(), millis(700));
        assert!(matches!(error, CallError::Timeout { executed: Executed::Maybe, .. }), "{error}");
        assert_eq!(limited.recv().await.unwrap(), None);
        world.advance(millis(60_000)).await;
        assert_eq!(shared.lines(), ["left"], "at the node too");
        endless.send(vec![0; 9]).await.unwrap();
        assert_eq!(endless.recv().await.unwrap(), Some(9));
    });
}
