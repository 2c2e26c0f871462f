//! A subscriber that writes down what it hears.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use callboard::prelude::*;

/// What is published.
#[derive(Debug, Serialize, Deserialize, Topic)]
#[topic(name = "ledger.entry")]
pub(crate) struct Entry {
    pub(crate) id: u64,
}

/// A subscriber's orders; its settings are flags.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listener {
    /// Its queue group.
    pub(crate) group: Option<String>,
    /// How many events it handles; it hears further ones and never comes to an end with them.
    pub(crate) handles: usize,
    /// The file that gets a line when an event is heard, and one when it has been handled.
    pub(crate) journal: PathBuf,
}

impl Listener {
    pub(crate) fn run(self) -> Result<(), callboard::Error> {
        let journal = File::options().append(true).create(true).open(&self.journal);
        let journal = Arc::new(journal.expect("the scenario's directory exists"));
        let handles = self.handles;
        let bookkeeper = move || Bookkeeper { handles, heard: 0, journal: Arc::clone(&journal) };
        ServiceSystem::new("ledger.listener")
            .handler(bookkeeper, |h| match &self.group {
                Some(group) => h.event::<Entry>().group(group),
                None => h.event::<Entry>(),
            })
            .run()
    }
}

struct Bookkeeper {
    handles: usize,
    heard: usize,
    journal: Arc<File>,
}

impl Actor for Bookkeeper {
    type Context = Context<Self>;
}

impl Handler<Event<Entry>> for Bookkeeper {
    type Result = ResponseFuture<Result<(), Status>>;

    fn handle(&mut self, entry: Event<Entry>, _: &mut Context<Self>) -> Self::Result {
        self.heard += 1;
        let is_handled = self.heard <= self.handles;
        let (id, journal) = (entry.id, Arc::clone(&self.journal));
        // One write each, so that not even a kill leaves half a line.
        let note = move |what| {
            (&*journal).write_all(format!("{what} {id}\n").as_bytes()).expect("the disk has room");
        };
        note("heard");
        Box::pin(async move {
            if !is_handled {
                std::future::pending::<()>().await;
            }
            note("handled");
            Ok(())
        })
    }
}
