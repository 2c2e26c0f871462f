//! Streams: what both sides see, wherever they are.

mod codecs;
mod credit;
mod ends;
mod load;
mod local;
mod network;

use std::future::{Future, IntoFuture};
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard_actors::Status;
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::*;
use crate::stream::{StreamCall, Streaming};

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

/// Where the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On another node.
    Remote,
    /// In the handler's own process.
    Local,
}

/// Runs a test with a client on another node, and once more with one beside the handler.
fn each_way<F: Future<Output = ()>>(test: impl Fn(World, Way) -> F) {
    for way in [Way::Remote, Way::Local] {
        World::run(|world| test(world, way));
    }
}

/// A node and a client, which are one and the same for a local way.
async fn talkers(world: &World, way: Way) -> (ServiceSystem, ServiceSystem, Shared) {
    let shared = Shared::default();
    let node = talker(world, "a", &shared).start().await.unwrap();
    let client = match way {
        Way::Remote => world.system("client").start().await.unwrap(),
        Way::Local => node.clone(),
    };
    (node, client, shared)
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
