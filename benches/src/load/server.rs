//! The server's process.

use std::io::{Read, Write};
use std::net::Ipv4Addr;

use callboard::config::RegistryKind;
use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard_benches::echo::{Echo, Echoer};
use callboard_benches::floor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::options::System;

/// Serves until standard input ends, or the process is killed.
pub(super) fn run(system: System) {
    match system {
        System::Floor | System::PingPong => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(serve_floor());
        }
        System::Callboard => actix_rt::System::new().block_on(serve_callboard()),
    }
}

async fn serve_floor() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    announce(&listener.local_addr().expect("it is bound").to_string());
    tokio::select! {
        result = floor::serve(listener) => result.expect("the listener works"),
        _ = end_of_input() => {}
    }
}

async fn serve_callboard() {
    let system = ServiceSystem::new("echo")
        .without_environment()
        .configure(|config| config.registry = RegistryKind::Memory)
        .handler(Echoer::default, HandlerBuilder::request::<Echo>)
        .start()
        .await
        .expect("the system starts");
    announce(&system.node().address);
    // Whether the thread that waits said so or is gone, the input has ended.
    let _ = end_of_input().await;
    system.stop().await;
}

fn announce(address: &str) {
    println!("{address}");
    std::io::stdout().flush().expect("somebody reads this");
}

fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // Nothing is ever written to it: reading ends with the process that started this one.
        let _ = std::io::stdin().read(&mut [0]);
        let _ = ended.send(());
    });
    end
}
