//! Calls within one arbiter: actix's own context, ours, and the whole way by service name.
//!
//! `cargo run --release -p callboard-benches --bin local -- [rounds] [milliseconds per run]`

use std::time::{Duration, Instant};

use callboard::actors::supervisor::Supervisor;
use callboard::config::RegistryKind;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard_benches::echo::{Echo, Echoer};
use callboard_benches::meter::{Laps, Phase, enter};
use tokio::time::sleep;

/// An echo as an actix message.
#[derive(Message)]
#[rtype(result = "Result<Echo, Status>")]
struct Ask(Echo);

/// Answers in actix's own context.
struct Bare;

impl Actor for Bare {
    type Context = actix::Context<Self>;
}

impl Handler<Ask> for Bare {
    type Result = Result<Echo, Status>;

    fn handle(&mut self, Ask(echo): Ask, _: &mut actix::Context<Self>) -> Self::Result {
        Ok(echo)
    }
}

/// Answers in callboard's context.
struct Supervised;

impl Actor for Supervised {
    type Context = Context<Self>;
}

impl Handler<Ask> for Supervised {
    type Result = Result<Echo, Status>;

    fn handle(&mut self, Ask(echo): Ask, _: &mut Context<Self>) -> Self::Result {
        Ok(echo)
    }
}

#[derive(Clone)]
enum Way {
    Bare(Addr<Bare>),
    Supervised(Addr<Supervised>),
    Service(ServiceRef),
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Bare(_) => "Addr::send, actix::Context",
            Self::Supervised(_) => "Addr::send, callboard::Context",
            Self::Service(_) => "service(name).send, same process",
        }
    }

    async fn call(self) {
        let mut laps = Laps::default();
        while let Some(id) = laps.next_call() {
            let reply = match &self {
                Self::Bare(address) => address.send(Ask(Echo::new(id))).await.expect(LIVES),
                Self::Supervised(address) => address.send(Ask(Echo::new(id))).await.expect(LIVES),
                Self::Service(service) => Ok(service.send(Echo::new(id)).await.expect(LIVES)),
            };
            reply.expect("it echoes").check(id);
        }
    }
}

#[actix::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let mut number = |default| numbers.next().map_or(default, |it| it.expect("a number"));
    let (rounds, millis) = (number(7), number(300));
    let mut builder = Supervisor::builder("bench");
    let supervised = builder.child(Child::new("supervised", || Supervised));
    let _supervisor = builder.start();
    let system = ServiceSystem::new("echo")
        .without_environment()
        .configure(|config| config.registry = RegistryKind::Memory)
        .handler(Echoer::default, HandlerBuilder::request::<Echo>)
        .start()
        .await
        .expect("the system starts");
    let ways = [
        Way::Bare(Bare.start()),
        Way::Supervised(supervised),
        Way::Service(system.service("echo")),
    ];
    println!("| in flight | way | ns per call | x bare |\n|---|---|---|---|");
    for in_flight in [1, 64] {
        compare(&ways, in_flight, rounds, Duration::from_millis(millis)).await;
    }
    system.stop().await;
}

/// Measures all ways in turn, and prints medians and the median ratio to the first.
async fn compare(ways: &[Way], in_flight: usize, rounds: u64, time: Duration) {
    let mut figures = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for (way, figures) in ways.iter().zip(&mut figures) {
            figures.push(measure(way, in_flight, time).await);
        }
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (way, own) in ways.iter().zip(&figures) {
        let ratios = own.iter().zip(&figures[0]).map(|(own, bare)| own / bare).collect();
        let (name, nanos) = (way.name(), middle(own.clone()));
        println!("| {in_flight} | {name} | {nanos:.0} | {:.2} |", middle(ratios));
    }
}

/// Nanoseconds per call.
async fn measure(way: &Way, in_flight: usize, time: Duration) -> f64 {
    enter(Phase::Warming);
    let callers: Vec<_> = (0..in_flight).map(|_| actix_rt::spawn(way.clone().call())).collect();
    sleep(WARM_UP).await;
    enter(Phase::Measuring);
    let begun = Instant::now();
    sleep(time).await;
    let elapsed = begun.elapsed();
    let histogram = enter(Phase::Over);
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    elapsed.as_nanos() as f64 / histogram.count() as f64
}

const LIVES: &str = "the actor lives";

const WARM_UP: Duration = Duration::from_millis(50);
