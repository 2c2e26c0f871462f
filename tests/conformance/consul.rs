//! The registry `consul`, against a real agent.

mod agent;
mod scripted;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use callboard::prelude::*;
use callboard::registry::{
    BoxFuture, Change, ConsulOptions, ConsulRegistry, NodeInfo, Registry, RegistryError, Service,
    WatchScope,
};
use callboard_actors::testing::registry::{self, Harness, Pair};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use self::agent::Agent;
use crate::ports::free_address;

/// Two registries of one agent that has nothing else.
#[derive(Default)]
struct Consul {
    /// The agent of the pair made last; properties come one after the other.
    agent: Mutex<Option<Agent>>,
}

impl Harness for Consul {
    fn pair(&self) -> BoxFuture<'_, Pair> {
        Box::pin(async {
            let agent = Agent::start().await;
            let pair = Pair { one: agent.registry(), other: agent.registry() };
            *self.agent.lock() = Some(agent);
            pair
        })
    }

    fn patience(&self) -> Duration {
        LIMIT
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn restart(&self) -> BoxFuture<'_, ()> {
        self.lose_everything()
    }

    fn can_lose_everything(&self) -> bool {
        true
    }

    /// The agent keeps nothing on disk.
    fn lose_everything(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let agent = self.agent.lock().take();
            let mut agent = agent.expect("a pair was made");
            agent.restart().await;
            *self.agent.lock() = Some(agent);
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consul_has_every_property_of_a_registry() {
    registry::all(&Consul::default()).await;
}

#[tokio::test]
async fn an_unchanged_record_is_renewed_and_not_rewritten() {
    let agent = Agent::start().await;
    let registry = agent.registry();
    registry.register(greeter(1), TTL).await.unwrap();
    let written =
        agent.get("/v1/health/service/greeter").await[0]["Service"]["ModifyIndex"].clone();
    registry.renew(greeter(1), TTL).await.unwrap();
    registry.register(greeter(1), TTL).await.unwrap();
    let entry = agent.get("/v1/health/service/greeter").await;
    assert_eq!(entry[0]["Service"]["ModifyIndex"], written);
    registry.register(greeter(2), TTL).await.unwrap();
    let entry = agent.get("/v1/health/service/greeter").await;
    assert_ne!(entry[0]["Service"]["ModifyIndex"], written);
}

#[tokio::test]
async fn a_consul_that_lost_its_data_is_told_again() {
    let mut agent = Agent::start().await;
    let registry = agent.registry();
    registry.register(greeter(1), TTL).await.unwrap();
    agent.restart().await;
    let lost = registry.renew(greeter(1), TTL).await.unwrap_err();
    assert!(matches!(lost, RegistryError::LeaseLost { .. }), "{lost}");
    // As the heartbeat does then; that it was written before must not matter.
    registry.register(greeter(1), TTL).await.unwrap();
    assert_eq!(registry.get("greeter".into()).await.unwrap(), [greeter(1)]);
}

#[tokio::test]
async fn a_thousand_services_are_watched_with_two_queries() {
    let agent = Agent::start().await;
    let registry = agent.registry();
    for number in 0..SERVICES {
        let service = Service::new(format!("service-{number}"), "1");
        let node = NodeInfo::new(format!("node-{number}"), "127.0.0.1:9000");
        registry.register(service.node(node), TTL * 10).await.unwrap();
    }
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    let Change::Resync(all) = within(watch.next()).await.unwrap() else { panic!("a resync") };
    assert_eq!(all.len(), SERVICES);
    registry.register(greeter(1), TTL * 10).await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), Change::Created(greeter(1)));
    registry.deregister(greeter(1)).await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), Change::Deleted(greeter(1)));
}

#[tokio::test]
async fn who_may_not_register_is_told_at_once() {
    let acl = r#"-hcl=acl { enabled = true default_policy = "deny" }"#;
    let agent = Agent::start_with(&[acl]).await;
    let error = agent.registry().register(greeter(1), TTL).await.unwrap_err();
    assert!(matches!(error, RegistryError::Forbidden { .. }) && !error.is_retryable(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&agent.address()) && text.contains("check the ACL token"), "{text}");
    let registry = ConsulRegistry::new(ConsulOptions::new(agent.address())).unwrap();
    let builder = ServiceSystem::new("greeter").without_environment().registry(registry);
    let builder = builder.handler(|| Echo, |h| h.request::<Ping>());
    // A start that tried again would take all the time it has.
    let builder = builder.configure(|config| config.start_timeout = LIMIT * 10);
    let error = within(builder.start()).await.unwrap_err();
    assert!(error.report().contains("refuses access: 403"), "{}", error.report());
}

#[tokio::test]
async fn a_record_that_nobody_would_read_is_not_written() {
    let agent = Agent::start().await;
    let registry = agent.registry();
    let mut service = greeter(1);
    service.nodes[0].metadata.insert("large".into(), "x".repeat(300 * 1024));
    let error = registry.register(service, TTL).await.unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("at most 262144 and 65536 are read"), "{error}");
    assert_eq!(registry.list().await.unwrap(), []);
}

/// What others register must not matter: checks of a machine, and names that cannot be asked for.
#[tokio::test]
async fn a_watch_on_all_services_bears_what_others_do() {
    let agent = Agent::start().await;
    let registry = agent.registry();
    agent.put("/v1/agent/service/register", r#"{"Name":"a//b"}"#).await;
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), Change::Resync(vec![]));
    assert_eq!(registry.list().await.unwrap(), []);
    let check = r#"{"Name":"disk","TTL":"1h","Status":"passing"}"#;
    agent.put("/v1/agent/check/register", check).await;
    let quiet = timeout(QUIET, watch.next()).await;
    assert!(quiet.is_err(), "it is nothing to be told, nor a failure: {quiet:?}");
    registry.register(greeter(1), TTL).await.unwrap();
    // A read that is dropped, wherever it was, loses nothing.
    let told = async {
        loop {
            if let Ok(told) = timeout(Duration::from_millis(3), watch.next()).await {
                return told;
            }
        }
    };
    assert_eq!(within(told).await.unwrap(), Change::Created(greeter(1)));
}

/// As Go Micro registers without a TTL: there is no check, and nothing tells the nodes apart but
/// their ids and ports.
#[tokio::test]
async fn a_watch_on_all_services_sees_nodes_without_leases_whose_labels_are_equal() {
    let agent = Agent::start().await;
    let registry = agent.registry();
    registry.register(greeter(1), TTL).await.unwrap();
    let mut watch = registry.watch(WatchScope::All).await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), Change::Resync(vec![greeter(1)]));
    let plain = |port: u16| {
        let address = format!("mucp-2016:127.0.0.1:{port}/plain");
        Service::new("plain", "1.0.0").node(NodeInfo::new(format!("plain-{port}"), address))
    };
    for port in [9001, 9002] {
        let record = format!(
            r#"{{"ID":"plain-{port}","Name":"plain","Tags":["v=1.0.0"],"Address":"127.0.0.1","Port":{port}}}"#
        );
        agent.put("/v1/agent/service/register", &record).await;
        assert_eq!(within(watch.next()).await.unwrap(), Change::Created(plain(port)));
    }
    agent.put("/v1/agent/service/deregister/plain-9001", "").await;
    assert_eq!(within(watch.next()).await.unwrap(), Change::Deleted(plain(9001)));
}

#[tokio::test]
async fn the_token_is_sent_and_errors_are_told_with_what_consul_says() {
    let agent = Agent::start_with(&["-hcl", ACL]).await;
    let denied = agent.registry().register(greeter(1), TTL).await.unwrap_err();
    assert!(denied.to_string().contains("Permission denied"), "{denied}");
    let options = agent.options().token("5d1a4f2e-0000-4000-8000-000000000001");
    let registry = ConsulRegistry::new(options).unwrap();
    let registered = async {
        // The agent makes its master token when it has become the leader.
        while registry.register(greeter(1), TTL).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(registered).await;
    assert_eq!(registry.get("greeter".into()).await.unwrap(), [greeter(1)]);
}

#[tokio::test]
async fn a_datacenter_that_there_is_not_is_told_with_those_that_there_are() {
    let agent = Agent::start().await;
    let registry = ConsulRegistry::new(agent.options().datacenter("dc7")).unwrap();
    for error in [
        registry.get("greeter".into()).await.unwrap_err(),
        registry.list().await.unwrap_err(),
        registry.watch(WatchScope::All).await.map(drop).unwrap_err(),
    ] {
        let is_permanent = matches!(error, RegistryError::Misconfigured { .. });
        assert!(is_permanent && !error.is_retryable(), "{error}");
        let expected = r#"it knows no datacenter "dc7", only dc1; correct"#;
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_there_is_not_is_told_at_once() {
    let agent = Agent::start_with(&["-hcl", ACL]).await;
    let registry = ConsulRegistry::new(agent.options().token("no-such-token")).unwrap();
    let error = registry.register(greeter(1), TTL).await.unwrap_err();
    assert!(matches!(error, RegistryError::Forbidden { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("403 Forbidden: ACL not found"), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_unavailable() {
    let options = ConsulOptions::new(free_address().to_string());
    let registry = ConsulRegistry::new(options).unwrap();
    let error = registry.get("greeter".into()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("refused"), "{error}");
}

/// The registrations outlive their TTL three times before Consul is back, without its data.
#[actix::test]
async fn no_call_to_a_known_name_fails_while_consul_is_gone() {
    let mut agent = Agent::start().await;
    let system = |name: &str| {
        let registry = ConsulRegistry::new(agent.options()).expect("a good address");
        let builder = ServiceSystem::new(name).without_environment().registry(registry);
        builder.configure(|config| config.register_ttl = SHORT_TTL)
    };
    let server = system("echo").handler(|| Echo, |h| h.request::<Ping>()).start().await.unwrap();
    let client = system("client").start().await.unwrap();
    let echo = client.service("echo");
    let latecomer = system("latecomer");
    echo.send(Ping(0)).await.unwrap();
    for is_gone in [true, false] {
        if is_gone {
            agent.kill().await;
        } else {
            agent.restart().await;
        }
        let until = Instant::now() + SHORT_TTL * 3;
        let mut calls = 0;
        while Instant::now() < until {
            calls += 1;
            let answer = echo.send(Ping(calls)).await;
            assert_eq!(answer.unwrap_or_else(|error| panic!("call {calls}: {error}")), calls);
        }
        assert!(calls > 100, "{calls} calls are no load");
    }
    // The node has registered again.
    let latecomer = latecomer.start().await.unwrap();
    assert_eq!(latecomer.service("echo").send(Ping(1)).await.unwrap(), 1);
    for system in [latecomer, client, server] {
        within(system.stop()).await;
    }
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Echo.Ping", reply = u64)]
struct Ping(u64);

struct Echo;

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<Request<Ping>> for Echo {
    type Result = Reply<Ping>;

    fn handle(&mut self, request: Request<Ping>, _: &mut Context<Self>) -> Reply<Ping> {
        Ok(request.0)
    }
}

fn greeter(incarnation: u64) -> Service {
    let mut node = NodeInfo::new("greeter-1", "127.0.0.1:9000").label("zone", "eu-1");
    node.incarnation = incarnation;
    Service::new("greeter", "1.0.0").node(node)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it happens in time")
}

const SHORT_TTL: Duration = Duration::from_secs(2);

const TTL: Duration = Duration::from_secs(30);

/// Longer than Consul takes to tell of a change.
const QUIET: Duration = Duration::from_secs(1);

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

const SERVICES: usize = 1_000;

/// Nothing is allowed without a token.
const ACL: &str = r#"acl { enabled = true default_policy = "deny" tokens { master = "5d1a4f2e-0000-4000-8000-000000000001" } }"#;

impl Agent {
    fn options(&self) -> ConsulOptions {
        ConsulOptions::new(self.address())
    }

    fn registry(&self) -> Arc<dyn Registry> {
        Arc::new(ConsulRegistry::new(self.options()).expect("a good address"))
    }
}
