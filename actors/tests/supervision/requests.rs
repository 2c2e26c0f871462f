//! Requests whose outcomes are written down, and an actor that takes them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use callboard_actors::contain::Panic;
use callboard_actors::inbox::{Inbox, InboxOptions, Job, JobKey, Progress};
use callboard_actors::message::Refusal;
use callboard_actors::supervisor::{Child, SupervisorRef};
use callboard_actors::{Context, Deadline, Vitals};
use tokio::time::{Instant, sleep};

use crate::world::{Log, Probe, patient, set_up};

/// What became of requests, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes(Log);

impl Outcomes {
    /// Written down among other events.
    pub(crate) fn among(log: &Log) -> Self {
        Self(log.clone())
    }

    /// A request that is answered at once.
    pub(crate) fn job(&self, id: u64) -> TestJob {
        let key = JobKey { origin: 1, id };
        TestJob {
            key,
            deadline: None,
            timeout: None,
            endpoint: 0,
            deed: Deed::Answer,
            is_lent: false,
            log: self.0.clone(),
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// A request of these tests.
pub(crate) struct TestJob {
    key: JobKey,
    deadline: Option<Deadline>,
    /// From when its time begins.
    timeout: Option<Duration>,
    endpoint: usize,
    deed: Deed,
    /// To be filled anew once it has been answered.
    is_lent: bool,
    log: Log,
}

/// What it does when it is run.
#[derive(Clone, Copy)]
enum Deed {
    Answer,
    Panic,
    Explode,
    AnswerAfter(Duration),
    UseActorFor(Duration),
    PanicAfter(Duration),
    Pause(Duration),
}

impl TestJob {
    pub(crate) fn panics(self) -> Self {
        Self { deed: Deed::Panic, ..self }
    }

    /// Answered this much later, without the actor.
    pub(crate) fn takes(self, time: Duration) -> Self {
        Self { deed: Deed::AnswerAfter(time), ..self }
    }

    /// Panics, and its messenger panics as well.
    pub(crate) fn explodes(self) -> Self {
        Self { deed: Deed::Explode, ..self }
    }

    pub(crate) fn uses_actor_for(self, time: Duration) -> Self {
        Self { deed: Deed::UseActorFor(time), ..self }
    }

    pub(crate) fn panics_after(self, time: Duration) -> Self {
        Self { deed: Deed::PanicAfter(time), ..self }
    }

    /// Answered at once, and then the actor does nothing else for this long.
    pub(crate) fn pauses_actor_for(self, time: Duration) -> Self {
        Self { deed: Deed::Pause(time), ..self }
    }

    pub(crate) fn of(self, endpoint: usize) -> Self {
        Self { endpoint, ..self }
    }

    pub(crate) fn by(self, origin: u64) -> Self {
        let key = JobKey { origin, ..self.key };
        Self { key, ..self }
    }

    pub(crate) fn within(self, time: Duration) -> Self {
        Self { deadline: Some(Deadline::within(time)), ..self }
    }

    /// Not worth running this long after its time has begun.
    pub(crate) fn lasting(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Kept to be filled anew once it has been let go of.
    pub(crate) fn lent(self) -> Self {
        Self { is_lent: true, ..self }
    }

    pub(crate) fn boxed(self) -> Box<dyn Job<Probe>> {
        Box::new(self)
    }

    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.key.id));
    }
}

impl Job<Probe> for TestJob {
    fn key(&self) -> JobKey {
        self.key
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn begin(&mut self, now: Instant) {
        self.deadline = self.timeout.map(|timeout| Deadline::after(now, timeout));
    }

    fn endpoint(&self) -> usize {
        self.endpoint
    }

    fn run(&mut self, actor: &mut Probe, ctx: &mut Context<Probe>) -> Progress<Probe> {
        let answer = Answer { log: self.log.clone(), id: self.key.id, is_given: false };
        match self.deed {
            Deed::Answer => {
                answer.give();
                Progress::Done
            }
            Deed::Pause(time) => {
                ctx.wait(sleep(time).into_actor(actor));
                answer.give();
                Progress::Done
            }
            Deed::Panic | Deed::Explode => {
                std::mem::forget(answer);
                panic!("request")
            }
            Deed::AnswerAfter(time) => Progress::Free(Box::pin(async move {
                sleep(time).await;
                answer.give();
            })),
            Deed::UseActorFor(time) => Progress::Actor(Box::pin(
                async move {
                    sleep(time).await;
                    answer.give();
                }
                .into_actor(actor),
            )),
            Deed::PanicAfter(time) => Progress::Actor(Box::pin(
                async move {
                    let _answer = answer;
                    sleep(time).await;
                    panic!("later")
                }
                .into_actor(actor),
            )),
        }
    }

    fn finish(self: Box<Self>) -> Option<Box<dyn Job<Probe>>> {
        if self.is_lent { Some(self) } else { None }
    }

    fn panicked(&mut self, _: &Panic) {
        self.note("panicked");
        assert!(!matches!(self.deed, Deed::Explode), "explosion");
    }

    fn refuse(&mut self, refusal: Refusal) {
        let what = match refusal {
            Refusal::Overloaded { .. } => "overloaded",
            Refusal::Draining => "draining",
            Refusal::Expired => "expired",
            Refusal::Cancelled => "cancelled",
            _ => "refused",
        };
        self.note(what);
        assert!(!matches!(self.deed, Deed::Explode), "explosion");
    }
}

/// The way back of a request whose answer takes time.
struct Answer {
    log: Log,
    id: u64,
    is_given: bool,
}

impl Answer {
    fn give(mut self) {
        self.is_given = true;
        self.log.add(format!("{} answered", self.id));
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_given {
            self.log.add(format!("{} dropped", self.id));
        }
    }
}

/// An actor with an inbox.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) outcomes: Outcomes,
    pub(crate) probe: Addr<Probe>,
    pub(crate) inbox: Inbox<Probe>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) supervisor: SupervisorRef,
}

impl World {
    pub(crate) fn start(capacity: usize, concurrency: &[usize]) -> Self {
        Self::start_child(capacity, concurrency, |child| child)
    }

    pub(crate) fn start_child(
        capacity: usize,
        concurrency: &[usize],
        adapt: fn(Child<Probe>) -> Child<Probe>,
    ) -> Self {
        let log = set_up();
        let options =
            InboxOptions { capacity, concurrency: concurrency.to_vec(), ..InboxOptions::default() };
        let (child, inbox) = adapt(Probe::child("a", &log)).with_inbox(options);
        let vitals = child.vitals();
        let mut builder = patient("top");
        let probe = builder.child(child);
        let supervisor = builder.start();
        Self { log, outcomes: Outcomes::default(), probe, inbox, vitals, supervisor }
    }

    pub(crate) fn job(&self, id: u64) -> TestJob {
        self.outcomes.job(id)
    }

    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = TestJob>) {
        let mut jobs = jobs.into_iter().map(TestJob::boxed).collect();
        self.inbox.push(&mut jobs, Instant::now());
        assert!(jobs.is_empty());
    }

    /// Queues them, and gives the actor a turn at once.
    pub(crate) fn push_and_run(&self, jobs: impl IntoIterator<Item = TestJob>) {
        let mut jobs = jobs.into_iter().map(TestJob::boxed).collect();
        self.inbox.push_and_run(&mut jobs, Instant::now());
        assert!(jobs.is_empty());
    }

    /// Queues a request of the first endpoint that this future answers.
    pub(crate) fn push_free(&self, answer: impl Future<Output = ()> + Send + 'static) {
        self.inbox.push_one(Box::new(FreeJob(Some(Box::pin(answer)))), Instant::now());
    }

    pub(crate) fn idle(&self) -> impl Future<Output = ()> + use<> {
        self.inbox.status().idle()
    }
}

/// A request that this answers, without the actor.
struct FreeJob(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Job<Probe> for FreeJob {
    fn key(&self) -> JobKey {
        JobKey { origin: 9, id: 9 }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }

    fn endpoint(&self) -> usize {
        0
    }

    fn run(&mut self, _: &mut Probe, _: &mut Context<Probe>) -> Progress<Probe> {
        Progress::Free(self.0.take().expect("a request is run once"))
    }

    fn panicked(&mut self, panic: &Panic) {
        unreachable!("{panic}");
    }

    fn refuse(&mut self, refusal: Refusal) {
        unreachable!("{refusal:?}");
    }
}
