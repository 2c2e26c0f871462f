//! Drives a workload on the present thread.

use std::process;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::message::Messages;
use super::open;
use super::{Caller, Sample, Shape, Unsupported, Workload};
use crate::meter::{Laps, Windows, begin, end};
use crate::talk;
use crate::usage::{Usage, usage, usage_with_children};

/// Drives a workload over these connections; callers are spread over them in turn.
///
/// Runs in a [`LocalSet`](tokio::task::LocalSet), as [`block_on`](super::block_on) and actix's
/// `System` do.
///
/// # Errors
/// The system has no message without an answer, no streams or no topics, and the workload is made of
/// those.
///
/// # Panics
/// When a call fails, a reply is wrong, there is no connection, or callers do not end.
pub async fn drive<C: Caller>(
    connections: Vec<C>,
    workload: &Workload,
    server: u32,
) -> Result<Sample, Unsupported> {
    let messages = Messages::new(workload.body);
    if workload.shape == Shape::OneWay {
        let is_sent = connections[0].tell(messages.clone().next(0)).await;
        if !is_sent {
            return Err(Unsupported("there is no message without an answer".into()));
        }
    }
    if workload.shape.is_stream() && !C::HAS_STREAMS {
        return Err(Unsupported("there are no streams".into()));
    }
    if workload.shape == Shape::Publish && C::EVENTS_PER_LAP == 0 {
        return Err(Unsupported("there is no publish and subscribe".into()));
    }
    let callers = connections.into_iter().cycle().take(callers::<C>(workload));
    let tasks: Vec<JoinHandle<()>> = match workload.shape {
        Shape::Unary => callers.map(|caller| spawn_local(ask(caller, messages.clone()))).collect(),
        Shape::OneWay => {
            callers.map(|caller| spawn_local(send(caller, messages.clone()))).collect()
        }
        Shape::Open => open::spawn(callers, &messages, workload.rate),
        shape @ (Shape::Down | Shape::Up | Shape::Both) => {
            let body = workload.body;
            let talk = |caller: C| spawn_local(async move { caller.talk(shape, body).await });
            callers.map(talk).collect()
        }
        Shape::Publish => {
            callers.map(|caller| spawn_local(publish(caller, messages.clone()))).collect()
        }
    };
    let sample = measure(workload, server, per_lap::<C>(workload)).await;
    for task in tasks {
        let ended = timeout(PATIENCE, task).await.expect("calls in flight are answered");
        ended.expect("no caller panics");
    }
    Ok(sample)
}

/// Warms up, counts [laps](Laps) of this thread, and ends; `per_lap` messages are in each.
///
/// # Panics
/// When nothing was answered in the measured time, or the server is gone.
pub async fn measure(workload: &Workload, server: u32, per_lap: u32) -> Sample {
    let time = Duration::from_secs_f64(workload.seconds);
    let windows = windows(workload);
    sleep(WARM_UP).await;
    let before = used(server);
    let begun = begin(windows);
    sleep(time).await;
    let elapsed = begun.elapsed();
    let measured = end();
    let after = used(server);
    assert!(measured.whole.count() > 0, "nothing was answered in {elapsed:?}");
    let messages = measured.whole.count() as f64 * f64::from(per_lap);
    let quantile = |share| micros(measured.whole.quantile(share));
    let cpu = |side: fn(&[Usage; 2]) -> &Usage| {
        micros(side(&after).cpu.saturating_sub(side(&before).cpu)) / messages
    };
    let per_second = messages / elapsed.as_secs_f64();
    let summary = measured.windows.unwrap_or_default();
    Sample {
        per_second,
        p50: quantile(0.5),
        p99: quantile(0.99),
        p999: quantile(0.999),
        client_cpu: cpu(|[client, _]| client),
        server_cpu: cpu(|[_, server]| server),
        client_memory: after[0].memory as f64 / 1024.0,
        server_memory: after[1].memory as f64 / 1024.0,
        bytes_per_second: per_second * workload.body as f64,
        window_p50: summary.p50.map(micros),
        window_p99: summary.p99.map(micros),
        late_windows: summary.late,
        untold: summary.untold,
        client_away: measured.away.filter(|_| workload.shape == Shape::Open).map(micros),
    }
}

/// Only where calls come due at fixed times has each window as many.
fn windows(workload: &Workload) -> Windows {
    match workload.shape {
        Shape::Open => {
            let time = Duration::from_secs_f64(workload.seconds);
            Windows::of(time, workload.rate, workload.in_flight)
        }
        _ => Windows::default(),
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Who calls, or publishes: of those, together, no more events are under way than asked for.
fn callers<C: Caller>(workload: &Workload) -> usize {
    match workload.shape {
        Shape::Publish => (workload.in_flight / C::EVENTS_PER_LAP as usize).max(1),
        _ => workload.in_flight,
    }
}

/// Messages of a lap; of events each delivery is one.
fn per_lap<C: Caller>(workload: &Workload) -> u32 {
    match workload.shape {
        Shape::OneWay => BATCH,
        shape if shape.is_stream() => talk::BATCH,
        Shape::Publish => {
            let subscribers = u32::try_from(workload.subscribers).unwrap_or(u32::MAX);
            C::EVENTS_PER_LAP.saturating_mul(subscribers)
        }
        _ => 1,
    }
}

/// The usage of this process and of the server.
fn used(server: u32) -> [Usage; 2] {
    [usage(process::id()), usage_with_children(server)]
}

async fn ask<C: Caller>(caller: C, mut messages: Messages) {
    let mut laps = Laps::default();
    while let Some(id) = laps.next_call() {
        let reply = caller.call(messages.next(id)).await;
        messages.check(id, reply);
    }
}

async fn send<C: Caller>(caller: C, mut messages: Messages) {
    let mut laps = Laps::default();
    while let Some(id) = laps.next_call() {
        for _ in 0..BATCH {
            assert!(caller.tell(messages.next(id)).await, "it could be sent before");
        }
        let reply = caller.call(messages.next(id)).await;
        messages.check(id, reply);
    }
}

async fn publish<C: Caller>(caller: C, mut messages: Messages) {
    let mut laps = Laps::default();
    while let Some(id) = laps.next_call() {
        for index in 1..=C::EVENTS_PER_LAP {
            caller.publish(messages.next(id), index == C::EVENTS_PER_LAP).await;
        }
    }
}

/// Messages without an answer in a row.
const BATCH: u32 = 256;

const WARM_UP: Duration = Duration::from_millis(300);

/// Time in which calls in flight are answered when the measurement is over.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::echo::Echo;
    use crate::meter::count;

    /// Publishes this many events per lap.
    #[derive(Clone)]
    struct Speaker<const EVENTS: u32>;

    impl<const EVENTS: u32> Caller for Speaker<EVENTS> {
        async fn call(&self, echo: Echo) -> Echo {
            echo
        }

        const EVENTS_PER_LAP: u32 = EVENTS;
    }

    #[test]
    fn as_many_events_are_under_way_whatever_is_a_lap() {
        let shape = Shape::Publish;
        let workload = Workload { shape, in_flight: 256, subscribers: 8, ..Workload::default() };
        assert_eq!((callers::<Speaker<1>>(&workload), per_lap::<Speaker<1>>(&workload)), (256, 8));
        assert_eq!(callers::<Speaker<128>>(&workload), 2);
        assert_eq!(per_lap::<Speaker<128>>(&workload), 1024);
    }

    #[test]
    fn only_an_open_loop_is_told_by_windows() {
        for shape in [Shape::Open, Shape::Unary] {
            let workload = Workload { shape, ..Workload::default() };
            let begun = begin(windows(&workload));
            count(begun, begun + Duration::from_micros(1));
            assert_eq!(end().windows.is_some(), shape == Shape::Open);
        }
    }

    #[test]
    fn what_a_system_has_not_is_said_and_not_driven() {
        for (shape, why) in [
            (Shape::Publish, "there is no publish and subscribe"),
            (Shape::Down, "there are no streams"),
            (Shape::OneWay, "there is no message without an answer"),
        ] {
            let workload = Workload { shape, ..Workload::default() };
            let driven =
                super::super::block_on(drive(vec![Speaker::<0>], &workload, process::id()));
            assert_eq!(driven, Err(Unsupported(why.into())));
        }
    }
}
