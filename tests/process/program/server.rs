//! A server that writes down what it executes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use callboard::prelude::*;

use super::talker::{ITEM, Talk};
use super::{Again, Once, now};

/// A server's orders; its settings are flags.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Server {
    /// What it answers, so that callers know who did.
    pub(crate) node: String,
    /// The file that gets a line for each request: id, and microseconds since the epoch.
    pub(crate) executed: PathBuf,
    /// Requests handled at the same time.
    pub(crate) concurrency: usize,
    /// Requests that may wait.
    pub(crate) queue: usize,
}

impl Server {
    pub(crate) fn run(self) -> Result<(), callboard::Error> {
        let open = |path: &Path| {
            let file = File::options().append(true).create(true).open(path);
            Arc::new(file.expect("the scenario's directory exists"))
        };
        let executed = open(&self.executed);
        let streams = open(&self.executed.with_extension("streams"));
        let node = self.node;
        let ledger = move || Ledger {
            node: node.clone(),
            executed: Arc::clone(&executed),
            streams: Arc::clone(&streams),
        };
        ServiceSystem::new("ledger")
            .handler(ledger, |h| {
                h.request::<Once>()
                    .concurrency(self.concurrency)
                    .request::<Again>()
                    .concurrency(self.concurrency)
                    .stream::<Talk>()
                    .concurrency(self.concurrency)
                    .queue(self.queue)
            })
            .run()
    }
}

struct Ledger {
    node: String,
    executed: Arc<File>,
    /// Gets a line when a stream begins, and one when its handler is gone.
    streams: Arc<File>,
}

impl Actor for Ledger {
    type Context = Context<Self>;
}

impl Handler<Request<Once>> for Ledger {
    type Result = ResponseFuture<Reply<Once>>;

    fn handle(&mut self, request: Request<Once>, _: &mut Context<Self>) -> Self::Result {
        self.execute(request.id, request.work)
    }
}

impl Handler<Request<Again>> for Ledger {
    type Result = ResponseFuture<Reply<Again>>;

    fn handle(&mut self, request: Request<Again>, _: &mut Context<Self>) -> Self::Result {
        self.execute(request.id, request.work)
    }
}

impl Ledger {
    fn execute(&self, id: u64, work: Duration) -> ResponseFuture<Result<String, Status>> {
        // One write, so that not even a kill leaves half a line.
        let line = format!("{id} {}\n", now().as_micros());
        (&*self.executed).write_all(line.as_bytes()).expect("the disk has room");
        let node = self.node.clone();
        Box::pin(async move {
            if !work.is_zero() {
                tokio::time::sleep(work).await;
            }
            Ok(node)
        })
    }
}

impl Handler<Streaming<Talk>> for Ledger {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, mut stream: Streaming<Talk>, _: &mut Context<Self>) -> Self::Result {
        let stays = Stays::new(&self.streams);
        Box::pin(async move {
            let _stays = stays;
            match *stream {
                Talk::Echo => {
                    while let Some(item) = stream.recv().await? {
                        stream.send(item).await?;
                    }
                    Ok(())
                }
                Talk::Deaf => loop {
                    stream.send("x".repeat(ITEM)).await?;
                },
            }
        })
    }
}

/// Writes down for how long a handler has to do with a stream.
struct Stays(Arc<File>);

impl Stays {
    fn new(file: &Arc<File>) -> Self {
        (&**file).write_all(b"begun\n").expect("the disk has room");
        Self(Arc::clone(file))
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        (&*self.0).write_all(b"left\n").expect("the disk has room");
    }
}
