//! A rival: what each file of this program describes, and what all of them share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use callboard_benches::worker::{
    Call, Caller, Sample, System, Unsupported, Workload, announce, block_on, drive, end_of_input,
};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// A system that is measured beside callboard.
pub(crate) trait Rival {
    /// What it is called on the command line and in tables.
    const NAME: &'static str;

    /// What it runs on, on each side: tokio's scheduler of one thread, or that of many with its
    /// default settings, beside the thread of the callers.
    const THREADS: Threads = Threads::One;

    /// One of its connections.
    type Client: Caller;

    /// Starts the server, which lives as long as the runtime.
    async fn serve() -> SocketAddr;

    /// Opens a connection.
    async fn connect(address: SocketAddr) -> Self::Client;

    /// Opens several connections that have nothing in common.
    async fn connect_all(address: SocketAddr, connections: usize) -> Vec<Self::Client> {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Self::connect(address).await);
        }
        clients
    }
}

/// Fits a rival into the worker.
pub(crate) struct Peer<R>(pub(crate) R);

impl<R: Rival> System for Peer<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn serve(&self, _: &Workload) {
        R::THREADS.block_on(async {
            announce(R::serve().await);
            end_of_input().await;
        });
    }

    fn call(&self, call: &Call) -> Result<Sample, Unsupported> {
        R::THREADS.block_on(async {
            let address = call.address.parse().expect("the server has printed its address");
            let clients = R::connect_all(address, call.workload.connections).await;
            drive(clients, &call.workload, call.server).await
        })
    }
}

/// How many threads a rival's runtime has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Threads {
    /// All is done on that of the callers.
    One,
    /// As many as tokio chooses: one for each processor that the process may use.
    Many,
}

impl Threads {
    fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        match self {
            Self::One => block_on(future),
            Self::Many => {
                let runtime = Runtime::new().expect("a runtime can be made");
                LocalSet::new().block_on(&runtime, future)
            }
        }
    }
}

/// A port for systems that do not say which one the kernel gave them.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(LOOPBACK).expect("a loopback port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Any free port; nothing that is measured leaves this machine.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What limits of calls in flight are raised to: four times the most that is measured.
pub(crate) const IN_FLIGHT: usize = 4096;

/// What limits of message size are raised to: four times the most that is measured.
pub(crate) const MAX_MESSAGE: usize = 4 << 20;
