//! The transports that reach other processes.

#[cfg(unix)]
mod hostile;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use callboard_actors::testing::transport::Harness;

use crate::ports::free_address;

mod tcp {
    use callboard::transport::TcpTransport;
    use callboard_actors::testing::transport::Harness;

    callboard_actors::transport_conformance! {
        #[tokio::test]
        Harness::new(TcpTransport, "127.0.0.1:0", super::free_address().to_string())
    }
}

#[cfg(unix)]
mod unix {
    callboard_actors::transport_conformance! {
        #[tokio::test]
        super::unix_harness(callboard::transport::UnixTransport)
    }
}

mod native {
    use callboard::transport::NativeTransport;
    use callboard_actors::testing::transport::Harness;

    callboard_actors::transport_conformance! {
        #[tokio::test]
        Harness::new(NativeTransport::default(), "localhost:0", super::free_address().to_string())
    }
}

#[cfg(unix)]
mod native_unix {
    callboard_actors::transport_conformance! {
        #[tokio::test]
        super::unix_harness(callboard::transport::NativeTransport::default())
    }
}

fn unix_harness(transport: impl callboard_actors::transport::Transport) -> Harness {
    let path = |name| format!("unix:{}", socket_path(name).display());
    Harness::new(transport, path("listen"), path("nobody"))
}

/// A path that no other test uses.
fn socket_path(name: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("callboard-{}-{number}-{name}", std::process::id()))
}
