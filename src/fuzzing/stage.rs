//! A node that lives between two inputs, and connections to it on which anything may be sent.

use std::time::Duration;

use actix::prelude::{Actor, Handler, ResponseFuture};
use actix_rt::{System, SystemRunner};
use callboard_actors::registry::MemoryRegistry;
use callboard_actors::{Context, Status};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use crate::request::{Reply, Request};
use crate::stream::Streaming;
use crate::system::ServiceSystem;
use crate::transport::pipe::PipeTransport;

/// What everybody asks a greeter.
#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = Greeting, crate = crate)]
pub(super) struct Hello {
    pub(super) name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    greeting: String,
}

/// A conversation in which everything is said twice.
#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(stream, name = "Greeter.Chat", item = String, reply = String, crate = crate)]
struct Chat;

#[derive(Default)]
struct Greeter;

impl Actor for Greeter {
    type Context = Context<Self>;
}

impl Handler<Request<Hello>> for Greeter {
    type Result = Reply<Hello>;

    fn handle(&mut self, request: Request<Hello>, _: &mut Context<Self>) -> Reply<Hello> {
        Ok(request.greeting())
    }
}

impl Handler<Streaming<Chat>> for Greeter {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut chat: Streaming<Chat>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            while let Some(said) = chat.recv().await? {
                chat.send(said.clone()).await?;
                chat.send(said).await?;
            }
            Ok(())
        })
    }
}

impl Hello {
    pub(super) fn greeting(&self) -> Greeting {
        Greeting { greeting: format!("Hello {}", self.name) }
    }
}

/// A greeter behind pipes, on paused time: a wait for what never comes is over at once.
pub(super) struct Stage {
    runner: SystemRunner,
    pipes: PipeTransport,
    system: ServiceSystem,
}

/// Whether the node has to end a connection whose client says nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// After a while.
    Ends,
    /// Not while a stream is open on it, whose client may have nothing to say for long.
    MayLast,
}

/// What came back on a connection.
pub(super) struct Heard {
    pub(super) bytes: Vec<u8>,
    /// When nothing more was going to come, before the node closed the connection.
    pub(super) at_once: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        let runner = System::with_tokio_rt(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build();
            runtime.expect("a runtime of one thread that opens no files can be made")
        });
        let pipes = PipeTransport::default();
        let builder = ServiceSystem::new("greeter")
            .without_environment()
            .registry(MemoryRegistry::new())
            .transport(pipes.clone())
            .handler(Greeter::default, |h| h.request::<Hello>().stream::<Chat>())
            .configure(|config| config.arbiters = Some(1));
        let system = runner.block_on(builder.start()).expect("a node in memory starts");
        Self { runner, pipes, system }
    }

    /// Sends bytes on a connection of their own, and hears what comes until the node closes it.
    pub(super) fn say(&self, bytes: &[u8], silence: Silence) -> Heard {
        self.runner.block_on(async {
            let address = &self.system.node().address;
            let mut stream = self.pipes.open(address).await.expect("the node listens");
            let mut heard = Vec::new();
            // All of it, and whatever is answered at once; the pipe may be too small for both.
            let (mut near, mut far) = tokio::io::split(&mut stream);
            let sending = async {
                // A node may have heard enough before the end.
                let _closed = far.write_all(bytes).await;
                let _closed = far.flush().await;
            };
            let hearing = timeout(AT_ONCE, near.read_to_end(&mut heard));
            let ((), ended) = tokio::join!(sending, hearing);
            let at_once = heard.len();
            if ended.is_err() {
                let is_over = rest(&mut stream, &mut heard).await;
                assert!(
                    is_over || silence == Silence::MayLast,
                    "open after {LONGEST:?} of silence"
                );
            }
            Heard { bytes: heard, at_once }
        })
    }
}

/// Hears on until the node closes the connection, if it does.
async fn rest(stream: &mut DuplexStream, heard: &mut Vec<u8>) -> bool {
    timeout(LONGEST, stream.read_to_end(heard)).await.is_ok()
}

/// When the clock moves, everybody waits: whatever could be answered without waiting has been.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A node closes a connection on which nothing happens after three minutes.
const LONGEST: Duration = Duration::from_secs(200);
