//! Stopping: nothing accepted is lost, nobody waits for ever.

use callboard_actors::node::NodeError;
use callboard_actors::supervisor::Exit;

use super::*;
use crate::handler::HandlerBuilder;
use crate::{Error, Executed};

#[test]
fn a_node_that_nobody_calls_stops_after_the_settle_time() {
    World::run(|world| async move {
        let node = worker(&world, "a", &Log::default()).start().await.unwrap();
        assert_eq!(node.stop().await, Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(500));
        assert_eq!(world.registry().deregistrations(), 1);
    });
}

#[test]
fn accepted_requests_are_finished_and_later_ones_go_elsewhere() {
    World::run(|world| async move {
        let logs = [Log::default(), Log::default()];
        let a = worker(&world, "a", &logs[0]).start().await.unwrap();
        let client = world.system("client").start().await.unwrap();
        let long = spawn_work(&client, 1, 3000);
        world.advance(millis(1000)).await;
        let _b = worker(&world, "b", &logs[1]).start().await.unwrap();
        let stop = actix_rt::spawn({
            let a = a.clone();
            async move { a.stop().await }
        });
        world.advance(millis(1)).await;
        for id in 100..200 {
            assert_eq!(work(&client, id, 1).await.unwrap().node, "b");
        }
        assert_eq!(long.await.unwrap().unwrap().node, "a");
        assert_eq!(world.elapsed(), millis(3000));
        assert_eq!(stop.await.unwrap(), Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(3000));
        assert_eq!(logs[0].lines(), ["started 1", "done 1"]);
    });
}

#[test]
fn a_stuck_request_ends_with_the_drain_time_and_its_caller_is_told() {
    World::run(|world| async move {
        let (node, client, log) = pair(&world).await;
        let call = client.service("worker").send(Work::new(1, 600_000)).timeout(millis(900_000));
        let call = actix_rt::spawn(call.into_future());
        world.advance(millis(1000)).await;
        assert_eq!(node.stop().await, Exit::Shutdown);
        assert_eq!(world.elapsed(), millis(1000 + 500 + 10_000));
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe, "{error}");
        assert_eq!(log.lines(), ["started 1", "dropped 1"]);
        assert_eq!(world.elapsed(), millis(11_500));
    });
}

#[test]
fn a_hurried_stop_waits_for_nothing_and_is_the_same_end_for_all() {
    World::run(|world| async move {
        let (node, client, _) = pair(&world).await;
        let _call = spawn_work(&client, 1, 4000);
        world.advance(millis(100)).await;
        let stops = [node.clone(), node.clone()];
        let stops = stops.map(|node| actix_rt::spawn(async move { node.stop().await }));
        world.advance(millis(100)).await;
        node.hurry();
        for stop in stops {
            assert_eq!(stop.await.unwrap(), Exit::Shutdown);
        }
        assert_eq!(world.elapsed(), millis(200));
        assert_eq!(node.stop().await, Exit::Shutdown, "stopping again is to be told again");
        assert_eq!(node.ended().await, Exit::Shutdown);
    });
}

#[test]
fn hurrying_before_a_stop_does_not_shorten_it() {
    World::run(|world| async move {
        let node = worker(&world, "a", &Log::default()).start().await.unwrap();
        node.hurry();
        node.stop().await;
        assert_eq!(world.elapsed(), millis(500));
    });
}

#[test]
fn a_hurried_stop_still_deregisters() {
    World::run(|world| async move {
        let node = worker(&world, "a", &Log::default()).start().await.unwrap();
        world.registry().delay(millis(1000));
        let stop = actix_rt::spawn({
            let node = node.clone();
            async move { node.stop().await }
        });
        world.advance(millis(100)).await;
        node.hurry();
        stop.await.unwrap();
        world.registry().delay(millis(0));
        let nodes = callboard_actors::registry::Registry::list(world.registry()).await.unwrap();
        assert_eq!(nodes, [], "the node is gone and must not be found");
    });
}

#[test]
fn a_registry_that_does_not_answer_does_not_hold_up_a_stop() {
    World::run(|world| async move {
        let node = worker(&world, "a", &Log::default()).start().await.unwrap();
        world.registry().delay(millis(3_600_000));
        node.stop().await;
        assert!(world.elapsed() <= millis(2000 + 500 + 3000 + 1000), "{:?}", world.elapsed());
    });
}

#[test]
fn hooks_run_in_order_around_the_life_of_a_node() {
    World::run(|world| async move {
        let log = Log::default();
        let writes = |name: &'static str| {
            let (world, log) = (world.clone(), log.clone());
            move || async move {
                let known = world.registry().registrations() - world.registry().deregistrations();
                log.0.lock().push((world.elapsed(), format!("{name} {known}")));
                Ok::<_, String>(())
            }
        };
        let node = worker(&world, "a", &Log::default())
            .before_start(writes("before_start"))
            .after_start(writes("after_start"))
            .before_stop(writes("before_stop"))
            .after_stop(writes("after_stop"));
        node.start().await.unwrap().stop().await;
        let lines = ["before_start 0", "after_start 1", "before_stop 1", "after_stop 0"];
        assert_eq!(log.lines(), lines);
    });
}

#[test]
fn a_failing_hook_ends_the_start_and_leaves_nothing_behind() {
    World::run(|world| async move {
        let fails = || async { Err("no licence") };
        let error = worker(&world, "a", &Log::default()).after_start(fails).start().await;
        let error = error.unwrap_err();
        assert_eq!(error.report(), "the hook after_start failed: no licence");
        let registry = world.registry();
        assert_eq!((registry.registrations(), registry.deregistrations()), (1, 1));
        // Its name and its address are free again.
        worker(&world, "a", &Log::default()).start().await.unwrap();
    });
}

#[test]
fn a_node_whose_handler_fails_too_often_gives_up_and_is_deregistered() {
    World::run(|world| async move {
        let system = world.system("moody").handler(|| Moody, HandlerBuilder::request::<Work>);
        let node = system.start().await.unwrap();
        let exit = node.ended().await;
        assert!(matches!(exit, Exit::GaveUp { .. }), "{exit}");
        assert!(exit.to_string().contains("bad mood"), "{exit}");
        assert_eq!(world.registry().deregistrations(), 1);
        assert_eq!(node.stop().await, exit, "stopping what has ended is to be told how");
        assert!(Error::from(NodeError::GaveUp(exit)).report().starts_with("the node gave up on"));
    });
}

#[test]
fn no_call_fails_while_all_nodes_are_restarted_in_turn() {
    World::run(|world| async move {
        let log = Log::default();
        let mut nodes = Vec::new();
        for id in ["a", "b", "c"] {
            nodes.push(worker(&world, id, &log).start().await.unwrap());
        }
        let client = world.system("client").start().await.unwrap();
        let load = actix_rt::spawn({
            let (world, client) = (world.clone(), client.clone());
            async move {
                let mut calls = Vec::new();
                for id in 0..3000 {
                    calls.push(spawn_work(&client, id, u64::from(id % 10) * 20));
                    world.advance(millis(10)).await;
                }
                futures_util::future::join_all(calls).await
            }
        });
        for id in ["d", "e", "f"] {
            world.advance(millis(5000)).await;
            nodes.push(worker(&world, id, &log).start().await.unwrap());
            nodes.remove(0).stop().await;
        }
        for (id, done) in (0..3000).zip(load.await.unwrap()) {
            assert_eq!(done.unwrap().unwrap().id, id);
        }
        assert_eq!((log.count("started"), log.count("done")), (3000, 3000));
    });
}

/// Panics all the time.
struct Moody;

impl Actor for Moody {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        use actix::prelude::AsyncContext;
        ctx.run_later(millis(100), |_, _| panic!("bad mood"));
    }
}

impl Handler<Request<Work>> for Moody {
    type Result = Reply<Work>;

    fn handle(&mut self, _: Request<Work>, _: &mut Context<Self>) -> Self::Result {
        Err(crate::Status::internal("moody", "not now"))
    }
}
