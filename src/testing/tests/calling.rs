//! Calls: answers, deadlines, cancellation, retries.

use futures_util::future::join_all;

use super::*;
use crate::handler::HandlerBuilder;
use crate::testing::Faults;
use crate::{CallError, Executed};

#[test]
fn a_hundred_first_calls_ask_the_registry_once() {
    World::run(|world| async move {
        let log = Log::default();
        let _node = worker(&world, "a", &log).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let calls = join_all((0..100).map(|id| work(&client, id, 10))).await;
        assert!((0..).zip(calls).all(|(id, done)| done.unwrap().id == id));
        assert_eq!((world.registry().watches(), world.registry().lookups()), (1, 0));
        assert_eq!(log.count("started"), 100);
    });
}

#[test]
fn a_dropped_call_is_dropped_at_the_node() {
    World::run(|world| async move {
        let (_node, client, log) = pair(&world).await;
        let call = spawn_work(&client, 1, 4000);
        world.advance(millis(100)).await;
        call.abort();
        world.advance(millis(1)).await;
        assert_eq!(log.lines(), ["started 1", "dropped 1"]);
        assert_eq!(log.at("dropped 1"), Some(millis(100)));
    });
}

#[test]
fn the_deadline_crosses_as_time_left() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        let slow = Faults::default().delay(millis(200));
        world.faults(&client, &node, slow);
        world.faults(&node, &client, slow);
        let worker = client.service("worker");
        let done = worker.send(Work::new(1, 0)).timeout(millis(1000)).await.unwrap();
        assert_eq!((done.time_left, world.elapsed()), (millis(1000), millis(400)));

        let error = worker.send(Work::new(2, 9000)).timeout(millis(1000)).await.unwrap_err();
        assert_eq!(world.elapsed(), millis(1400));
        assert!(matches!(error, CallError::Timeout { executed: Executed::Maybe, .. }), "{error}");
        world.advance(millis(1000)).await;
        assert_eq!(log.at("dropped 2"), Some(millis(1600)), "it arrived with a second to live");
    });
}

#[test]
fn a_call_made_while_serving_has_no_more_time_than_the_request() {
    World::run(|world| async move {
        let (_node, client, log) = pair(&world).await;
        let boss = world.system("boss").handler(
            {
                let client = client.clone();
                move || Boss(ServiceSystem::clone(&client))
            },
            HandlerBuilder::request::<Delegate>,
        );
        let _boss = boss.start().await.unwrap();
        let call = client.service("boss").send(Delegate).timeout(millis(700));
        let error = call.await.unwrap_err();
        assert_eq!(world.elapsed(), millis(700));
        assert!(matches!(error, CallError::Timeout { .. }), "{error}");
        world.advance(millis(1)).await;
        assert_eq!(log.at("dropped 5"), Some(millis(700)));
    });
}

#[test]
fn what_may_have_run_is_repeated_only_if_that_does_no_harm() {
    World::run(|world| async move {
        let logs = [Log::default(), Log::default()];
        let a = worker(&world, "a", &logs[0]).start().await.unwrap();
        let b = worker(&world, "b", &logs[1]).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let service = client.service("worker");
        let once = actix_rt::spawn(service.send(Work::new(1, 1000)).into_future());
        let again = actix_rt::spawn(service.send(Ask(Work::new(2, 1000))).into_future());
        world.advance(millis(500)).await;
        world.sever(&client, &a);
        world.sever(&client, &b);
        let error = once.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe, "{error}");
        assert!(!error.is_retryable());
        let started =
            |id| logs.iter().map(|log| log.count(&format!("started {id}"))).sum::<usize>();
        // Both connections broke, so whether the second attempt finds one open is chance; that
        // there is one at most, and that none is made of the other call, is not.
        let answer = again.await.unwrap();
        assert_eq!(started(1), 1);
        assert_eq!(started(2), if answer.is_ok() { 2 } else { 1 });
    });
}

#[test]
fn an_idempotent_call_goes_on_at_another_node() {
    World::run(|world| async move {
        let logs = [Log::default(), Log::default()];
        let a = worker(&world, "a", &logs[0]).start().await.unwrap();
        let b = worker(&world, "b", &logs[1]).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let call = client.service("worker").send(Ask(Work::new(1, 1000)));
        let call = actix_rt::spawn(call.into_future());
        world.advance(millis(500)).await;
        let (broken, other) = if logs[0].count("started") == 1 { (a, "b") } else { (b, "a") };
        world.sever(&client, &broken);
        assert_eq!(call.await.unwrap().unwrap().node, other);
        assert_eq!(world.elapsed(), millis(1500));
    });
}

#[test]
fn a_node_named_by_the_call_is_named_by_its_error() {
    World::run(|world| async move {
        let (_node, client, _) = pair(&world).await;
        let direct = client.service("worker").send(Work::new(1, 0)).node("memory:a").await.unwrap();
        assert_eq!(direct.node, "a");
        let error = client.service("worker").send(Work::new(1, 0)).node("memory:gone").await;
        let error = error.unwrap_err();
        assert_eq!(error.executed(), Executed::No);
        assert!(error.to_string().contains("memory:gone"), "{error}");
        let call = client.service("worker").send(Work::new(1, 9000)).node("memory:a");
        let call = actix_rt::spawn(call.into_future());
        world.advance(millis(10)).await;
        world.network().sever("client-1", "a");
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe);
        assert!(error.to_string().contains("memory:a"), "{error}");
    });
}

/// Has others work.
struct Boss(ServiceSystem);

#[derive(Debug, Serialize, Deserialize, crate::Endpoint)]
#[endpoint(name = "Boss.Delegate", reply = Done, crate = crate)]
struct Delegate;

impl Actor for Boss {
    type Context = Context<Self>;
}

impl Handler<Request<Delegate>> for Boss {
    type Result = ResponseFuture<Reply<Delegate>>;

    fn handle(&mut self, request: Request<Delegate>, _: &mut Context<Self>) -> Self::Result {
        let call = self.0.service("worker").send(Work::new(5, 4000)).within(&request);
        Box::pin(async move { Ok(call.await?) })
    }
}
