//! The registries that reach the world.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use callboard::registry::{BoxFuture, MdnsOptions, MdnsRegistry, Registry, StaticRegistry};
use callboard_actors::testing::registry::{self, Harness, Pair};

/// Two registries as in two processes, on loopback.
///
/// Each pair speaks on a UDP port of its own, so that properties do not see each other's nodes.
struct Mdns;

impl Harness for Mdns {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        Box::pin(async {
            let options = MdnsOptions::default().port(next_port());
            let open = || -> Arc<dyn Registry> {
                Arc::new(MdnsRegistry::new(options.clone()).expect("loopback has multicast"))
            };
            Pair { one: open(), other: open() }
        })
    }

    fn shortest_ttl(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// A list that is only read.
struct Fixed;

impl Harness for Fixed {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        Box::pin(async {
            let list = "greeter=127.0.0.1:9001,127.0.0.1:9002;counter@2.0=127.0.0.1:9003";
            let registry = Arc::new(StaticRegistry::parse(list).expect("a good list"));
            Pair { one: Arc::clone(&registry) as _, other: registry }
        })
    }

    fn can_register(&self) -> bool {
        false
    }
}

/// UDP ports of this process; two test processes at once differ by their ids.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 200).expect("fits") * 50;
    base + NEXT.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mdns_has_every_property_of_a_registry() {
    registry::all(&Mdns).await;
}

#[tokio::test]
async fn the_static_registry_has_every_property_of_one_that_is_only_read() {
    registry::all(&Fixed).await;
}
