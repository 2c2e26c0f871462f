//! A publisher that writes down what it is told of each event.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use callboard::prelude::*;
use callboard::{Published, TopicRef};
use tokio::time::sleep;

use super::listener::Entry;
use super::now;

/// A publisher's orders; its settings are in the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Publisher {
    /// Events under way at the same time.
    pub(crate) places: usize,
    /// Whether an event that failed is published again.
    pub(crate) repeats: bool,
    /// It publishes until this file is there.
    pub(crate) stop: PathBuf,
    /// The file that gets a [`Told`] in each line.
    pub(crate) journal: PathBuf,
}

/// What a publisher was told of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) id: u64,
    /// Since the epoch.
    pub(crate) begun: Duration,
    pub(crate) acknowledged: u32,
    pub(crate) failed: u32,
    pub(crate) refused: u32,
}

impl Publisher {
    pub(crate) fn run(self) -> Result<(), callboard::Error> {
        actix::System::new().block_on(self.publish_all())
    }

    async fn publish_all(self) -> Result<(), callboard::Error> {
        let system = ServiceSystem::new("ledger.publisher").start().await?;
        let journal = File::options().append(true).create(true).open(&self.journal);
        let desk = Rc::new(Desk {
            entries: system.topic(),
            journal: journal.expect("the scenario's directory exists"),
            next: Cell::new(1),
            orders: self,
        });
        let places = (0..desk.orders.places).map(|_| actix::spawn(Rc::clone(&desk).publish()));
        for place in places.collect::<Vec<_>>() {
            place.await.expect("no publisher panics")?;
        }
        system.stop().await;
        Ok(())
    }
}

struct Desk {
    entries: TopicRef<Entry>,
    journal: File,
    next: Cell<u64>,
    orders: Publisher,
}

impl Desk {
    /// Publishes one event after the other.
    async fn publish(self: Rc<Self>) -> Result<(), callboard::Error> {
        while !self.orders.stop.exists() {
            let id = self.next.replace(self.next.get() + 1);
            let mut told = self.publish_one(id).await?;
            while self.orders.repeats && told.failed > 0 {
                told = self.publish_one(id).await?;
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn publish_one(&self, id: u64) -> Result<Published, callboard::Error> {
        let begun = now();
        let told = self.entries.publish(&Entry { id }).timeout(PATIENCE).await?;
        let Published { acknowledged, failed, refused } = told;
        let line = Told { id, begun, acknowledged, failed, refused };
        let mut line = serde_json::to_string(&line).expect("it is plain data");
        line.push('\n');
        (&self.journal).write_all(line.as_bytes()).expect("the disk has room");
        Ok(told)
    }
}

/// Keeps the journals short.
const PAUSE: Duration = Duration::from_millis(10);

/// Longer than any scenario: what is never answered ends with the connection.
const PATIENCE: Duration = Duration::from_secs(300);
