//! Futures that wait on an actor's context: memory of each, and waking one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix::prelude::*;
use callboard_actors::Context as SupervisedContext;
use callboard_actors::supervisor::{Child, Supervisor};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::Subject;
use super::page::each;
use super::processes::{self, memory};
use crate::figure::Figure;

/// One to a hundred thousand.
pub const SUBJECT: Subject = Subject { name: "futures", sizes: SIZES, measure };

/// Those of one kind, for a process of its own.
pub const PARTS: [Subject; 2] = [
    Subject { name: "futures, plain", sizes: SIZES, measure: plain },
    Subject { name: "futures, supervised", sizes: SIZES, measure: supervised },
];

fn measure(count: u64) -> Vec<Figure> {
    PARTS.iter().flat_map(|part| processes::measure(part.name, count)).collect()
}

fn plain(count: u64) -> Vec<Figure> {
    // Of actix's own context each wake-up polls all futures.
    let wakes = (100_000 / count).clamp(1, count.min(WAKES));
    System::new()
        .block_on(async move { fill(PLAIN, Plain.start().recipient(), count, wakes).await })
}

fn supervised(count: u64) -> Vec<Figure> {
    System::new().block_on(async move {
        let mut builder = Supervisor::builder("growth");
        let address = builder.child(Child::new("busy", || Supervised));
        builder.start();
        fill("supervised", address.recipient(), count, count.min(WAKES)).await
    })
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fill(u64, Arc<Signals>);

/// Futures that wait for their turn.
#[derive(Default)]
struct Signals {
    polled: AtomicU64,
    woken: AtomicU64,
    senders: Mutex<Vec<oneshot::Sender<()>>>,
}

/// Makes an actor of a context that spawns futures.
macro_rules! busy {
    ($name:ident, $context:ident) => {
        struct $name;

        impl Actor for $name {
            type Context = $context<Self>;
        }

        impl Handler<Fill> for $name {
            type Result = ();

            fn handle(&mut self, Fill(count, signals): Fill, ctx: &mut Self::Context) {
                for _ in 0..count {
                    let (sender, receiver) = oneshot::channel();
                    signals.senders.lock().push(sender);
                    ctx.spawn(wait(receiver, Arc::clone(&signals)).into_actor(self));
                }
            }
        }
    };
}

busy!(Plain, Context);
busy!(Supervised, SupervisedContext);

async fn wait(receiver: oneshot::Receiver<()>, signals: Arc<Signals>) {
    signals.polled.fetch_add(1, Ordering::Relaxed);
    if receiver.await.is_ok() {
        signals.woken.fetch_add(1, Ordering::Relaxed);
    }
}

async fn fill(kind: &str, actor: Recipient<Fill>, count: u64, wakes: u64) -> Vec<Figure> {
    let signals = Arc::<Signals>::default();
    let room = usize::try_from(count).expect("they fit in memory");
    signals.senders.lock().reserve(room);
    let (before, begun) = (memory(), Instant::now());
    actor.send(Fill(count, Arc::clone(&signals))).await.expect(LIVES);
    until(&signals.polled, count).await;
    let spawn = begun.elapsed().as_nanos() as f64 / count as f64;
    let memory = each(before, memory(), count);

    let begun = Instant::now();
    for wake in 1..=wakes {
        let sender = signals.senders.lock().pop().expect("there are more futures than wakes");
        sender.send(()).expect(LIVES);
        until(&signals.woken, wake).await;
    }
    let wake = begun.elapsed().as_nanos() as f64 / wakes as f64;
    let figure = |name: &str| {
        Figure::new("futures on a context", format!("{name}, {kind}"), ("futures", count))
    };
    // What actix does then it does to all of them.
    let unit = if kind == PLAIN { "ns for all" } else { "ns" };
    let mut figures =
        vec![figure("spawn").value(spawn, "ns each"), figure("wake one").value(wake, unit)];
    figures.extend(memory.map(|bytes| figure("memory").value(bytes, "bytes each")));
    figures
}

async fn until(counter: &AtomicU64, count: u64) {
    while counter.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
}

const SIZES: &[u64] = &[1, 10, 100, 1_000, 10_000, 100_000];

/// How often one future is woken at most.
const WAKES: u64 = 900;

const PLAIN: &str = "plain";

const LIVES: &str = "the actor lives";
