//! Ports on which nobody listens until the test itself does, for as long as it runs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// An address of the loopback interface at which nobody listens; a different one each time.
///
/// It is below the ports that systems give to connections and to listeners without a port of
/// their own (from 32,768 on with Linux), so nobody comes by it while a test restarts its server.
pub(crate) fn free_address() -> SocketAddr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different ones.
    let begin = process::id().wrapping_mul(STRIDE);
    (0..COUNT)
        .map(|_| {
            let index = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
            let port = u16::try_from(FIRST + index).expect("all are below 32,768");
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        })
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("one of so many ports is free")
}

const FIRST: u32 = 20_000;

const COUNT: u32 = 12_000;

/// More ports than a test program takes.
const STRIDE: u32 = 200;
