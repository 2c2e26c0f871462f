//! A message that is handled while its caller waits for nothing: within the caller's own poll.
//!
//! It is not queued, so nothing of it is on the heap; and only where the answer takes time there is a
//! channel for it.

use std::marker::PhantomData;

use actix::prelude::{Actor, Handler};
use callboard_actors::contain::Panic;
use callboard_actors::inbox::{Inbox, Job, JobKey, Progress};
use callboard_actors::message::Refusal;
use callboard_actors::{Context, Deadline};
use tokio::time::Instant;

use super::super::delivery::{Delivery, Stay};
use super::super::job::{Answer, deliver, panicked, respond, take_as};
use super::{LocalFailure, LocalOutcome, local_reply};
use crate::request::Annotated;

/// Has an actor handle a message at once; if that cannot be, the message is left where it is.
pub(super) fn run_at_once<A, M>(
    inbox: &Inbox<A>,
    message: &mut Option<M>,
    (stay, endpoint, key): (M::Stay, usize, JobKey),
) -> Option<LocalOutcome<M>>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    let stay = Some(stay);
    let mut job = JobAtOnce { message, stay, endpoint, key, outcome: None, actor: PhantomData };
    inbox.run_at_once(&mut job);
    job.outcome
}

struct JobAtOnce<'a, A, M: Delivery> {
    message: &'a mut Option<M>,
    stay: Option<M::Stay>,
    endpoint: usize,
    key: JobKey,
    outcome: Option<LocalOutcome<M>>,
    actor: PhantomData<fn() -> A>,
}

impl<A, M> Job<A> for JobAtOnce<'_, A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    <A as Handler<M>>::Result: 'static,
    M: Delivery,
{
    fn key(&self) -> JobKey {
        self.key
    }

    fn deadline(&self) -> Option<Deadline> {
        self.message.as_ref()?.context_ref().due.begun()
    }

    fn begin(&mut self, now: Instant) {
        if let Some(message) = &self.message {
            message.context_ref().due.begin(now);
        }
    }

    fn endpoint(&self) -> usize {
        self.endpoint
    }

    fn run(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Progress<A> {
        self.stay.iter().for_each(Stay::begin);
        let Some((result, deadline)) = deliver(self.message, None, actor, ctx) else {
            return Progress::Done;
        };
        let result = match take_as::<_, Answer<M::Value>>(result) {
            Ok(reply) => {
                let result = reply.map(Annotated::new).map_err(LocalFailure::Status);
                self.outcome = Some(LocalOutcome::Answered(result));
                return Progress::Done;
            }
            Err(result) => result,
        };
        let (reply, answer) = local_reply();
        self.outcome = Some(LocalOutcome::Later(answer));
        let stay = self.stay.take();
        let answer = move |result| {
            reply.answer(result);
            drop(stay);
        };
        respond(M::ENDPOINT, result, answer, deadline, ctx)
    }

    fn panicked(&mut self, _: &Panic) {
        let failure = LocalFailure::Status(panicked(M::ENDPOINT));
        self.outcome = Some(LocalOutcome::Answered(Err(failure)));
    }

    // What is not run is queued, and may be refused there.
    fn refuse(&mut self, _: Refusal) {}
}
