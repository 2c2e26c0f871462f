//! What a node says of itself in the registry, and when.

use std::time::Duration;

use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
use callboard::registry::{
    BoxFuture, MemoryRegistry, Registry, RegistryError, Service, Watch, WatchScope,
};

use crate::raw::Raw;
use crate::stage::{
    Diary, Echo, House, LONG, Show, all, call, echo, eventually, start, stop, within,
};

#[actix::test]
async fn a_record_tells_everything_a_caller_may_want_to_know() {
    let house = House::default();
    let builder = house.stage("one").version("1.2.3").metadata("zone", "a");
    let builder = builder.service_metadata("team", "blue");
    let server = start(builder).await;
    let services = house.registry.get("stage".into()).await.unwrap();
    let [service] = &services[..] else { panic!("{services:?}") };
    assert_eq!(service.version, "1.2.3");
    assert_eq!(service.metadata.get("team").map(String::as_str), Some("blue"));
    assert_eq!(service.nodes, [server.node().clone()]);
    assert_eq!(service.nodes[0].metadata.get("zone").map(String::as_str), Some("a"));
    let names: Vec<_> = service.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert!(names.contains(&"Stage.Echo") && names.contains(&"Stage.Show"), "{names:?}");
    let echo = service.endpoints.iter().find(|endpoint| endpoint.name == "Stage.Echo").unwrap();
    assert_eq!((echo.request.name.as_str(), echo.reply.name.as_str()), ("Echo", "String"));
    stop(&[&server]).await;
    assert!(house.registry.list().await.unwrap().is_empty());
    assert_eq!(house.registry.deregistrations(), 1);
}

#[actix::test]
async fn a_node_serves_before_it_is_announced() {
    let house = House::default();
    let registry = Curious { inner: house.registry.clone(), diary: house.diary.clone() };
    let server = start(house.stage("one").registry(registry)).await;
    house.diary.has("it answers when it is registered: true").await;
    house.diary.has("it is ready when it is registered: 503 not registered\n").await;
    assert_eq!(readiness(&server.node().address).await, "200 ok\n");
    stop(&[&server]).await;
}

#[actix::test]
async fn a_client_is_never_announced() {
    let house = House::default();
    let client = house.client().await;
    assert_eq!(client.node().address, "");
    stop(&[&client]).await;
    assert_eq!((house.registry.registrations(), house.registry.deregistrations()), (0, 0));
}

#[actix::test]
async fn a_lost_lease_is_registered_again() {
    let house = House::default();
    let builder = house.stage("one").configure(|config| {
        config.register_ttl = Duration::from_secs(3);
        config.register_interval = Some(Duration::from_secs(1));
    });
    let server = start(builder).await;
    house.registry.forget(&server.node().id);
    assert!(house.registry.list().await.unwrap().is_empty());
    eventually(async || !house.registry.list().await.unwrap().is_empty()).await;
    assert_eq!(house.registry.registrations(), 2);
    stop(&[&server]).await;
    assert!(house.registry.list().await.unwrap().is_empty());
}

#[actix::test]
async fn a_node_is_not_ready_while_the_registry_has_not_renewed_its_lease_in_time() {
    let house = House::default();
    let builder = house.stage("one").configure(|config| {
        config.register_ttl = Duration::from_secs(3);
        config.register_interval = Some(Duration::from_secs(1));
    });
    let server = start(builder).await;
    let address = &server.node().address;
    assert_eq!(readiness(address).await, "200 ok\n");
    house.registry.outage();
    eventually(async || readiness(address).await == "503 not registered\n").await;
    house.registry.restore();
    eventually(async || readiness(address).await == "200 ok\n").await;
    stop(&[&server]).await;
}

#[actix::test]
async fn an_unchanged_record_is_renewed_and_not_written_again() {
    let house = House::default();
    let builder = house.stage("one").configure(|config| {
        config.register_ttl = Duration::from_secs(3);
        config.register_interval = Some(Duration::from_secs(1));
    });
    let server = start(builder).await;
    eventually(async || house.registry.renewals() >= 2).await;
    assert_eq!(house.registry.registrations(), 1);
    stop(&[&server]).await;
}

#[actix::test]
async fn every_start_has_an_id_and_an_incarnation_of_its_own() {
    let house = House::default();
    let (one, two) = (start(house.stage("one")).await, start(house.stage("two")).await);
    assert_ne!(one.node().id, two.node().id);
    stop(&[&one, &two]).await;
    let named = || house.stage("one").configure(|config| config.server_id = Some("first".into()));
    let first = start(named()).await;
    stop(&[&first]).await;
    let again = start(named()).await;
    assert_eq!((first.node().id.as_str(), again.node().id.as_str()), ("first", "first"));
    assert!(again.node().incarnation > first.node().incarnation);
    stop(&[&again]).await;
}

#[actix::test]
async fn a_node_leaves_the_registry_before_it_refuses_requests() {
    let house = House::default();
    let slow = Slow(house.diary.clone(), house.gate.clone());
    let server = start(house.system("stage").middleware(slow).handler(house.actor("one"), all));
    let server = server.await;
    let client = house.client().await;
    let held = call(client.service("stage").send(Show));
    house.diary.has("inside").await;
    let stopping = tokio::spawn({
        let server = server.clone();
        async move { server.stop().await }
    });
    eventually(async || house.registry.list().await.unwrap().is_empty()).await;
    // What was accepted is finished, middleware included.
    house.gate.open(1);
    within(LONG, held).await.unwrap().unwrap();
    assert!(within(LONG, stopping).await.unwrap().is_normal());
    let error = within(LONG, client.service("stage").send(echo())).await.unwrap_err();
    assert_eq!(error.executed(), callboard::Executed::No, "{error:?}");
    stop(&[&client]).await;
}

#[actix::test]
async fn known_nodes_stay_reachable_while_the_registry_is_down() {
    let house = House::default();
    let server = start(house.stage("one")).await;
    let client = house.client().await;
    let stage = client.service("stage");
    within(LONG, stage.send(echo())).await.unwrap();
    house.registry.outage();
    for _ in 0..20 {
        within(LONG, stage.send(echo())).await.unwrap();
    }
    house.registry.restore();
    stop(&[&client, &server]).await;
}

/// What a node at this address says of it.
async fn readiness(address: &str) -> String {
    let mut raw = Raw::at(address).await;
    let response = raw.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    format!("{} {}", response.code, response.text())
}

/// Waits for the gate before it lets requests go on.
struct Slow(Diary, crate::stage::Gate);

impl Middleware for Slow {
    fn call<'a>(&'a self, call: &'a mut CallInfo, next: Next<'a>) -> Outcome<'a> {
        Box::pin(async move {
            self.0.note("inside");
            self.1.pass().await;
            next.run(call).await
        })
    }
}

/// Calls a node while that registers.
struct Curious {
    inner: MemoryRegistry,
    diary: Diary,
}

impl Registry for Curious {
    fn name(&self) -> &'static str {
        "curious"
    }

    fn register(
        &self,
        service: Service,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            let caller = callboard::ServiceSystem::new("curious").without_environment();
            let caller = start(caller.registry(self.inner.clone())).await;
            let address = service.nodes[0].address.clone();
            let answer = caller.service("stage").send(Echo("early".into())).node(address);
            let answer = within(LONG, answer).await;
            self.diary.note(format!("it answers when it is registered: {}", answer.is_ok()));
            stop(&[&caller]).await;
            let readiness = readiness(&service.nodes[0].address).await;
            self.diary.note(format!("it is ready when it is registered: {readiness}"));
            self.inner.register(service, ttl).await
        })
    }

    fn renew(&self, service: Service, ttl: Duration) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.inner.renew(service, ttl)
    }

    fn deregister(&self, service: Service) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.inner.deregister(service)
    }

    fn get(&self, name: String) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        self.inner.get(name)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Service>, RegistryError>> {
        self.inner.list()
    }

    fn watch(&self, scope: WatchScope) -> BoxFuture<'_, Result<Box<dyn Watch>, RegistryError>> {
        self.inner.watch(scope)
    }
}
