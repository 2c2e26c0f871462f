//! A server that writes down what it executes.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use callboard::prelude::*;

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
        let executed = File::options().append(true).create(true).open(&self.executed);
        let executed = Arc::new(executed.expect("the scenario's directory exists"));
        let node = self.node;
        let ledger = move || Ledger { node: node.clone(), executed: Arc::clone(&executed) };
        ServiceSystem::new("ledger")
            .handler(ledger, |h| {
                h.request::<Once>()
                    .concurrency(self.concurrency)
                    .request::<Again>()
                    .concurrency(self.concurrency)
                    .queue(self.queue)
            })
            .run()
    }
}

struct Ledger {
    node: String,
    executed: Arc<File>,
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
