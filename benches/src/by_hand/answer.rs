//! The right and the duty to answer one request.

use std::sync::Arc;

use super::outbox::{Outbox, put_answer};
use super::{Error, Message};

/// A request that is being handled, to be answered at once or [later](Self::later).
///
/// What is neither is answered with status 500.
#[derive(Debug)]
pub struct Answering<'a> {
    outbox: &'a Arc<Outbox>,
    out: &'a mut Vec<u8>,
    outcome: &'a mut Outcome,
    id: u64,
}

/// What has become of a request when its handler is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    Replied,
    Failed,
    Later,
}

impl<'a> Answering<'a> {
    #[inline]
    pub(super) fn new(
        outbox: &'a Arc<Outbox>,
        id: u64,
        out: &'a mut Vec<u8>,
        outcome: &'a mut Outcome,
    ) -> Self {
        Self { outbox, out, outcome, id }
    }

    /// Answers, straight into what the connection sends.
    #[inline]
    pub fn answer(self, answer: &Result<Message, Error>) {
        put_answer(self.out, self.id, answer);
        *self.outcome = if answer.is_ok() { Outcome::Replied } else { Outcome::Failed };
    }

    /// Takes the answer elsewhere.
    pub fn later(self) -> Later {
        *self.outcome = Outcome::Later;
        Later(Some((Arc::clone(self.outbox), self.id)))
    }
}

/// A request that is answered later, perhaps from another thread.
///
/// Dropped without an answer, it answers that with status 500.
#[derive(Debug)]
pub struct Later(Option<(Arc<Outbox>, u64)>);

impl Later {
    /// Answers.
    pub fn answer(mut self, answer: &Result<Message, Error>) {
        if let Some((outbox, id)) = self.0.take() {
            outbox.answer(id, answer);
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some((outbox, id)) = self.0.take() {
            outbox.answer(id, &Err(Error::status(500, NO_ANSWER)));
        }
    }
}

pub(super) const NO_ANSWER: &str = "the handler ended without an answer";
