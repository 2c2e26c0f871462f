//! The client's process: callers in a closed loop on one thread.

use std::net::SocketAddr;
use std::process;
use std::time::{Duration, Instant};

use callboard::config::RegistryKind;
use callboard::prelude::*;
use callboard_benches::echo::Echo;
use callboard_benches::floor::{Multiplexed, PingPong};
use callboard_benches::meter::{Laps, Phase, enter};
use callboard_benches::usage::usage;
use tokio::time::sleep;

use super::options::System;
use super::report::Sample;

/// One run.
pub(super) struct Task {
    pub(super) system: System,
    pub(super) address: SocketAddr,
    /// The server's process, whose usage counts too.
    pub(super) server: u32,
    pub(super) in_flight: usize,
    pub(super) seconds: f64,
}

/// Makes calls for a while.
pub(super) fn run(task: &Task) -> Sample {
    match task.system {
        System::Floor | System::PingPong => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(call_floor(task))
        }
        System::Callboard => actix_rt::System::new().block_on(call_callboard(task)),
    }
}

async fn call_floor(task: &Task) -> Sample {
    if task.system == System::PingPong {
        for _ in 0..task.in_flight {
            let mut client = PingPong::connect(task.address).await.expect("the server listens");
            tokio::spawn(async move {
                let mut laps = Laps::default();
                while let Some(id) = laps.next_call() {
                    let reply = client.call(&Echo::new(id)).await.expect("the server answers");
                    reply.check(id);
                }
            });
        }
    } else {
        let client = Multiplexed::connect(task.address).await.expect("the server listens");
        for _ in 0..task.in_flight {
            let client = client.clone();
            tokio::spawn(async move {
                let mut laps = Laps::default();
                while let Some(id) = laps.next_call() {
                    client.call(&Echo::new(id)).await.check(id);
                }
            });
        }
    }
    measure(task).await
}

async fn call_callboard(task: &Task) -> Sample {
    let address = format!("echo={}", task.address);
    let system = ServiceSystem::new("echo.client")
        .without_environment()
        .configure(|config| {
            config.registry = RegistryKind::Static;
            config.registry_address = Some(address);
        })
        .start()
        .await
        .expect("the system starts");
    let echo = system.service("echo");
    let mut callers = Vec::new();
    for _ in 0..task.in_flight {
        let echo = echo.clone();
        callers.push(actix_rt::spawn(async move {
            let mut laps = Laps::default();
            while let Some(id) = laps.next_call() {
                let reply = echo.send(Echo::new(id)).await.expect("the server answers");
                reply.check(id);
            }
        }));
    }
    let sample = measure(task).await;
    // A client that stops gives up what is in flight.
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    system.stop().await;
    sample
}

async fn measure(task: &Task) -> Sample {
    sleep(WARM_UP).await;
    let (own, server) = (usage(process::id()), usage(task.server));
    enter(Phase::Measuring);
    let begun = Instant::now();
    sleep(Duration::from_secs_f64(task.seconds)).await;
    let elapsed = begun.elapsed();
    let histogram = enter(Phase::Over);
    let (own_after, server_after) = (usage(process::id()), usage(task.server));
    let per_call = |cpu: Duration| cpu.as_secs_f64() * 1e6 / histogram.count() as f64;
    let micros = |share| histogram.quantile(share).as_secs_f64() * 1e6;
    Sample {
        per_second: histogram.count() as f64 / elapsed.as_secs_f64(),
        median: micros(0.5),
        p99: micros(0.99),
        p999: micros(0.999),
        client_cpu: per_call(own_after.cpu.saturating_sub(own.cpu)),
        server_cpu: per_call(server_after.cpu.saturating_sub(server.cpu)),
        client_memory: own_after.memory as f64 / 1024.0,
        server_memory: server_after.memory as f64 / 1024.0,
    }
}

const WARM_UP: Duration = Duration::from_millis(300);
