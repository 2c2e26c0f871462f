//! An actor that does what a test tells it, and writes down what happens to it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use callboard_actors::Context;
use callboard_actors::contain::quiet_contained_panics;
use callboard_actors::supervisor::{Child, Intensity, Supervisor, SupervisorBuilder};
use parking_lot::Mutex;

/// Pauses the clock and silences the panics that are part of a test.
pub(crate) fn set_up() -> Log {
    tokio::time::pause();
    quiet_contained_panics();
    Log::default()
}

/// A supervisor that never gives up.
pub(crate) fn patient(name: &str) -> SupervisorBuilder {
    Supervisor::builder(name).intensity(Intensity::unlimited())
}

/// Awaits `future` for a minute; on the paused clock, a test that would hang fails at once.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

/// Awaits `future` for a year, on the paused clock.
pub(crate) async fn eventually<F: Future>(future: F) -> F::Output {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    tokio::time::timeout(year, future).await.expect("it happens within a year")
}

/// Lets everything happen that can happen without time passing further than a microsecond.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_micros(1)).await;
}

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    /// Returns and forgets what happened so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// A counter that clones share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    /// Adds one; returns the sum.
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

type Hook = Box<dyn FnMut(&mut Context<Probe>) + Send>;
type StopHook = Box<dyn FnMut(&mut Context<Probe>) -> Running + Send>;

/// The actor of these tests.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    started: Option<Hook>,
    stopping: Option<StopHook>,
    stopped: Option<Hook>,
    dropped: Option<Box<dyn FnMut() + Send>>,
}

impl Probe {
    pub(crate) fn new(name: &'static str, log: &Log) -> Self {
        let log = log.clone();
        Self { name, log, started: None, stopping: None, stopped: None, dropped: None }
    }

    /// A child that makes plain probes.
    pub(crate) fn child(name: &'static str, log: &Log) -> Child<Self> {
        let log = log.clone();
        Child::new(name, move || Self::new(name, &log))
    }

    pub(crate) fn on_started(
        mut self,
        hook: impl FnMut(&mut Context<Self>) + Send + 'static,
    ) -> Self {
        self.started = Some(Box::new(hook));
        self
    }

    pub(crate) fn on_stopping(
        mut self,
        hook: impl FnMut(&mut Context<Self>) -> Running + Send + 'static,
    ) -> Self {
        self.stopping = Some(Box::new(hook));
        self
    }

    pub(crate) fn on_stopped(
        mut self,
        hook: impl FnMut(&mut Context<Self>) + Send + 'static,
    ) -> Self {
        self.stopped = Some(Box::new(hook));
        self
    }

    pub(crate) fn on_dropped(mut self, hook: impl FnMut() + Send + 'static) -> Self {
        self.dropped = Some(Box::new(hook));
        self
    }

    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.note("started");
        if let Some(hook) = &mut self.started {
            hook(ctx);
        }
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        self.note("stopping");
        self.stopping.as_mut().map_or(Running::Stop, |hook| hook(ctx))
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        self.note("stopped");
        if let Some(hook) = &mut self.stopped {
            hook(ctx);
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.note("dropped");
        if let Some(hook) = &mut self.dropped {
            hook();
        }
    }
}

/// Is written down and returned.
#[derive(Debug, Message)]
#[rtype(result = "u64")]
pub(crate) struct Say(pub(crate) u64);

impl Handler<Say> for Probe {
    type Result = u64;

    fn handle(&mut self, Say(number): Say, _: &mut Self::Context) -> u64 {
        self.note(&format!("says {number}"));
        number
    }
}

/// Makes the handler panic.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

impl Handler<Crash> for Probe {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Self::Context) {
        panic!("crash");
    }
}

/// Runs code of the test inside the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Run(Work);

type Work = Box<dyn FnOnce(&mut Probe, &mut Context<Probe>) + Send>;

impl Run {
    pub(crate) fn new(work: impl FnOnce(&mut Probe, &mut Context<Probe>) + Send + 'static) -> Self {
        Self(Box::new(work))
    }
}

impl Handler<Run> for Probe {
    type Result = ();

    fn handle(&mut self, Run(work): Run, ctx: &mut Self::Context) {
        work(self, ctx);
    }
}

/// Panics when it is dropped.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}
