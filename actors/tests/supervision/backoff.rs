//! The first restart comes at once, later ones are spaced out.

use std::time::Duration;

use actix::prelude::*;
use callboard_actors::supervisor::{Child, Intensity, Supervisor, SupervisorOptions};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::time::Instant;

use crate::world::{Crash, Probe, set_up};

const FIRST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(5);

/// When incarnations were made; `fails` says where each of them fails at once.
fn births(
    intensity: Intensity,
    fails: fn(Probe) -> Probe,
) -> (Addr<Probe>, Arc<Mutex<Vec<Instant>>>) {
    let log = set_up();
    let options = SupervisorOptions {
        intensity,
        backoff_first: FIRST,
        backoff_max: MOST,
        ..SupervisorOptions::default()
    };
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let its_times = Arc::clone(&times);
    let mut builder = Supervisor::builder("top").options(options);
    let probe = builder.child(Child::new("a", move || {
        its_times.lock().push(Instant::now());
        fails(Probe::new("a", &log))
    }));
    builder.start();
    (probe, times)
}

/// Checks that the first restart came at once and each later one within its bound.
fn check(times: &[Instant]) {
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("delays: {gaps:?}");
    assert!(gaps.len() > 15, "it is tried again and again");
    // Timers are as coarse as a millisecond.
    let tick = Duration::from_millis(1);
    assert!(gaps[0] <= tick);
    let mut bound = FIRST;
    for gap in &gaps[1..] {
        assert!(*gap <= bound + tick, "{gap:?} instead of at most {bound:?}");
        bound = (bound * 2).min(MOST);
    }
    let late = &gaps[10..];
    assert!(late.iter().any(|gap| *gap > MOST / 20), "delays grow");
    assert!(late.iter().any(|gap| *gap < MOST.mul_f64(0.99)), "delays differ");
}

#[actix::test]
async fn an_actor_that_panics_soon_after_each_start_is_restarted_ever_more_slowly() {
    let crash_soon = |probe: Probe| probe.on_started(|ctx| ctx.address().do_send(Crash));
    let (_probe, times) = births(Intensity::unlimited(), crash_soon);
    tokio::time::sleep(Duration::from_secs(300)).await;
    check(&times.lock());
}

#[actix::test]
async fn a_short_intensity_does_not_make_an_actor_stable_sooner() {
    let crash_later = |probe: Probe| {
        probe.on_started(|ctx| {
            ctx.notify_later(Crash, Duration::from_millis(5));
        })
    };
    let (_probe, times) = births(Intensity::new(1000, Duration::from_millis(1)), crash_later);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(times.lock().len() < 1000, "it was restarted {} times", times.lock().len());
}

#[actix::test]
async fn an_actor_that_cannot_start_is_restarted_ever_more_slowly() {
    let cannot_start = |probe: Probe| probe.on_started(|_| panic!("cannot start"));
    let (_probe, times) = births(Intensity::unlimited(), cannot_start);
    tokio::time::sleep(Duration::from_secs(300)).await;
    check(&times.lock());
}

#[actix::test]
async fn a_long_life_does_not_excuse_the_failures_to_start_that_follow() {
    let log = set_up();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let its_times = Arc::clone(&times);
    let mut builder = Supervisor::builder("top").intensity(Intensity::unlimited());
    let probe = builder.child(Child::new("a", move || {
        let mut times = its_times.lock();
        times.push(Instant::now());
        assert!(times.len() == 1, "factory");
        Probe::new("a", &log)
    }));
    builder.start();
    tokio::time::sleep(Duration::from_secs(100)).await;
    probe.do_send(Crash);
    times.lock()[0] = Instant::now();
    tokio::time::sleep(Duration::from_secs(300)).await;
    check(&times.lock());
}

#[actix::test]
async fn after_a_stable_time_the_next_restart_comes_at_once_again() {
    let (probe, times) = births(Intensity::default(), |probe| probe);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(11)).await;
        let failed = Instant::now();
        probe.do_send(Crash);
        tokio::time::sleep(Duration::from_millis(2)).await;
        let last = *times.lock().last().unwrap();
        assert!(last >= failed && last - failed <= Duration::from_millis(1));
    }
}
