//! Children on other threads; in real time, because each thread has a clock of its own.

use std::sync::mpsc;
use std::time::Duration;

use actix::prelude::*;
use callboard_actors::contain::quiet_contained_panics;
use callboard_actors::supervisor::{
    Child, ChildState, Exit, Intensity, RestartStrategy, StartError, Supervisor, SupervisorRef,
};
use tokio::time::Instant;

use crate::world::{Crash, Log, Probe, Run, Say, patient, soon};

#[actix::test]
async fn children_on_other_arbiters_restart_and_stop_like_local_ones() {
    quiet_contained_panics();
    let (log, arbiters) = (Log::default(), [Arbiter::new(), Arbiter::new()]);
    let mut builder = Supervisor::builder("top").intensity(Intensity::unlimited());
    let a = builder.child(Probe::child("a", &log).on(arbiters[0].handle()));
    builder.child(Probe::child("b", &log).on(arbiters[1].handle()));
    builder.child(Probe::child("c", &log));
    let supervisor = builder.start();

    let (first, crash, second) = (a.send(Say(1)), a.send(Crash), a.send(Say(2)));
    assert_eq!(soon(first).await, Ok(1));
    assert_eq!(soon(crash).await, Err(MailboxError::Closed));
    assert_eq!(soon(second).await, Ok(2));
    let (thread, found) = mpsc::channel();
    a.do_send(Run::new(move |_, _| thread.send(std::thread::current().id()).unwrap()));
    assert_eq!(soon(a.send(Say(3))).await, Ok(3));
    assert_ne!(found.recv().unwrap(), std::thread::current().id());
    soon(supervisor.start_child(Probe::child("d", &log).on(arbiters[1].handle()))).await.unwrap();

    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    let stopped: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("stopped")).collect();
    assert_eq!(stopped, ["d stopped", "c stopped", "b stopped", "a stopped"]);
    for arbiter in arbiters {
        arbiter.stop();
        arbiter.join().unwrap();
    }
}

#[actix::test]
async fn a_child_whose_thread_is_blocked_is_abandoned() {
    let (log, arbiter) = (Log::default(), Arbiter::new());
    let mut builder = Supervisor::builder("top");
    builder.child(Probe::child("a", &log));
    let deadline = Duration::from_millis(100);
    let blocked = builder.child(Probe::child("b", &log).on(arbiter.handle()).shutdown(deadline));
    let supervisor = builder.start();
    assert_eq!(soon(blocked.send(Say(1))).await, Ok(1));
    let ((entered, is_blocked), (release, released)) =
        (tokio::sync::oneshot::channel(), mpsc::channel::<()>());
    blocked.do_send(Run::new(move |_, _| {
        entered.send(()).unwrap();
        // Until the test lets go, or fails.
        let _ = released.recv();
    }));
    soon(is_blocked).await.unwrap();

    let begun = Instant::now();
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
    assert!(begun.elapsed() >= deadline);
    assert!(log.take().contains(&"a dropped".to_string()));
    drop(release);
    arbiter.stop();
    arbiter.join().unwrap();
    assert_eq!(log.take(), ["b dropped"], "dropped as soon as its thread is free");
}

#[actix::test]
async fn a_child_for_an_arbiter_that_is_gone_is_refused() {
    let log = Log::default();
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiter.stop();
    arbiter.join().unwrap();
    let supervisor = Supervisor::builder("top").start();
    let outcome = soon(supervisor.start_child(Probe::child("a", &log).on(handle))).await;
    assert_eq!(outcome.err(), Some(StartError::Failed(Exit::ArbiterGone)));
    assert!(supervisor.children().await.is_empty());
}

#[actix::test]
async fn a_supervisor_gives_up_when_a_child_loses_its_arbiter() {
    let (log, arbiter) = (Log::default(), Arbiter::new());
    let mut inner = patient("inner");
    let probe = inner.child(Probe::child("a", &log).on(arbiter.handle()));
    let mut top = Supervisor::builder("top").intensity(Intensity::new(1, Duration::from_secs(10)));
    top.supervisor(inner);
    let top = top.start();
    assert_eq!(soon(probe.send(Say(1))).await, Ok(1));

    arbiter.stop();
    arbiter.join().unwrap();
    let exit = soon(top.ended()).await;
    let Exit::GaveUp { child, last, .. } = exit else { panic!("{exit}") };
    let Exit::GaveUp { child: grandchild, last, .. } = *last else { panic!("{last}") };
    assert_eq!((child.as_str(), grandchild.as_str()), ("inner", "a"));
    assert_eq!(*last, Exit::ArbiterGone, "restarting its supervisor does not bring it back");
    assert_eq!(soon(probe.send(Say(2))).await, Err(MailboxError::Closed));
    assert_eq!(log.take().last().unwrap(), "a dropped");
}

/// Two ends of a place where a thread can be held.
fn gate() -> (Gatekeeper, impl FnMut() + Send + 'static) {
    let (entered, has_entered) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut entered = Some(entered);
    let pass = move || {
        if let Some(entered) = entered.take() {
            entered.send(()).unwrap();
            // Until the test lets go, or fails.
            let _ = released.recv();
        }
    };
    (Gatekeeper { has_entered, _release: release }, pass)
}

/// Holds a thread until it is dropped.
struct Gatekeeper {
    has_entered: tokio::sync::oneshot::Receiver<()>,
    _release: mpsc::Sender<()>,
}

/// One-for-all over a local `a` and a `b` elsewhere that is given up soon when it does not stop.
fn pair(
    log: &Log,
    b: Child<Probe>,
    arbiter: &Arbiter,
) -> (Addr<Probe>, Addr<Probe>, SupervisorRef) {
    let mut builder = patient("top").strategy(RestartStrategy::OneForAll);
    let a = builder.child(Probe::child("a", log));
    let b = builder.child(b.on(arbiter.handle()).shutdown(Duration::from_millis(50)));
    (a, b, builder.start())
}

#[actix::test]
async fn the_end_of_an_abandoned_child_is_not_taken_for_the_end_of_its_successor() {
    quiet_contained_panics();
    let (log, arbiter) = (Log::default(), Arbiter::new());
    let (start, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let its_log = log.clone();
    let child = Child::new("b", move || {
        let start = start.clone();
        Probe::new("b", &its_log).on_started(move |_| start.send(()).unwrap())
    });
    let vitals = child.vitals();
    let (a, b, supervisor) = pair(&log, child, &arbiter);
    let (mut gatekeeper, mut pass) = gate();
    b.do_send(Run::new(move |_, _| pass()));
    soon(&mut gatekeeper.has_entered).await.unwrap();
    soon(starts.recv()).await.unwrap();
    a.do_send(Crash);
    assert_eq!(soon(a.send(Say(1))).await, Ok(1));
    let state = supervisor.children().await[1].state;
    assert_eq!(state, ChildState::Starting, "the supervisor has ordered a successor");

    drop(gatekeeper);
    soon(starts.recv()).await.unwrap();
    // By then the supervisor has heard of the end of the first one.
    assert_eq!(supervisor.children().await.len(), 2);
    assert_eq!(soon(a.send(Say(2))).await, Ok(2));
    assert_eq!(soon(b.send(Say(3))).await, Ok(3));
    assert_eq!(vitals.snapshot().restarts, 1);
    let started = log.take().into_iter().filter(|line| line == "a started").count();
    assert_eq!(started, 2);
    assert_eq!(soon(supervisor.stop()).await, Exit::Shutdown);
}

#[actix::test]
async fn an_arbiter_that_goes_takes_the_incarnations_with_it_that_were_still_ordered() {
    quiet_contained_panics();
    let (log, arbiter) = (Log::default(), Arbiter::new());
    let (mut gatekeeper, pass) = gate();
    let (its_log, mut pass) = (log.clone(), Some(pass));
    let child = Child::new("b", move || {
        let probe = Probe::new("b", &its_log);
        match pass.take() {
            Some(pass) => probe.on_dropped(pass),
            None => probe,
        }
    });
    let (a, b, supervisor) = pair(&log, child, &arbiter);
    assert_eq!(soon(b.send(Say(1))).await, Ok(1));
    arbiter.stop();
    // The thread is held while it drops the actor, and cannot say so.
    soon(&mut gatekeeper.has_entered).await.unwrap();
    a.do_send(Crash);
    assert_eq!(soon(a.send(Say(2))).await, Ok(2));
    let state = supervisor.children().await[1].state;
    assert_eq!(state, ChildState::Starting, "the supervisor has ordered a successor");

    drop(gatekeeper);
    let Exit::GaveUp { child, last, .. } = soon(supervisor.ended()).await else {
        panic!("gave up")
    };
    assert_eq!((child.as_str(), *last), ("b", Exit::ArbiterGone));
    arbiter.join().unwrap();
}
