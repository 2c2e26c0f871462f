//! Streams: ends in every order, credit, draining.

use std::sync::atomic::{AtomicUsize, Ordering};

use callboard_actors::Status;
use callboard_actors::stream::StreamWindow;
use callboard_actors::supervisor::Exit;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;

use super::*;
use crate::stream::{StreamCall, Streaming};
use crate::{CallError, Executed};

/// What the handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    /// Answers each item, until the client ends.
    Echo,
    /// Sends this many items and ends.
    Count(u64),
    /// Adds the items up and sends the sum.
    Sum,
    /// Fails after the first item.
    Fail,
    /// Panics after the first item.
    Panic,
    /// Panics before it has begun.
    PanicAtOnce,
    /// Ends after the first item.
    First,
    /// Takes nothing until it is told to, then all.
    Wait,
}

#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(stream, name = "Talker.Talk", item = Vec<u8>, reply = u64, crate = crate)]
struct Talk(Act);

#[derive(Clone, Default)]
struct Shared {
    log: Arc<Mutex<Vec<String>>>,
    go: Arc<Notify>,
    sent: Arc<AtomicUsize>,
}

impl Shared {
    fn note(&self, line: &str) {
        self.log.lock().push(line.to_owned());
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().clone()
    }
}

struct Talker(Shared);

impl Actor for Talker {
    type Context = Context<Self>;
}

/// Writes down that a handler's future is gone.
struct Leaves(Shared);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.note("left");
    }
}

impl Handler<Streaming<Talk>> for Talker {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, stream: Streaming<Talk>, _: &mut Context<Self>) -> Self::Result {
        assert!(stream.0 != Act::PanicAtOnce, "as it was told");
        let leaves = Leaves(self.0.clone());
        Box::pin(async move {
            let result = talk(stream, &leaves.0).await;
            leaves.0.note(&format!("{result:?}"));
            result
        })
    }
}

async fn talk(mut stream: Streaming<Talk>, shared: &Shared) -> Result<(), Status> {
    match stream.0 {
        Act::Echo => {
            while let Some(item) = stream.recv().await? {
                stream.send(item.len() as u64).await?;
            }
        }
        Act::Count(count) => {
            for number in 0..count {
                stream.send(number).await?;
                shared.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        Act::Sum => {
            let mut sum = 0;
            while let Some(item) = stream.next().await {
                sum += item?.len() as u64;
            }
            stream.send(sum).await?;
        }
        Act::Fail => {
            stream.recv().await?;
            stream.send(1).await?;
            return Err(Status::new("talker", 418, "as it was told"));
        }
        Act::Panic => {
            stream.recv().await?;
            panic!("as it was told");
        }
        Act::PanicAtOnce => {}
        Act::First => {
            stream.recv().await?;
        }
        Act::Wait => {
            shared.go.notified().await;
            let mut count = 0;
            while stream.recv().await?.is_some() {
                count += 1;
            }
            stream.send(count).await?;
        }
    }
    Ok(())
}

fn talker(world: &World, id: &str, shared: &Shared) -> SystemBuilder {
    let shared = shared.clone();
    world.node("talker", id).handler(move || Talker(shared.clone()), |h| h.stream::<Talk>())
}

async fn talkers(world: &World) -> (ServiceSystem, ServiceSystem, Shared) {
    let shared = Shared::default();
    let node = talker(world, "a", &shared).start().await.unwrap();
    (node, world.system("client").start().await.unwrap(), shared)
}

async fn open(client: &ServiceSystem, act: Act) -> StreamCall<Talk> {
    client.service("talker").stream(Talk(act)).await.unwrap()
}

async fn rest(call: &mut StreamCall<Talk>) -> Vec<u64> {
    let mut items = Vec::new();
    while let Some(item) = call.recv().await.unwrap() {
        items.push(item);
    }
    items
}

#[test]
fn both_sides_talk_and_the_client_ends_first() {
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
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
    World::run(|world| async move {
        let (_node, client, _) = talkers(&world).await;
        let mut call = open(&client, Act::Count(1000)).await;
        assert_eq!(rest(&mut call).await, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn only_the_client_sends_and_both_end() {
    World::run(|world| async move {
        let (_node, client, _) = talkers(&world).await;
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
    World::run(|world| async move {
        let (_node, client, _) = talkers(&world).await;
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
        assert_eq!(rest(&mut again).await, [0], "the connection lives on");
    });
}

#[test]
fn a_status_comes_behind_the_items_and_once() {
    World::run(|world| async move {
        let (_node, client, _) = talkers(&world).await;
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
    World::run(|world| async move {
        let (_node, client, _) = talkers(&world).await;
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
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
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
fn a_connection_that_breaks_ends_the_stream_on_both_sides() {
    World::run(|world| async move {
        let (node, client, shared) = talkers(&world).await;
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
        let (node, client, shared) = talkers(&world).await;
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
fn middleware_wraps_a_stream_from_its_opening_to_its_end() {
    World::run(|world| async move {
        let shared = Shared::default();
        let (its, log) = (shared.clone(), shared.clone());
        let node = world.node("talker", "a").middleware(Note(log));
        let node = node.handler(move || Talker(its.clone()), |h| h.stream::<Talk>());
        let _node = node.start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
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
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
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

#[test]
fn a_slow_reader_holds_the_writer_back() {
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
        let mut call = open(&client, Act::Wait).await;
        for _ in 0..32 {
            call.send(vec![0; 10]).await.unwrap();
        }
        let late = tokio::time::timeout(millis(1000), call.send(vec![0; 10]));
        assert!(late.await.is_err(), "the thirty-third item waits for credit");
        shared.go.notify_one();
        call.send(vec![0; 10]).await.unwrap();
        call.close().await;
        assert_eq!(rest(&mut call).await, [33], "what was given up was not sent");
    });
}

#[test]
fn a_slow_reader_bounds_the_bytes_that_wait() {
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
        let mut call = open(&client, Act::Wait).await;
        call.send(vec![0; 600_000]).await.unwrap();
        call.send(vec![0; 600_000]).await.unwrap();
        let late = tokio::time::timeout(millis(1000), call.send(Vec::new()));
        assert!(late.await.is_err(), "a megabyte is under way");
        shared.go.notify_one();
        call.close().await;
        assert_eq!(rest(&mut call).await, [2]);
    });
}

#[test]
fn a_slow_client_holds_the_handler_back() {
    World::run(|world| async move {
        let (_node, client, shared) = talkers(&world).await;
        let window = StreamWindow { items: 4, ..StreamWindow::default() };
        let call = client.service("talker").stream(Talk(Act::Count(100))).window(window);
        let mut call = call.await.unwrap();
        world.advance(millis(1000)).await;
        assert_eq!(shared.sent.load(Ordering::Relaxed), 4);
        assert_eq!(call.recv().await.unwrap(), Some(0));
        assert_eq!(call.recv().await.unwrap(), Some(1));
        world.advance(millis(1000)).await;
        assert_eq!(shared.sent.load(Ordering::Relaxed), 6);
        assert_eq!(rest(&mut call).await, (2..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_drain_waits_for_streams_and_new_ones_go_elsewhere() {
    World::run(|world| async move {
        let (node, client, shared) = talkers(&world).await;
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
        let (node, client, shared) = talkers(&world).await;
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
        let (_talker, client, shared) = talkers(&world).await;
        let error = client.service("talker").send(CallTalk(Act::Echo)).await.unwrap_err();
        assert!(error.to_string().contains("the endpoint is a stream"), "{error}");
        let log = Log::default();
        let _worker = worker(&world, "w", &log).start().await.unwrap();
        let error = client.service("worker").stream(StreamWork(1)).await.unwrap_err();
        assert!(error.to_string().contains("the endpoint answers once"), "{error}");
        assert!(shared.lines().is_empty() && log.lines().is_empty());
    });
}
