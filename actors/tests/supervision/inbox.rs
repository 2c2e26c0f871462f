//! Requests are bounded, expire, are cancelled, and each has exactly one outcome.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::inbox::InboxOptions;
use callboard_actors::supervisor::{Exit, Intensity, Restart, Supervisor, SupervisorOptions};
use tokio::time::{Instant, sleep};

use crate::requests::{Outcomes, World};
use crate::world::{Bomb, Crash, Probe, Run, Say, patient, set_up, settle, soon};

const SECOND: Duration = Duration::from_secs(1);

#[actix::test]
async fn what_exceeds_the_capacity_is_refused_and_nothing_else() {
    let world = World::start(3, &[]);
    world.push((1..=5).map(|id| world.job(id)));
    assert_eq!(world.outcomes.take(), ["4 overloaded", "5 overloaded"]);
    assert_eq!(world.inbox.status().queued(), 3);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered", "2 answered", "3 answered"]);
    world.push([world.job(6)]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["6 answered"]);
}

#[actix::test]
async fn an_actor_on_the_same_arbiter_can_be_given_its_turn_at_once() {
    let world = World::start(4, &[]);
    world.push_and_run([world.job(1)]);
    assert_eq!(world.outcomes.take(), [""; 0], "its task has not begun");
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
    let panics = world.job(4).panics();
    world.push_and_run([world.job(2), world.job(3).takes(SECOND), panics, world.job(5)]);
    assert_eq!(world.outcomes.take(), ["2 answered", "4 panicked"]);
    // What it did not get to, and what takes longer, is as with a turn of its task.
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["5 answered", "3 answered"]);
    assert_eq!(world.vitals.snapshot().panics, 1);
}

#[actix::test]
async fn an_actor_on_another_thread_is_woken_instead() {
    let world = World::start(3, &[]);
    settle().await;
    let (inbox, job) = (world.inbox.clone(), world.job(1).boxed());
    let now = Instant::now();
    let pushed = std::thread::spawn(move || inbox.push_and_run(&mut vec![job], now));
    pushed.join().unwrap();
    assert_eq!(world.outcomes.take(), [""; 0]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
}

#[actix::test]
async fn requests_being_handled_do_not_take_up_capacity() {
    let world = World::start(2, &[]);
    world.push([world.job(1).takes(SECOND), world.job(2).takes(SECOND)]);
    settle().await;
    world.push([world.job(3), world.job(4), world.job(5)]);
    assert_eq!(world.outcomes.take(), ["5 overloaded"]);
    assert_eq!(world.inbox.status().pending(), 4);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["3 answered", "4 answered", "1 answered", "2 answered"]);
}

#[actix::test]
async fn what_has_expired_in_the_queue_never_runs() {
    let world = World::start(10, &[]);
    let busy = sleep(SECOND);
    world.probe.do_send(Run::new(|actor, ctx| ctx.wait(busy.into_actor(actor))));
    settle().await;
    world.push([world.job(1).within(SECOND / 2), world.job(2).within(SECOND * 2), world.job(3)]);
    assert_eq!(world.inbox.status().head_age(Instant::now() + SECOND), Some(SECOND));
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 expired", "2 answered", "3 answered"]);
    assert_eq!(world.vitals.snapshot().expired, 1);
}

#[actix::test]
async fn the_time_of_a_fresh_request_begins_when_its_caller_says_so() {
    let world = World::start(10, &[]);
    let busy = sleep(SECOND * 3);
    world.probe.do_send(Run::new(|actor, ctx| ctx.wait(busy.into_actor(actor))));
    settle().await;
    let (inbox, status) = (&world.inbox, world.inbox.status());
    let fresh = |id| inbox.push_fresh(world.job(id).lasting(SECOND).boxed());
    [1, 2].into_iter().for_each(fresh);
    assert_eq!(status.head_age(Instant::now() + SECOND), Some(Duration::ZERO));
    let begun = Instant::now();
    status.begin(begun);
    assert_eq!(status.head_age(begun + SECOND), Some(SECOND));
    // Between others, and after those that have begun.
    world.push([world.job(3)]);
    fresh(4);
    sleep(SECOND / 2).await;
    // Begins once only: the first two would not expire otherwise.
    status.begin(Instant::now());
    assert_eq!(status.head_age(Instant::now()), Some(begun.elapsed()));
    fresh(5);
    soon(world.idle()).await;
    let expected = ["1 expired", "2 expired", "3 answered", "4 expired", "5 answered"];
    assert_eq!(world.outcomes.take(), expected);
}

#[actix::test]
async fn an_inbox_knows_whether_its_actor_is_on_this_thread() {
    let world = World::start(10, &[]);
    settle().await;
    let status = world.inbox.status();
    assert!(status.is_here());
    let elsewhere = std::thread::spawn(move || status.is_here());
    assert!(!elsewhere.join().unwrap());
}

#[actix::test]
async fn the_time_of_a_fresh_request_begins_when_the_actor_puts_it_aside() {
    let world = World::start(1_000, &[1]);
    world.push([world.job(1).takes(SECOND * 3)]);
    settle().await;
    // The second waits for the place of the first, the fourth for the actor.
    for job in [
        world.job(2).lasting(SECOND),
        world.job(3).of(1).pauses_actor_for(SECOND * 2),
        world.job(4).of(1).lasting(SECOND),
    ] {
        world.inbox.push_fresh(job.boxed());
    }
    soon(world.idle()).await;
    let mut lines = world.outcomes.take();
    lines.sort();
    assert_eq!(lines, ["1 answered", "2 expired", "3 answered", "4 expired"]);
}

#[actix::test]
async fn what_was_cancelled_in_the_queue_never_runs() {
    let world = World::start(10, &[]);
    let jobs = [world.job(1), world.job(2), world.job(3).by(2), world.job(4).by(2)];
    world.push(jobs);
    let status = world.inbox.status();
    status.cancel(1, Some(2));
    status.cancel(2, None);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["2 cancelled", "3 cancelled", "4 cancelled", "1 answered"]);
    assert_eq!(world.vitals.snapshot().cancelled, 3);
}

#[actix::test]
async fn an_answer_under_way_is_dropped_when_its_request_is_cancelled() {
    let world = World::start(10, &[1]);
    world.push([
        world.job(1).takes(SECOND),
        world.job(2).uses_actor_for(SECOND),
        world.job(3).takes(SECOND),
    ]);
    settle().await;
    world.inbox.status().cancel(1, Some(1));
    settle().await;
    world.inbox.status().cancel(1, Some(2));
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 dropped", "2 dropped", "3 answered"]);
}

#[actix::test]
async fn requests_are_cancelled_while_the_actor_is_not_there() {
    let log = set_up();
    let (child, inbox) = Probe::child("a", &log).with_inbox(InboxOptions::default());
    let mut builder = patient("top");
    let probe = builder.child(child);
    builder.start();
    let outcomes = Outcomes::default();
    inbox.push_one(outcomes.job(1).takes(SECOND * 30).boxed(), Instant::now());
    settle().await;
    for _ in 0..20 {
        probe.do_send(Crash);
    }
    // By then it waits for seconds between two incarnations.
    sleep(SECOND * 10).await;
    inbox.status().cancel(1, None);
    settle().await;
    assert_eq!(outcomes.take(), ["1 dropped"]);
}

#[actix::test]
async fn a_limit_of_one_endpoint_does_not_hold_up_another() {
    let world = World::start(10, &[2, usize::MAX]);
    world.push((1..=4).map(|id| world.job(id).takes(SECOND)));
    world.push((5..=6).map(|id| world.job(id).of(1).takes(SECOND / 2)));
    sleep(SECOND / 4).await;
    assert_eq!(world.inbox.status().queued(), 2);
    sleep(SECOND / 2).await;
    assert_eq!(world.outcomes.take(), ["5 answered", "6 answered"]);
    sleep(SECOND / 2).await;
    assert_eq!(world.outcomes.take(), ["1 answered", "2 answered"]);
    assert_eq!(world.inbox.status().queued(), 0);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["3 answered", "4 answered"]);
}

#[actix::test]
async fn at_no_time_more_requests_run_than_the_limit_allows() {
    let world = World::start(100, &[3]);
    world.push((0..30).map(|id| world.job(id).takes(SECOND)));
    for round in 0..10 {
        sleep(SECOND / 2).await;
        assert_eq!(world.inbox.status().queued(), 27 - 3 * round);
        assert_eq!(world.inbox.status().pending(), 30 - 3 * round);
        // Those held back may be cancelled without freeing a place.
        sleep(SECOND / 2).await;
    }
    settle().await;
    assert_eq!(world.inbox.status().pending(), 0);
}

#[actix::test]
async fn a_request_held_back_that_expires_lets_the_next_one_go() {
    let world = World::start(10, &[1]);
    world.push([
        world.job(1).takes(SECOND),
        world.job(2).within(SECOND / 2),
        world.job(3).within(SECOND / 2),
        world.job(4),
    ]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered", "2 expired", "3 expired", "4 answered"]);
}

#[actix::test]
async fn a_request_held_back_that_is_cancelled_frees_no_place_it_did_not_have() {
    let world = World::start(10, &[1]);
    world.push((1..=4).map(|id| world.job(id).takes(SECOND)));
    settle().await;
    world.inbox.status().cancel(1, Some(2));
    sleep(SECOND / 2).await;
    assert_eq!(world.inbox.status().queued(), 2, "3 and 4 still wait for 1");
    soon(world.idle()).await;
    let expected = ["2 cancelled", "1 answered", "3 answered", "4 answered"];
    assert_eq!(world.outcomes.take(), expected);
}

#[actix::test]
async fn a_limit_of_zero_does_not_hold_requests_back_for_ever() {
    let world = World::start(10, &[0]);
    world.push([world.job(1), world.job(2)]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered", "2 answered"]);
}

#[actix::test]
async fn a_panic_is_told_once_and_the_rest_runs_in_order_on_a_fresh_actor() {
    let world = World::start(10, &[1]);
    world.push([
        world.job(1),
        world.job(2).panics(),
        world.job(3),
        world.job(4).explodes(),
        world.job(5).of(7),
        world.job(6),
    ]);
    soon(world.idle()).await;
    let expected =
        ["1 answered", "2 panicked", "3 answered", "4 panicked", "5 answered", "6 answered"];
    assert_eq!(world.outcomes.take(), expected);
    let (started, dropped) = ("a started".to_string(), "a dropped".to_string());
    let expected = [&started, &dropped, &started, &dropped, &started].map(Clone::clone);
    assert_eq!(world.log.take(), expected);
    let exit = world.supervisor.children().await[0].last_exit.clone();
    assert!(matches!(exit, Some(Exit::RequestPanicked(panic)) if panic.message == "request"));
}

#[actix::test]
async fn an_answer_that_does_not_need_the_actor_survives_its_restart() {
    let world = World::start(10, &[2]);
    world.push([
        world.job(1).takes(SECOND),
        world.job(2).uses_actor_for(SECOND),
        world.job(3).takes(SECOND),
    ]);
    settle().await;
    world.probe.do_send(Crash);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["2 dropped", "1 answered", "3 answered"]);
}

#[actix::test]
async fn panics_in_requests_can_be_forgiven_whenever_they_happen() {
    let log = set_up();
    let child = Probe::child("a", &log).forgive_request_panics();
    let (child, inbox) = child.with_inbox(InboxOptions::default());
    let mut builder = Supervisor::builder("top").intensity(Intensity::new(0, Duration::MAX));
    let probe = builder.child(child);
    let supervisor = builder.start();
    let outcomes = Outcomes::default();
    inbox.push_one(outcomes.job(1).panics().boxed(), Instant::now());
    soon(inbox.status().idle()).await;
    inbox.push_one(outcomes.job(2).panics_after(SECOND).boxed(), Instant::now());
    soon(inbox.status().idle()).await;
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));
    assert_eq!(outcomes.take(), ["1 panicked", "2 dropped"]);
    probe.do_send(Crash);
    assert!(matches!(soon(supervisor.ended()).await, Exit::GaveUp { .. }), "others are counted");
}

#[actix::test]
async fn once_the_actor_is_gone_everything_is_refused_as_draining() {
    let world = World::start(10, &[1]);
    world.push((1..=2).map(|id| world.job(id).takes(SECOND * 100)));
    settle().await;
    world.push([world.job(3).explodes(), world.job(4).of(1)]);
    // Stops within its deadline of five seconds, with an answer under way that takes longer.
    soon(world.supervisor.stop()).await;
    settle().await;
    let mut lines = world.outcomes.take();
    lines.sort();
    assert_eq!(lines, ["1 dropped", "2 draining", "3 draining", "4 answered"]);
    world.push([world.job(5)]);
    assert_eq!(world.outcomes.take(), ["5 draining"]);
    soon(world.idle()).await;
}

#[actix::test]
async fn an_actor_that_ended_and_is_not_restarted_refuses_as_draining() {
    let world = World::start_child(10, &[1], |child| child.restart(Restart::Transient));
    world.push([world.job(1).takes(SECOND), world.job(2), world.job(3)]);
    settle().await;
    world.probe.do_send(Run::new(|_, ctx| ctx.stop()));
    settle().await;
    assert_eq!(world.outcomes.take(), ["2 draining", "3 draining"]);
    world.push([world.job(4)]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["4 draining", "1 answered"]);
}

#[actix::test]
async fn an_inbox_without_an_actor_refuses() {
    let log = set_up();
    let (child, inbox) = Probe::child("a", &log).with_inbox(InboxOptions::default());
    let outcomes = Outcomes::default();
    inbox.push_one(outcomes.job(1).boxed(), Instant::now());
    drop(child);
    assert_eq!(outcomes.take(), ["1 draining"]);
    inbox.push_one(outcomes.job(2).boxed(), Instant::now());
    assert_eq!(outcomes.take(), ["2 draining"]);
}

#[actix::test]
async fn a_batch_wakes_the_actor_once() {
    let world = World::start(10_000, &[]);
    settle().await;
    let before = world.vitals.snapshot().polls;
    for batch in 0..4 {
        world.push((0..50).map(|id| world.job(batch * 50 + id)));
    }
    soon(world.idle()).await;
    settle().await;
    assert_eq!(world.vitals.snapshot().polls - before, 1);
    assert_eq!(world.vitals.snapshot().requests, 200);
}

#[actix::test]
async fn a_long_queue_is_served_in_order_over_many_polls() {
    let world = World::start(10_000, &[]);
    world.push((0..5_000).map(|id| world.job(id)));
    soon(world.idle()).await;
    let expected: Vec<_> = (0..5_000).map(|id| format!("{id} answered")).collect();
    assert_eq!(world.outcomes.take(), expected);
    let polls = world.vitals.snapshot().polls;
    assert!(polls >= 5_000 / 256, "others on the arbiter had their turn, {polls} times");
}

#[actix::test]
async fn a_request_waits_while_the_actor_does() {
    let world = World::start(10, &[]);
    let busy = sleep(SECOND);
    world.probe.do_send(Run::new(|actor, ctx| ctx.wait(busy.into_actor(actor))));
    world.push([world.job(1)]);
    sleep(SECOND / 2).await;
    assert_eq!(world.outcomes.take(), Vec::<String>::new());
    sleep(SECOND).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
}

#[actix::test]
async fn idle_resolves_at_once_when_nothing_is_pending() {
    let world = World::start(10, &[]);
    tokio::time::timeout(Duration::ZERO, world.idle()).await.unwrap();
    world.push([world.job(1).takes(SECOND)]);
    let begun = Instant::now();
    let (first, second) = (world.idle(), world.idle());
    soon(async { tokio::join!(first, second) }).await;
    assert!(begun.elapsed() >= SECOND);
}

#[actix::test]
async fn a_free_answer_that_panics_ends_nothing_but_itself() {
    let world = World::start(10, &[1]);
    let bomb = Bomb;
    world.push_free(async move {
        let _bomb = bomb;
        sleep(SECOND).await;
    });
    world.push([world.job(1)]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 answered"]);
    let signs = world.vitals.snapshot();
    assert_eq!((signs.panics, signs.restarts), (1, 0));
}

#[actix::test]
async fn a_request_cancelled_when_it_was_about_to_start_lets_the_next_one_go() {
    let world = World::start(10, &[1]);
    let status = world.inbox.status();
    // When it has been answered the next request has its place, and has not been run yet.
    world.push_free(async move {
        sleep(SECOND).await;
        status.cancel(1, Some(1));
    });
    world.push([world.job(1), world.job(2), world.job(3)]);
    soon(world.idle()).await;
    assert_eq!(world.outcomes.take(), ["1 cancelled", "2 answered", "3 answered"]);
}

#[actix::test]
async fn an_answer_due_when_the_actor_panics_does_not_wait_for_the_next_one() {
    let log = set_up();
    let (child, inbox) = Probe::child("a", &log).with_inbox(InboxOptions::default());
    let long = SECOND * 1000;
    let mut builder = Supervisor::builder("top").options(SupervisorOptions {
        intensity: Intensity::unlimited(),
        backoff_first: long,
        backoff_max: long,
        ..SupervisorOptions::default()
    });
    let probe = builder.child(child);
    builder.start();
    // The first restart comes at once, the second one does not.
    probe.do_send(Crash);
    soon(probe.send(Say(1))).await.unwrap();
    log.take();
    probe.do_send(Run::new(|_, ctx| {
        ctx.run_later(SECOND, |_, _| panic!("at the same time"));
    }));
    let outcomes = Outcomes::among(&log);
    inbox.push_one(outcomes.job(1).takes(SECOND).boxed(), Instant::now());
    sleep(long + SECOND * 2).await;
    assert_eq!(log.take(), ["a dropped", "1 answered", "a started"]);
}
