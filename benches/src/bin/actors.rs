//! Measures what idle actors and futures in flight cost, compared to plain actix.
//!
//! ```text
//! cargo run --release -p callboard-benches --bin actors [most, default 100000]
//! ```
//!
//! Each line is measured in a process of its own, so that no case reuses the memory of another.

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use callboard_actors::supervisor::{Child, Supervisor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [kind, count] => measure(kind, count.parse()?),
        rest => {
            let most = rest.first().map_or(Ok(100_000), |most| most.parse())?;
            measure_all(most)
        }
    }
}

fn measure_all(most: usize) -> Result<(), Box<dyn Error>> {
    println!("{:<22}{:>10}{:>14}{:>16}{:>16}", "what", "count", "start", "bytes each", "wake one");
    for kind in ["actix actors", "supervised actors", "actix futures", "supervised futures"] {
        for count in [1_000, 10_000, 100_000, 1_000_000] {
            if count <= most {
                let status = Command::new(std::env::current_exe()?)
                    .args([kind, &count.to_string()])
                    .status()?;
                assert!(status.success(), "{kind} failed");
            }
        }
    }
    Ok(())
}

fn measure(kind: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let figures = System::new().block_on(async move {
        match kind {
            "actix actors" => actix_actors(count).await,
            "supervised actors" => supervised_actors(count).await,
            "actix futures" => actix_futures(count).await,
            "supervised futures" => supervised_futures(count).await,
            _ => Err("unknown kind".into()),
        }
    })?;
    let wake = figures.wake.map_or(String::from("-"), |wake| format!("{wake:.2?}"));
    println!(
        "{kind:<22}{count:>10}{:>14}{:>16}{wake:>16}",
        format!("{:.1?}", figures.start),
        figures.bytes / count,
    );
    Ok(())
}

struct Figures {
    start: Duration,
    bytes: usize,
    /// Time to wake one future out of all.
    wake: Option<Duration>,
}

/// Resident memory of this process in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize =
        statm.split_whitespace().nth(1).ok_or("statm has no second field")?.parse()?;
    Ok(pages * 4096)
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

#[derive(Message)]
#[rtype(result = "()")]
struct Fill(usize, Arc<Signals>);

/// Futures that wait for their turn.
#[derive(Default)]
struct Signals {
    polled: AtomicU64,
    woken: AtomicU64,
    senders: parking_lot::Mutex<Vec<tokio::sync::oneshot::Sender<()>>>,
}

/// Makes an actor of each kind with the same handlers.
macro_rules! idle_actor {
    ($name:ident, $context:ident) => {
        struct $name;

        impl Actor for $name {
            type Context = $context<Self>;
        }

        impl Handler<Ping> for $name {
            type Result = ();

            fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
        }

        impl Handler<Fill> for $name {
            type Result = ();

            fn handle(&mut self, Fill(count, signals): Fill, ctx: &mut Self::Context) {
                for _ in 0..count {
                    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
                    signals.senders.lock().push(sender);
                    let signals = Arc::clone(&signals);
                    let future = async move {
                        signals.polled.fetch_add(1, Ordering::Relaxed);
                        if receiver.await.is_ok() {
                            signals.woken.fetch_add(1, Ordering::Relaxed);
                        }
                    };
                    ctx.spawn(future.into_actor(self));
                }
            }
        }
    };
}

use callboard_actors::Context as SupervisedContext;

idle_actor!(Plain, Context);
idle_actor!(Supervised, SupervisedContext);

async fn actix_actors(count: usize) -> Result<Figures, Box<dyn Error>> {
    let mut addresses = Vec::with_capacity(count);
    let (before, begun) = (resident()?, Instant::now());
    addresses.extend((0..count).map(|_| Plain.start()));
    if let Some(last) = addresses.last() {
        last.send(Ping).await?;
    }
    Ok(Figures { start: begun.elapsed(), bytes: resident()?.saturating_sub(before), wake: None })
}

async fn supervised_actors(count: usize) -> Result<Figures, Box<dyn Error>> {
    let mut addresses = Vec::with_capacity(count);
    let (before, begun) = (resident()?, Instant::now());
    let mut builder = Supervisor::builder("top");
    addresses.extend((0..count).map(|_| builder.child(Child::new("idle", || Supervised))));
    let supervisor = builder.start();
    if let Some(last) = addresses.last() {
        last.send(Ping).await?;
    }
    let figures =
        Figures { start: begun.elapsed(), bytes: resident()?.saturating_sub(before), wake: None };
    drop(supervisor);
    Ok(figures)
}

async fn actix_futures(count: usize) -> Result<Figures, Box<dyn Error>> {
    let address = Plain.start();
    address.send(Ping).await?;
    futures(count, address.recipient(), WAKES / 100).await
}

async fn supervised_futures(count: usize) -> Result<Figures, Box<dyn Error>> {
    let mut builder = Supervisor::builder("top");
    let address = builder.child(Child::new("busy", || Supervised));
    builder.start();
    address.send(Ping).await?;
    futures(count, address.recipient(), WAKES).await
}

async fn futures(
    count: usize,
    actor: Recipient<Fill>,
    wakes: u32,
) -> Result<Figures, Box<dyn Error>> {
    let signals = Arc::<Signals>::default();
    signals.senders.lock().reserve(count);
    let (before, begun) = (resident()?, Instant::now());
    actor.send(Fill(count, Arc::clone(&signals))).await?;
    while signals.polled.load(Ordering::Relaxed) < count as u64 {
        tokio::task::yield_now().await;
    }
    let (start, bytes) = (begun.elapsed(), resident()?.saturating_sub(before));

    let begun = Instant::now();
    for wake in 1..=wakes {
        let sender = signals.senders.lock().pop().ok_or("fewer futures than wakes")?;
        sender.send(()).map_err(|()| "the future is gone")?;
        while signals.woken.load(Ordering::Relaxed) < u64::from(wake) {
            tokio::task::yield_now().await;
        }
    }
    Ok(Figures { start, bytes, wake: Some(begun.elapsed() / wakes) })
}

/// How often one future is woken; a hundredth of it where each takes long.
const WAKES: u32 = 900;
