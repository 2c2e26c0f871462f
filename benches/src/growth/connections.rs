//! Connections, mostly idle: memory of both sides, opening them, and a call among them.
//!
//! Server and client are processes of their own. Clients open several connections to one node from
//! one arbiter; as that has a limit, ten clients share ten thousand.

use std::io::Read;
use std::time::Instant;

use callboard::prelude::*;
use tokio::sync::oneshot;

use super::Subject;
use super::page::each;
use super::pair::{Server, client};
use super::processes::{ServerProcess, announce, memory};
use crate::echo::Echo;
use crate::figure::Figure;

/// One to ten thousand.
pub const SUBJECT: Subject =
    Subject { name: "connections", sizes: &[1, 10, 100, 1_000, 10_000], measure };

/// The server's process: serves until standard input ends, or it is killed.
pub fn serve() {
    actix_rt::System::new().block_on(async {
        let server = Server::start().await;
        announce(&server.system.node().address);
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || {
            // Nothing is ever written to it: reading ends with the process that started this one.
            let _ = std::io::stdin().read(&mut [0]);
            let _ = ended.send(());
        });
        // Whether the thread said so or is gone, the input has ended.
        let _ = end.await;
    });
}

fn measure(count: u64) -> Vec<Figure> {
    let server = ServerProcess::start();
    actix_rt::System::new().block_on(open(&server, count))
}

async fn open(server: &ServerProcess, count: u64) -> Vec<Figure> {
    let busy = client(&server.address, 1).await;
    let mut idle = Vec::new();
    for share in shares(count) {
        idle.push((client(&server.address, share).await, share));
    }
    calls(&busy, WARM_UP).await;
    let (ours, theirs) = (memory(), server.memory());
    let (begun, open_before) = (Instant::now(), descriptors());
    for (system, share) in &idle {
        let wanted = descriptors() + share;
        connect(system, wanted).await;
    }
    let opened = (descriptors() - open_before) as u64;
    let time = begun.elapsed();
    let (ours, theirs) = (each(ours, memory(), opened), each(theirs, server.memory(), opened));

    let figure = |name: &str| Figure::new("connections", name, ("idle", opened));
    let micros = time.as_secs_f64() * 1e6;
    let mut figures = vec![
        figure("open all").value(micros / opened.max(1) as f64, "µs each"),
        figure("a call over one more").value(calls(&busy, CALLS).await, "µs"),
    ];
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        figures.extend([
            figure("memory, client").value(ours, "bytes each"),
            figure("memory, server").value(theirs, "bytes each"),
            figure("memory, both sides").value(ours + theirs, "bytes each").bar(MEMORY_MOST),
        ]);
    }
    figures
}

/// Microseconds per call, one after the other.
async fn calls(system: &ServiceSystem, count: u64) -> f64 {
    let host = system.service("host");
    let begun = Instant::now();
    for id in 0..count {
        host.send(Echo::new(id)).await.expect("the server answers").check(id);
    }
    begun.elapsed().as_secs_f64() * 1e6 / count as f64
}

/// Makes calls until as many descriptors are open as wanted.
///
/// Which connection a call takes is not the caller's to say, so that it takes some more calls than
/// there are connections. They go together: one after the other each waits for its own.
async fn connect(system: &ServiceSystem, wanted: usize) {
    let host = system.service("host");
    for _ in 0..ROUNDS_MOST {
        let missing = wanted.saturating_sub(descriptors());
        if missing == 0 {
            return;
        }
        // One more, as calls that take several connections each could go past the same ones.
        let callers: Vec<_> = (0..=missing.min(AT_ONCE))
            .map(|_| {
                let host = host.clone();
                actix_rt::spawn(async move { host.send(Echo::new(0)).await })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no caller panics").expect("the server answers");
        }
    }
}

/// How many connections each client opens.
fn shares(count: u64) -> Vec<usize> {
    let count = usize::try_from(count).expect("a number of descriptors");
    let clients = count.div_ceil(POOL_MOST);
    (0..clients).map(|index| count / clients + usize::from(index < count % clients)).collect()
}

/// Files and sockets that are open in this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Both sides together: 24 KiB.
const MEMORY_MOST: f64 = 24.0 * 1024.0;

/// Connections of one client; it accepts no larger setting than 1,024.
const POOL_MOST: usize = 1_000;

const AT_ONCE: usize = 100;
const ROUNDS_MOST: usize = 1_000;
const WARM_UP: u64 = 500;
const CALLS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_share_the_connections_and_none_has_more_than_it_may() {
        assert_eq!(shares(1), [1]);
        assert_eq!(shares(1_000), [1_000]);
        assert_eq!(shares(1_001), [501, 500]);
        assert_eq!(shares(10_000), [1_000; 10]);
    }
}
