//! A start that fails says why, soon, and leaves nothing running.

use std::net::SocketAddr;
use std::time::Duration;

use callboard::SystemBuilder;
use callboard::registry::{
    BoxFuture, Registry, RegistryError, Service, StaticRegistry, Watch, WatchScope,
};

use crate::ports::free_address;
use crate::stage::{Echo, House, LONG, all, start, stop, within};

#[actix::test]
async fn a_wrong_setting_is_named_with_its_value_and_what_is_allowed() {
    let house = House::default();
    let wrong: [(SystemBuilder, &[&str]); 4] = [
        (house.stage("one").configure(|c| c.max_frame = 1), &["max-frame", "1"]),
        (house.stage("one").timeout(Duration::ZERO), &["client-request-timeout", "0"]),
        (
            house.stage("one").configure(|c| {
                c.register_ttl = Duration::from_secs(3);
                c.register_interval = Some(Duration::from_secs(5));
            }),
            &["3s", "5s"],
        ),
        (house.system(""), &["server-name"]),
    ];
    for (builder, words) in wrong {
        let error = within(LONG, builder.start()).await.unwrap_err();
        let report = error.report();
        assert_eq!(error.exit_code(), 2, "{report}");
        for word in words {
            assert!(report.contains(word), "{word:?} is missing in {report:?}");
        }
    }
    assert_eq!(house.registry.registrations(), 0);
}

#[actix::test]
async fn a_port_in_use_is_named() {
    let house = House::default();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = house.stage("one").address(address.parse().unwrap());
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert!(
        report.starts_with(&format!(
            "the node has no address to listen on: cannot listen on {address}: "
        )),
        "{report}"
    );
    assert!(report.contains("in use"), "{report}");
    assert_eq!(house.registry.registrations(), 0);
}

#[actix::test]
async fn the_next_port_of_a_range_is_taken_when_one_is_in_use() {
    let house = House::default();
    let (first, last) = (free_address(), free_address());
    let taken = std::net::TcpListener::bind(first).unwrap();
    let range = format!("{first}-{}", last.port());
    let server = start(house.stage("one").address(range.parse().unwrap())).await;
    let address: SocketAddr = server.node().address.parse().unwrap();
    assert!(first < address && address <= last, "{first} < {address} <= {last}");
    stop(&[&server]).await;
    drop(taken);
}

#[actix::test]
async fn a_registry_out_of_reach_is_named_with_address_and_reason_when_time_is_up() {
    let house = House::default();
    let builder = house.stage("one").registry(Unreachable);
    let builder = builder.configure(|c| c.start_timeout = Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert_eq!(
        report,
        "not registered within 300ms: registry faraway at 192.0.2.1:8500 is unavailable: no route"
    );
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[actix::test]
async fn a_registry_that_does_not_answer_is_named_too() {
    let house = House::default();
    let builder = house.stage("one").configure(|c| c.start_timeout = Duration::from_millis(300));
    house.registry.delay(LONG);
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert_eq!(
        report,
        "not registered within 300ms: registry memory at this process is unavailable: it did not \
         answer"
    );
}

#[actix::test]
async fn a_registry_that_comes_back_in_time_is_waited_for() {
    let house = House::default();
    house.registry.outage();
    let starting = tokio::spawn(house.stage("one").start());
    crate::stage::eventually(async || house.registry.registrations() >= 1).await;
    house.registry.restore();
    let server = within(LONG, starting).await.unwrap().unwrap();
    assert_eq!(house.registry.list().await.unwrap().len(), 1);
    stop(&[&server]).await;
}

#[actix::test]
async fn a_list_of_nodes_that_cannot_be_read_is_named_when_it_is_needed() {
    let path = std::env::temp_dir().join(format!("callboard-missing-{}", std::process::id()));
    let house = House::default();
    let client = start(house.system("client").registry(StaticRegistry::file(&path))).await;
    let error = within(LONG, client.service("stage").send(Echo(String::new()))).await.unwrap_err();
    let report = callboard::Error::from(error).report();
    let expected = format!(
        "cannot look up service \"stage\": registry static at {} is unavailable: ",
        path.display()
    );
    assert!(report.starts_with(&expected), "{report}");
    stop(&[&client]).await;
}

#[actix::test]
async fn an_endpoint_answered_twice_is_named() {
    let house = House::default();
    let builder = house.stage("one").handler(house.actor("two"), |h| h.request::<Echo>());
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert!(report.contains("Stage.Echo"), "{report}");
    assert!(house.diary.lines().is_empty(), "no actor was started");
    let builder = house.system("stage").handler(house.actor("one"), |h| all(h).request::<Echo>());
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert!(report.contains("Stage.Echo"), "{report}");
}

#[actix::test]
async fn a_handler_that_does_not_start_is_named_with_its_panic() {
    let house = House::default();
    let actor = house.actor("one");
    let broken = move || {
        assert!(std::env::args().count() == 0, "no licence file");
        actor()
    };
    let builder = house.system("stage").handler(broken, all);
    let report = within(LONG, builder.start()).await.unwrap_err().report();
    assert!(report.starts_with("handler Stage did not start: "), "{report}");
    assert!(report.contains("no licence file"), "{report}");
    assert_eq!(house.registry.registrations(), 0);
}

#[test]
fn failures_are_told_to_callers_outside_of_actix_too() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let house = House::default();
        let builder = house.stage("one").before_start(|| async { Err("no database") });
        let report = within(LONG, builder.start()).await.unwrap_err().report();
        assert_eq!(report, "the hook before_start failed: no database");
    });
}

/// A registry that nobody reaches.
struct Unreachable;

impl Unreachable {
    fn fail<T>(&self) -> BoxFuture<'_, Result<T, RegistryError>> {
        let (registry, address) = (self.name(), self.address());
        let error = RegistryError::Unavailable { registry, address, reason: "no route".into() };
        Box::pin(async { Err(error) })
    }
}

impl Registry for Unreachable {
    fn name(&self) -> &'static str {
        "faraway"
    }

    fn address(&self) -> String {
        "192.0.2.1:8500".into()
    }

    fn register(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.fail()
    }

    fn renew(&self, _: Service, _: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.fail()
    }

    fn deregister(&self, _: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.fail()
    }

    fn get(&self, _: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        self.fail()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        self.fail()
    }

    fn watch(&self, _: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        self.fail()
    }
}
