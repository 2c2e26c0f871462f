//! The service that most tests play with, and what they need to watch it.

use std::sync::Arc;
use std::time::Duration;

use callboard::handler::HandlerBuilder;
use callboard::prelude::*;
use callboard::registry::MemoryRegistry;
use callboard::{CallError, SystemBuilder};
use tokio::sync::{Semaphore, watch};

/// Far more than anything here takes, however busy the machine is.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Long enough for a call that ends by its timeout to have reached the handler before.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Awaits `future`, and fails the test when that takes longer than `limit`.
pub(crate) async fn within<F: IntoFuture>(limit: Duration, future: F) -> F::Output {
    tokio::time::timeout(limit, future).await.expect("it ends in time")
}

// ===== What is asked =====

#[derive(Debug, Clone, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Echo", reply = String)]
pub(crate) struct Echo(pub(crate) String);

/// Which actor answers.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Who", reply = String)]
pub(crate) struct Who;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Count", reply = u64)]
pub(crate) struct Count;

/// Is answered once the gate lets it pass.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Hold", reply = String)]
pub(crate) struct Hold(pub(crate) String);

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Panic", reply = ())]
pub(crate) struct Panic;

#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Fail", reply = ())]
pub(crate) struct Fail;

/// Shows what came with the request.
#[derive(Debug, Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Stage.Show", reply = Shown)]
pub(crate) struct Show;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) time_left: Option<Duration>,
    pub(crate) peer: String,
}

impl Shown {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

pub(crate) fn echo() -> Echo {
    Echo("hello".into())
}

// ===== Who answers =====

pub(crate) struct Stage {
    name: String,
    count: u64,
    diary: Diary,
    gate: Gate,
}

impl Actor for Stage {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.diary.note(format!("{} starts", self.name));
    }
}

impl Handler<Request<Echo>> for Stage {
    type Result = Reply<Echo>;

    fn handle(&mut self, request: Request<Echo>, _: &mut Context<Self>) -> Reply<Echo> {
        let Echo(text) = request.into_inner();
        self.diary.note(format!("echo {text}"));
        Ok(text)
    }
}

impl Handler<Request<Who>> for Stage {
    type Result = Reply<Who>;

    fn handle(&mut self, _: Request<Who>, _: &mut Context<Self>) -> Reply<Who> {
        Ok(self.name.clone())
    }
}

impl Handler<Request<Count>> for Stage {
    type Result = Reply<Count>;

    fn handle(&mut self, _: Request<Count>, _: &mut Context<Self>) -> Reply<Count> {
        self.count += 1;
        Ok(self.count)
    }
}

impl Handler<Request<Hold>> for Stage {
    type Result = ResponseFuture<Reply<Hold>>;

    fn handle(&mut self, request: Request<Hold>, _: &mut Context<Self>) -> Self::Result {
        let Hold(name) = request.into_inner();
        self.diary.note(format!("{name} starts"));
        let (gate, mut end) = (self.gate.clone(), End(self.diary.clone(), name, "is dropped"));
        Box::pin(async move {
            gate.pass().await;
            end.2 = "ends";
            Ok(end.1.clone())
        })
    }
}

/// Notes how the handling of a request ended.
struct End(Diary, String, &'static str);

impl Drop for End {
    fn drop(&mut self) {
        self.0.note(format!("{} {}", self.1, self.2));
    }
}

impl Handler<Request<Panic>> for Stage {
    type Result = Reply<Panic>;

    fn handle(&mut self, _: Request<Panic>, _: &mut Context<Self>) -> Reply<Panic> {
        panic!("as it was asked to");
    }
}

impl Handler<Request<Fail>> for Stage {
    type Result = Reply<Fail>;

    fn handle(&mut self, _: Request<Fail>, _: &mut Context<Self>) -> Reply<Fail> {
        self.diary.note("fail");
        Err(Status::conflict("stage", "as it was asked to"))
    }
}

impl Handler<Request<Show>> for Stage {
    type Result = Reply<Show>;

    fn handle(&mut self, request: Request<Show>, _: &mut Context<Self>) -> Reply<Show> {
        let pairs = request.metadata().iter();
        Ok(Shown {
            metadata: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            time_left: request.deadline().map(callboard::Deadline::time_left),
            peer: request.peer_service().to_owned(),
        })
    }
}

pub(crate) fn all(handler: HandlerBuilder<Stage>) -> HandlerBuilder<Stage> {
    let handler = handler.request::<Echo>().request::<Who>().request::<Count>().request::<Hold>();
    handler.request::<Panic>().request::<Fail>().request::<Show>()
}

// ===== The house =====

/// A registry, and what the actors on its stages share.
#[derive(Clone, Default)]
pub(crate) struct House {
    pub(crate) registry: MemoryRegistry,
    pub(crate) diary: Diary,
    pub(crate) gate: Gate,
}

impl House {
    /// A system that serves nothing yet.
    pub(crate) fn system(&self, service: &str) -> SystemBuilder {
        callboard::actors::contain::quiet_contained_panics();
        ServiceSystem::new(service)
            .without_environment()
            .registry(self.registry.clone())
            .configure(|config| config.settle_time = Duration::from_millis(20))
    }

    /// A node of the service `stage`; `name` is what its actor answers to [`Who`].
    pub(crate) fn stage(&self, name: &str) -> SystemBuilder {
        self.system("stage").metadata("name", name).handler(self.actor(name), all)
    }

    pub(crate) fn actor(&self, name: &str) -> impl Fn() -> Stage + Send + Sync + 'static + use<> {
        let (diary, gate, name) = (self.diary.clone(), self.gate.clone(), name.to_owned());
        move || Stage { name: name.clone(), count: 0, diary: diary.clone(), gate: gate.clone() }
    }

    pub(crate) async fn client(&self) -> ServiceSystem {
        start(self.system("client")).await
    }
}

pub(crate) async fn start(builder: SystemBuilder) -> ServiceSystem {
    within(LONG, builder.start()).await.expect("it starts")
}

pub(crate) async fn stop(systems: &[&ServiceSystem]) {
    for system in systems {
        within(LONG, system.stop()).await;
    }
}

/// A node of `stage` and who calls it, on one of the two ways a call can take.
pub(crate) struct Play {
    pub(crate) house: House,
    pub(crate) server: ServiceSystem,
    pub(crate) caller: ServiceSystem,
    pub(crate) stage: ServiceRef,
    pub(crate) is_local: bool,
}

/// Runs `test` with a caller in another system, over TCP, then in the node's own system.
pub(crate) async fn on_both_ways(
    describe: impl Fn(&House) -> SystemBuilder,
    test: impl AsyncFn(&Play),
) {
    for is_local in [false, true] {
        let house = House::default();
        let server = start(describe(&house)).await;
        let caller = if is_local { server.clone() } else { house.client().await };
        let stage = caller.service("stage");
        let play = Play { house, server, caller, stage, is_local };
        within(LONG, test(&play)).await;
        play.house.gate.open(1000);
        if is_local {
            no_connection(&play.server).await;
        } else {
            assert!(play.server.connections() > 0, "the calls took the way they should");
        }
        stop(&[&play.caller, &play.server]).await;
    }
}

/// Makes sure that nobody is connected.
///
/// One that was would stay; only that of the node's own check at its start may be about to go.
pub(crate) async fn no_connection(server: &ServiceSystem) {
    eventually(async || server.connections() == 0).await;
}

/// What happened, in order.
#[derive(Clone)]
pub(crate) struct Diary(watch::Sender<Vec<String>>);

impl Default for Diary {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Diary {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.send_modify(|lines| lines.push(line.into()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.0.borrow().iter().filter(|each| *each == line).count()
    }

    /// Waits until `line` has been noted.
    pub(crate) async fn has(&self, line: &str) {
        let mut lines = self.0.subscribe();
        let found = lines.wait_for(|lines| lines.iter().any(|each| each == line));
        let found = tokio::time::timeout(LONG, found).await.is_ok();
        assert!(found, "{line:?} is missing in {:?}", self.lines());
    }
}

/// Holds requests up.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    /// Lets as many pass, now or later.
    pub(crate) fn open(&self, count: usize) {
        self.0.add_permits(count);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.expect("it is never closed").forget();
    }
}

/// Has a call made, whoever waits for it.
pub(crate) fn call<T: Endpoint>(
    builder: callboard::CallBuilder<T>,
) -> tokio::task::JoinHandle<Result<T::Reply, CallError>>
where
    T::Reply: Send,
{
    tokio::spawn(builder.into_future())
}

/// Awaits a condition that no event tells of.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    within(LONG, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
