//! Idle actors: time to start and memory of each, beyond those of plain actix.

use std::time::Instant;

use actix::prelude::*;
use callboard_actors::Context as SupervisedContext;
use callboard_actors::supervisor::{Child, Supervisor};

use super::Subject;
use super::page::{beyond, each};
use super::processes::{self, memory};
use crate::figure::Figure;

/// One to a million.
pub const SUBJECT: Subject = Subject { name: "actors", sizes: SIZES, measure };

/// Those of one kind, for a process of its own.
pub const PARTS: [Subject; 2] = [
    Subject { name: "actors, plain", sizes: SIZES, measure: plain },
    Subject { name: "actors, supervised", sizes: SIZES, measure: supervised },
];

fn measure(count: u64) -> Vec<Figure> {
    let mut figures: Vec<Figure> =
        PARTS.iter().flat_map(|part| processes::measure(part.name, count)).collect();
    if let Some(bytes) = beyond(&figures, "memory, supervised", "memory, plain") {
        let figure = figure("memory, supervised beyond plain", count).value(bytes, "bytes each");
        // Of few actors what a process takes once is a large share.
        figures.push(if count < MANY { figure } else { figure.bar(MEMORY_MOST) });
    }
    figures
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

/// Makes an idle actor of a context.
macro_rules! idle {
    ($name:ident, $context:ident) => {
        struct $name;

        impl Actor for $name {
            type Context = $context<Self>;
        }

        impl Handler<Ping> for $name {
            type Result = ();

            fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
        }
    };
}

idle!(Plain, Context);
idle!(Supervised, SupervisedContext);

fn plain(count: u64) -> Vec<Figure> {
    System::new().block_on(async move {
        let mut addresses = Vec::with_capacity(capacity(count));
        let (before, begun) = (memory(), Instant::now());
        addresses.extend((0..count).map(|_| Plain.start()));
        running(addresses.last().expect("there is one at least")).await;
        figures("plain", count, begun, before)
    })
}

fn supervised(count: u64) -> Vec<Figure> {
    System::new().block_on(async move {
        let mut addresses = Vec::with_capacity(capacity(count));
        let (before, begun) = (memory(), Instant::now());
        let mut builder = Supervisor::builder("growth");
        addresses.extend((0..count).map(|_| builder.child(Child::new("idle", || Supervised))));
        let supervisor = builder.start();
        running(addresses.last().expect("there is one at least")).await;
        let mut figures = figures("supervised", count, begun, before);
        figures.push(adding(&supervisor, count).await);
        figures
    })
}

/// What one more child costs a supervisor that has many.
async fn adding(supervisor: &callboard_actors::supervisor::SupervisorRef, count: u64) -> Figure {
    let begun = Instant::now();
    for _ in 0..MORE {
        supervisor.start_child(Child::new("one more", || Supervised)).await.expect("it starts");
    }
    let each = begun.elapsed().as_nanos() as f64 / f64::from(MORE);
    figure("one more, supervised", count).value(each, "ns")
}

/// Waits for the actor that was started last.
async fn running<A: Actor + Handler<Ping>>(last: &Addr<A>)
where
    A::Context: actix::dev::ToEnvelope<A, Ping>,
{
    last.send(Ping).await.expect("the actor lives");
}

fn figures(kind: &str, count: u64, begun: Instant, before: f64) -> Vec<Figure> {
    let start = begun.elapsed().as_nanos() as f64 / count as f64;
    let mut figures = vec![figure(&format!("start, {kind}"), count).value(start, "ns each")];
    let memory = each(before, memory(), count);
    let memory =
        memory.map(|bytes| figure(&format!("memory, {kind}"), count).value(bytes, "bytes each"));
    figures.extend(memory);
    figures
}

fn figure(name: &str, count: u64) -> Figure {
    Figure::new("idle actors", name, ("actors", count))
}

fn capacity(count: u64) -> usize {
    usize::try_from(count).expect("their addresses fit in memory")
}

const SIZES: &[u64] = &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// Bytes that supervision may take: 1.5 KiB.
const MEMORY_MOST: f64 = 1_536.0;

const MANY: u64 = 10_000;

const MORE: u32 = 50;
