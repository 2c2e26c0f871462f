//! Calls in flight: time and memory of calls that an asynchronous handler holds.
//!
//! Server and client share a process and a thread, and talk over TCP; the memory of a call is that
//! of both sides, and of the task that makes it.

use std::time::Instant;

use super::Subject;
use super::page::each;
use super::pair::{Hold, Server, client};
use super::processes::memory;
use crate::echo::Echo;
use crate::figure::Figure;

/// One to a hundred thousand.
pub const SUBJECT: Subject =
    Subject { name: "calls", sizes: &[1, 10, 100, 1_000, 10_000, 100_000], measure };

fn measure(count: u64) -> Vec<Figure> {
    actix_rt::System::new().block_on(hold(count))
}

async fn hold(count: u64) -> Vec<Figure> {
    let server = Server::start().await;
    let client = client(&server.system.node().address, 1).await;
    let host = client.service("host");
    for id in 0..1_000 {
        host.send(Echo::new(id)).await.expect(ANSWERS).check(id);
    }
    let (before, begun) = (memory(), Instant::now());
    let callers: Vec<_> = (0..count)
        .map(|_| {
            let host = host.clone();
            actix_rt::spawn(async move { host.send(Hold).await.expect(ANSWERS) })
        })
        .collect();
    server.holds(count).await;
    let (sent, after) = (begun.elapsed(), memory());

    let turns = 2_000;
    let begun = Instant::now();
    for id in 0..turns {
        host.send(Echo::new(id)).await.expect(ANSWERS).check(id);
    }
    let beside = begun.elapsed();

    let begun = Instant::now();
    server.let_go();
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    let answered = begun.elapsed();
    client.stop().await;
    server.system.stop().await;
    let nanos = |time: std::time::Duration, count: u64| time.as_nanos() as f64 / count as f64;
    let mut figures = vec![
        figure("send all", count).value(nanos(sent, count), "ns each"),
        figure("answer all", count).value(nanos(answered, count), "ns each"),
        figure("a further call beside them", count).value(nanos(beside, turns), "ns"),
    ];
    let memory = each(before, after, count);
    figures.extend(memory.map(|bytes| figure("memory", count).value(bytes, "bytes each")));
    figures
}

fn figure(name: &str, count: u64) -> Figure {
    Figure::new("calls in flight", name, ("in flight", count))
}

const ANSWERS: &str = "the server answers";
