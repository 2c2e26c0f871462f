//! A client that calls at a steady rate and writes down how each call ended.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use callboard::actors::client::CallError;
use callboard::prelude::*;
use tokio::time::{Instant, sleep_until};

use super::{Again, Once, now};
use crate::journal::{Outcome, Record};

/// A client's orders; its settings are in the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) service: String,
    /// Calls per second, and for how many seconds, one phase after the other.
    pub(crate) phases: Vec<(u32, u32)>,
    pub(crate) timeout: Duration,
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// How long the server works on a call, and on every twentieth.
    pub(crate) work: Duration,
    pub(crate) long_work: Duration,
    /// The calls are numbered from here on; even ones are idempotent.
    pub(crate) first_id: u64,
    /// The file that gets a [`Record`] for each call, in the order of their ends.
    pub(crate) journal: PathBuf,
}

impl Client {
    /// Calls in all: those of the phases, and one before them that looks the service up.
    pub(crate) fn calls(&self) -> u64 {
        1 + self.phases.iter().map(|(rate, seconds)| u64::from(rate * seconds)).sum::<u64>()
    }

    pub(crate) fn run(self) -> Result<(), callboard::Error> {
        // Where it fails there is a subscriber already.
        let _ = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(tracing::Level::DEBUG)
            .try_init();
        // One thread for calls, connections and timers: what delays one of them delays the control.
        actix::System::new().block_on(self.call_all())
    }

    async fn call_all(self) -> Result<(), callboard::Error> {
        let system = ServiceSystem::new("ledger.client").start().await?;
        let journal = File::options().append(true).create(true).open(&self.journal);
        let caller = Rc::new(Caller {
            ledger: system.service(&self.service),
            journal: journal.expect("the scenario's directory exists"),
            control: Control::start(),
            orders: self,
        });
        // A lookup over mDNS may take longer than the other calls are given.
        Rc::clone(&caller).call(caller.orders.first_id, FIRST_TIMEOUT).await;
        let mut calls = Vec::new();
        let (mut id, mut phase_begins) = (caller.orders.first_id + 1, Instant::now());
        for (rate, seconds) in caller.orders.phases.clone() {
            for number in 0..rate * seconds {
                sleep_until(phase_begins + Duration::from_secs(1) * number / rate).await;
                calls.push(actix::spawn(Rc::clone(&caller).call(id, caller.orders.timeout)));
                id += 1;
            }
            phase_begins += Duration::from_secs(seconds.into());
        }
        for call in calls {
            call.await.expect("no call panics");
        }
        system.stop().await;
        Ok(())
    }
}

struct Caller {
    ledger: ServiceRef,
    journal: File,
    control: Rc<Control>,
    orders: Client,
}

impl Caller {
    async fn call(self: Rc<Self>, id: u64, timeout: Duration) {
        let orders = &self.orders;
        let work = if id.is_multiple_of(20) { orders.long_work } else { orders.work };
        let (begun_at, begun) = (now(), Instant::now());
        let result = if Record::is_idempotent(id) {
            self.ledger.send(Again { id, work }).timeout(timeout).retries(orders.retries).await
        } else {
            self.ledger.send(Once { id, work }).timeout(timeout).retries(orders.retries).await
        };
        let took = begun.elapsed();
        let since = if took > timeout { begun + timeout } else { begun };
        let record = Record {
            id,
            begun: begun_at,
            took,
            timeout,
            noise: self.control.noise_since(since),
            outcome: result.map_or_else(|error| failed(&error), Outcome::Answered),
        };
        let mut line = serde_json::to_string(&record).expect("a record is plain data");
        line.push('\n');
        (&self.journal).write_all(line.as_bytes()).expect("the disk has room");
    }
}

fn failed(error: &CallError) -> Outcome {
    let text = callboard::Error::from(error.clone()).report();
    Outcome::Failed { executed: format!("{:?}", error.executed()), error: text }
}

/// A timer on the same thread as the calls: what makes it late would make any timer late.
#[derive(Default)]
struct Control {
    /// When the timer rang, and how late.
    rung: RefCell<VecDeque<(Instant, Duration)>>,
    due: Cell<Option<Instant>>,
}

impl Control {
    fn start() -> Rc<Self> {
        let control = Rc::new(Self::default());
        let timer = Rc::clone(&control);
        actix::spawn(async move {
            loop {
                let due = Instant::now() + CONTROL_INTERVAL;
                timer.due.set(Some(due));
                sleep_until(due).await;
                let mut rung = timer.rung.borrow_mut();
                if rung.len() == CONTROL_KEPT {
                    rung.pop_front();
                }
                rung.push_back((Instant::now(), due.elapsed()));
            }
        });
        control
    }

    /// How late the timer was at worst since `time`, and is now.
    fn noise_since(&self, time: Instant) -> Duration {
        let overdue = self.due.get().map(|due| due.elapsed());
        let rung = self.rung.borrow();
        let late = rung.iter().rev().take_while(|(at, _)| *at >= time).map(|(_, late)| *late);
        late.chain(overdue).max().unwrap_or_default()
    }
}

const FIRST_TIMEOUT: Duration = Duration::from_secs(10);

const CONTROL_INTERVAL: Duration = Duration::from_millis(5);

/// Some ten seconds.
const CONTROL_KEPT: usize = 2_000;
