//! A request that its caller keeps while the actor, free and on the same arbiter, handles it.

use std::time::Duration;

use actix::prelude::*;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::requests::{TestJob, World};
use crate::world::{Run, settle, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Whether it was run.
fn run(world: &World, mut job: TestJob) -> bool {
    world.inbox.run_at_once(&mut job)
}

#[actix::test]
async fn it_is_handled_before_anything_else_happens() {
    let world = World::start(3, &[]);
    assert!(!run(&world, world.job(1)), "the actor has not begun");
    settle().await;
    assert!(run(&world, world.job(2)));
    assert_eq!(world.outcomes.take(), ["2 answered"]);
    assert_eq!((world.inbox.status().pending(), world.vitals.snapshot().requests), (0, 1));
    let (inbox, mut job) = (world.inbox.clone(), world.job(3));
    let elsewhere = std::thread::spawn(move || inbox.run_at_once(&mut job));
    assert!(!elsewhere.join().unwrap(), "the actor is not on that thread");
    assert_eq!(world.outcomes.take(), [""; 0]);
}

#[actix::test]
async fn what_came_before_is_handled_before() {
    let world = World::start(3, &[]);
    settle().await;
    world.push([world.job(1)]);
    assert!(!run(&world, world.job(2)), "one is queued");
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
    // Messages are not queued with requests, but have been read by then too.
    let outcomes = world.outcomes.clone();
    let mut told = outcomes.job(3);
    world.probe.do_send(Run::new(move |actor, ctx| {
        callboard_actors::inbox::Job::run(&mut told, actor, ctx);
    }));
    assert!(run(&world, world.job(4)));
    assert_eq!(world.outcomes.take(), ["3 answered", "4 answered"]);
}

#[actix::test]
async fn an_actor_that_waits_or_is_at_a_limit_is_left_alone() {
    let world = World::start(3, &[1]);
    settle().await;
    assert!(run(&world, world.job(1).takes(SECOND)));
    assert!(!run(&world, world.job(2)), "the endpoint has no place left");
    assert!(run(&world, world.job(3).of(1)), "another one has");
    assert_eq!(world.inbox.status().pending(), 1);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["3 answered", "1 answered"]);
    world.probe.do_send(Run::new(|actor, ctx| ctx.wait(sleep(SECOND).into_actor(actor))));
    assert!(!run(&world, world.job(4)), "the actor waits");
    sleep(SECOND * 2).await;
    assert!(!run(&world, world.job(5).within(Duration::ZERO)), "it has expired");
    assert!(run(&world, world.job(6)));
    assert_eq!(world.outcomes.take(), ["6 answered"]);
}

#[actix::test]
async fn what_takes_time_is_counted_and_can_be_cancelled() {
    let world = World::start(3, &[]);
    settle().await;
    assert!(run(&world, world.job(1).takes(SECOND)));
    assert!(run(&world, world.job(2).uses_actor_for(SECOND)));
    let status = world.inbox.status();
    assert_eq!((status.pending(), status.queued()), (2, 0));
    status.cancel(1, Some(1));
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 dropped", "2 answered"]);
}

#[actix::test]
async fn a_panic_is_told_and_the_next_incarnation_goes_on() {
    let world = World::start(3, &[1]);
    settle().await;
    assert!(run(&world, world.job(1).panics()));
    assert_eq!(world.outcomes.take(), ["1 panicked"]);
    assert!(!run(&world, world.job(2)), "there is no incarnation");
    settle().await;
    assert!(run(&world, world.job(3)), "the place is free again");
    assert_eq!(world.outcomes.take(), ["3 answered"]);
    let signs = world.vitals.snapshot();
    assert_eq!((signs.requests, signs.panics, signs.restarts), (2, 1, 1));
}

#[actix::test]
async fn an_arbiter_looks_around_after_so_many() {
    let world = World::start(3, &[]);
    settle().await;
    let all = || (0..1_000).take_while(|id| run(&world, world.job(*id))).count();
    // Some may have been used up before.
    assert!(all() <= 128);
    assert_eq!(all(), 0);
    yield_now().await;
    assert_eq!(all(), 128);
}

#[actix::test]
async fn the_time_of_what_a_busy_actor_did_not_start_begins_with_its_turn() {
    let world = World::start(10, &[]);
    world.probe.do_send(Run::new(|actor, ctx| ctx.wait(sleep(SECOND * 3).into_actor(actor))));
    settle().await;
    // Nobody waits for it who could say when its time begins.
    world.inbox.push_fresh(world.job(1).lasting(SECOND).boxed());
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 expired"]);
}
