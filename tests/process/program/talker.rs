//! A client that holds many streams open and writes down how each of them ended.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use callboard::actors::client::CallError;
use callboard::prelude::*;
use callboard::stream::{CallReceiver, CallSender};
use callboard::{Executed, StreamCall};
use tokio::time::{Instant, sleep};

use super::now;

/// A stream whose items come back, or are not even taken.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Endpoint)]
#[endpoint(stream, name = "Ledger.Talk", item = String, reply = String)]
pub(crate) enum Talk {
    /// Each item comes back.
    Echo,
    /// Neither side takes anything, and both send as much as they may.
    Deaf,
}

/// A client's orders; its settings are in the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Talker {
    pub(crate) service: String,
    /// Streams open at the same time; the connection has room for no more.
    pub(crate) streams: u32,
    pub(crate) talk: Talk,
    /// Streams one after the other in each place. Those of the last round end in order, those of
    /// the rounds before when the server does.
    pub(crate) rounds: u32,
    /// The file that gets an [`Event`] in each line.
    pub(crate) journal: PathBuf,
}

/// What became of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Enough items have gone both ways, or none can go any more.
    Warm {
        round: u32,
    },
    Ended(Ending),
}

/// How a stream ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) round: u32,
    /// Items received before.
    pub(crate) items: usize,
    /// What `recv` said from the end on: an error's "Maybe", "Yes" or "No", or "end".
    pub(crate) ends: Vec<String>,
    /// Whether the sending half failed, too.
    pub(crate) has_sender_failed: bool,
    /// Since the epoch.
    pub(crate) at: Duration,
}

impl Talker {
    pub(crate) fn run(self) -> Result<(), callboard::Error> {
        actix::System::new().block_on(self.talk_all())
    }

    async fn talk_all(self) -> Result<(), callboard::Error> {
        let room = self.streams;
        let system = ServiceSystem::new("ledger.talker")
            .options(|options| options.caller.connection.max_in_flight = room);
        let system = system.start().await?;
        let journal = File::options().append(true).create(true).open(&self.journal);
        let desk = Rc::new(Desk {
            ledger: system.service(&self.service),
            journal: journal.expect("the scenario's directory exists"),
            orders: self,
        });
        let places = (0..room).map(|_| actix::spawn(Rc::clone(&desk).talk()));
        for place in places.collect::<Vec<_>>() {
            place.await.expect("no stream panics")?;
        }
        system.stop().await;
        Ok(())
    }
}

struct Desk {
    ledger: ServiceRef,
    journal: File,
    orders: Talker,
}

impl Desk {
    async fn talk(self: Rc<Self>) -> Result<(), CallError> {
        for round in 1..=self.orders.rounds {
            let (sender, receiver) = self.open().await?.split();
            let is_last = round == self.orders.rounds;
            let sending = actix::spawn(Rc::clone(&self).send(sender, round, is_last));
            if matches!(self.orders.talk, Talk::Deaf) {
                // Nobody listens on either side, until one of them is no more.
                std::future::pending::<()>().await;
            }
            let (items, ends, at) = receive(receiver).await;
            let has_sender_failed = sending.await.expect("sending does not panic").is_err();
            self.note(&Event::Ended(Ending { round, items, ends, has_sender_failed, at }));
        }
        Ok(())
    }

    /// Opens a stream; a server that is being replaced is waited for.
    async fn open(&self) -> Result<StreamCall<Talk>, CallError> {
        let until = Instant::now() + REPLACED;
        loop {
            match self.ledger.stream(self.orders.talk).await {
                Err(error) if error.executed() == Executed::No && Instant::now() < until => {
                    sleep(Duration::from_millis(50)).await;
                }
                result => return result,
            }
        }
    }

    async fn send(
        self: Rc<Self>,
        mut sender: CallSender<Talk>,
        round: u32,
        is_last: bool,
    ) -> Result<(), CallError> {
        let text = "x".repeat(ITEM);
        for number in 0_u32.. {
            if number == WARM {
                self.note(&Event::Warm { round });
                if is_last && matches!(self.orders.talk, Talk::Echo) {
                    sender.close().await;
                    break;
                }
            }
            sender.send(text.clone()).await?;
        }
        Ok(())
    }

    fn note(&self, event: &Event) {
        let mut line = serde_json::to_string(event).expect("an event is plain data");
        line.push('\n');
        (&self.journal).write_all(line.as_bytes()).expect("the disk has room");
    }
}

/// Receives until the end, and a little further.
async fn receive(mut receiver: CallReceiver<Talk>) -> (usize, Vec<String>, Duration) {
    let (mut items, mut ends) = (0, Vec::new());
    let end = loop {
        match receiver.recv().await {
            Ok(Some(item)) => {
                assert_eq!(item.len(), ITEM, "an item came back as it was not sent");
                items += 1;
            }
            end => break end,
        }
    };
    let (at, mut end) = (now(), end);
    for _ in 0..3 {
        ends.push(match &end {
            Ok(Some(_)) => "item".to_owned(),
            Ok(None) => "end".to_owned(),
            Err(error) => format!("{:?}", error.executed()),
        });
        end = receiver.recv().await;
    }
    (items, ends, at)
}

/// Sixteen of them are what may be sent ahead: 1 MiB.
pub(crate) const ITEM: usize = 64 * 1024;

/// Items after which a stream has shown that it works, or is full.
pub(crate) const WARM: u32 = 16;

/// Time to replace a server, on a busy machine.
const REPLACED: Duration = Duration::from_secs(20);
