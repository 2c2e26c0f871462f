//! What is tried again, where, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callboard::actors::client::RetryBudgetOptions;
use callboard::actors::transport::MemoryTransport;
use callboard::middleware::{CallInfo, Middleware, Next, Outcome};
use callboard::prelude::*;
use callboard::{CallError, Executed, SystemBuilder};

use parking_lot::Mutex;

use crate::stage::{Diary, Fail, House, LONG, Panic, call, eventually, start, stop, within};

#[actix::test]
async fn a_rule_of_the_callers_own_retries_what_it_wants_as_often_as_retries_allow() {
    let house = House::default();
    let (server, client) = (start(house.stage("one")).await, house.client().await);
    let stage = client.service("stage");
    let waits = Arc::new(Mutex::new(Vec::new()));
    let wait = {
        let waits = Arc::clone(&waits);
        move |attempt| {
            waits.lock().push(attempt);
            Duration::ZERO
        }
    };
    let is_conflict =
        |error: &CallError, _| matches!(error, CallError::Status(status) if status.code == 409);
    let failing = stage.send(Fail).retries(2).retry(is_conflict).backoff(wait);
    let error = within(LONG, failing).await.unwrap_err();
    assert!(matches!(error, CallError::Status(_)), "{error:?}");
    assert_eq!((house.diary.count("fail"), &waits.lock()[..]), (3, &[1, 2][..]));
    let other = stage.send(Panic).retries(2).retry(is_conflict);
    assert!(within(LONG, other).await.is_err());
    assert_eq!(waits.lock().len(), 2, "a panic is no conflict");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn an_idempotent_call_is_repeated_elsewhere_when_its_connection_breaks() {
    let theatre = Theatre::open().await;
    let call = call(theatre.client.service("stage").send(Safe).timeout(LONG));
    let broken = theatre.break_connection().await;
    theatre.house.gate.open(2);
    let answered_by = within(LONG, call).await.unwrap().unwrap();
    assert_ne!(answered_by, broken);
    assert_eq!(theatre.house.diary.lines().len(), 2, "it was started twice");
    theatre.close().await;
}

#[actix::test]
async fn another_call_is_not_repeated_since_it_may_have_been_executed() {
    let theatre = Theatre::open().await;
    let call = call(theatre.client.service("stage").send(Unsafe).retries(5).timeout(LONG));
    theatre.break_connection().await;
    let error = within(LONG, call).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Connection { executed: Executed::Maybe, .. }), "{error:?}");
    assert!(error.to_string().ends_with(" failed; the call may have been executed"), "{error}");
    assert!(!error.is_retryable());
    theatre.house.gate.open(2);
    assert_eq!(theatre.house.diary.lines().len(), 1, "it was started once");
    theatre.close().await;
}

#[actix::test]
async fn an_idempotent_call_without_retries_is_not_repeated() {
    let theatre = Theatre::open().await;
    let call = call(theatre.client.service("stage").send(Safe).retries(0).timeout(LONG));
    theatre.break_connection().await;
    let error = within(LONG, call).await.unwrap().unwrap_err();
    assert_eq!(error.executed(), Executed::Maybe, "{error:?}");
    theatre.house.gate.open(2);
    theatre.close().await;
}

#[actix::test]
async fn what_a_node_in_a_hurry_leaves_unfinished_may_have_been_executed() {
    let house = House::default();
    let server = start(serving(&house, "hurried")).await;
    let client = house.client().await;
    let call = call(client.service("stage").send(Unsafe).retries(5).timeout(LONG));
    house.diary.has("hurried unsafe").await;
    let stopping = tokio::spawn({
        let server = server.clone();
        async move { server.stop().await }
    });
    tokio::task::yield_now().await;
    server.hurry();
    within(LONG, stopping).await.unwrap();
    let error = within(LONG, call).await.unwrap().unwrap_err();
    assert_ne!(error.executed(), Executed::No, "{error:?}");
    assert!(!error.is_retryable(), "{error:?}");
    stop(&[&client]).await;
}

#[actix::test]
async fn refused_work_is_tried_on_every_node_whatever_its_retries() {
    let house = House::default();
    // Both refuse, since both are told to stop; the third one stays.
    let servers = [start(serving(&house, "a")).await, start(serving(&house, "b")).await];
    let client = house.client().await;
    let stage = client.service("stage");
    house.gate.open(1000);
    for _ in 0..20 {
        within(LONG, stage.send(Safe).retries(0)).await.unwrap();
    }
    let third = start(serving(&house, "c")).await;
    for server in &servers {
        stop(&[server]).await;
        for _ in 0..20 {
            within(LONG, stage.send(Unsafe).retries(0)).await.expect("nothing was executed");
        }
    }
    stop(&[&client, &third]).await;
}

#[actix::test]
async fn the_budget_ends_retries_that_do_not_help() {
    let house = House::default();
    let refusals = Arc::<AtomicU64>::default();
    let refuse = Overload(Arc::clone(&refusals));
    let server = start(serving(&house, "full").middleware(refuse)).await;
    let budget = RetryBudgetOptions { share: 0.1, per_second: 0.5 };
    let client = house.system("client").options(|options| options.caller.budget = budget);
    let client = start(client).await;
    let stage = client.service("stage");
    let calls = 50;
    for _ in 0..calls {
        let error = within(LONG, stage.send(Unsafe).retries(3).timeout(LONG)).await.unwrap_err();
        assert!(matches!(error, CallError::Overloaded { .. }), "{error:?}");
    }
    let attempts = refusals.load(Ordering::Relaxed);
    let retries = attempts - calls;
    // A tenth of the calls, and one for every two seconds of a window of ten.
    assert!(retries >= 1, "it was repeated at all");
    assert!(retries <= 5 + 5 + 1, "{retries} retries of {calls} calls");
    stop(&[&client, &server]).await;
}

#[actix::test]
async fn retries_end_with_the_time_for_the_call() {
    let house = House::default();
    let refusals = Arc::<AtomicU64>::default();
    let server = start(serving(&house, "full").middleware(Overload(Arc::clone(&refusals)))).await;
    let client = house.client().await;
    let begun = std::time::Instant::now();
    let call = client.service("stage").send(Unsafe).retries(1000);
    let error = within(LONG, call.timeout(Duration::from_millis(200))).await.unwrap_err();
    // The time may end between two attempts or during one.
    let is_expected = matches!(error, CallError::Overloaded { .. } | CallError::Timeout { .. });
    assert!(is_expected, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(refusals.load(Ordering::Relaxed) > 1);
    stop(&[&client, &server]).await;
}

/// Two nodes and a client, on a network whose connections can be broken.
struct Theatre {
    house: House,
    network: MemoryTransport,
    servers: Vec<ServiceSystem>,
    client: ServiceSystem,
}

impl Theatre {
    async fn open() -> Self {
        let (house, network) = (House::default(), MemoryTransport::new());
        let mut servers = Vec::new();
        for name in ["left", "right"] {
            let builder = serving(&house, name).transport(network.endpoint(name));
            servers.push(start(builder).await);
        }
        let client = house.system("client").transport(network.endpoint("client"));
        Self { client: start(client).await, house, network, servers }
    }

    /// Waits until a node handles the call, breaks the way to it, and tells which one it was.
    async fn break_connection(&self) -> String {
        eventually(async || !self.house.diary.lines().is_empty()).await;
        let line = self.house.diary.lines().remove(0);
        let name = line.split(' ').next().unwrap_or_default().to_owned();
        self.network.sever("client", &name);
        name
    }

    async fn close(self) {
        stop(&[&self.client, &self.servers[0], &self.servers[1]]).await;
    }
}

fn serving(house: &House, name: &str) -> SystemBuilder {
    let (diary, gate, name) = (house.diary.clone(), house.gate.clone(), name.to_owned());
    let actor = move || Actress { name: name.clone(), diary: diary.clone(), gate: gate.clone() };
    house.system("stage").handler(actor, |h| h.request::<Safe>().request::<Unsafe>())
}

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Act.Safe", reply = String, idempotent)]
struct Safe;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Act.Unsafe", reply = String)]
struct Unsafe;

/// Notes what she begins, and answers with her name once the gate lets her.
struct Actress {
    name: String,
    diary: Diary,
    gate: crate::stage::Gate,
}

impl Actor for Actress {
    type Context = Context<Self>;
}

impl Actress {
    fn act(&self, what: &str) -> ResponseFuture<Result<String, Status>> {
        self.diary.note(format!("{} {what}", self.name));
        let (gate, name) = (self.gate.clone(), self.name.clone());
        Box::pin(async move {
            gate.pass().await;
            Ok(name)
        })
    }
}

impl Handler<Request<Safe>> for Actress {
    type Result = ResponseFuture<Reply<Safe>>;

    fn handle(&mut self, _: Request<Safe>, _: &mut Context<Self>) -> Self::Result {
        self.act("safe")
    }
}

impl Handler<Request<Unsafe>> for Actress {
    type Result = ResponseFuture<Reply<Unsafe>>;

    fn handle(&mut self, _: Request<Unsafe>, _: &mut Context<Self>) -> Self::Result {
        self.act("unsafe")
    }
}

/// Refuses everything as overloaded, and counts.
struct Overload(Arc<AtomicU64>);

impl Middleware for Overload {
    fn call<'a>(&'a self, _: &'a mut CallInfo, _: Next<'a>) -> Outcome<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let retry_after = Duration::from_millis(1);
        let (node, detail) = (String::new(), String::new());
        Box::pin(async move { Err(CallError::Overloaded { node, retry_after, detail }) })
    }
}
